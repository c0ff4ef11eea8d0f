/* The serial protocol between a file and standard output: what a line brings, byte by byte.
 *
 * Its buffers lie on the heap, each of just its own size, so that a sanitizer sees every byte that
 * is touched beside them. */
#include <stdio.h>
#include <stdlib.h>

#include "serial_protocol.h"

enum { FIRST = 50, SECOND = 3, OUTPUT = 64, LAST = 7, FAIL_EVERY = 7 };

static FILE *line;
static struct serial_end inputs[2] = {{NULL, FIRST}, {NULL, SECOND}};
static struct serial_end outputs[2] = {{NULL, OUTPUT}, {NULL, LAST}};
static unsigned long runs;

static int get(void) {
    const int byte = getc(line);
    if (byte == EOF) {
        (void)fflush(stdout);
        for (int i = 0; i < 2; i++) {
            free(inputs[i].at);
            free(outputs[i].at);
        }
        exit(0);
    }
    return byte;
}

static void put(int byte) {
    (void)putchar(byte);
}

/* Reads and writes all of its ends; now and then it fails, as badly as an int32_t can say. */
static int32_t run(void) {
    unsigned sum = 0, place = 0;
    for (int end = 0; end < 2; end++) {
        for (uint32_t i = 0; i < inputs[end].bytes; i++) {
            sum += inputs[end].at[i];
        }
    }
    for (int end = 0; end < 2; end++) {
        for (uint32_t i = 0; i < outputs[end].bytes; i++) {
            outputs[end].at[i] = (unsigned char)(sum + place++);
        }
    }
    return ++runs % FAIL_EVERY ? 0 : INT32_MIN;
}

int main(int count, char **argument) {
    const struct serial_port port = {get, put, 1000000u};
    const struct serial_network network = {"net", "0123", inputs, 2, outputs, 2, 4096, run};
    line = count == 2 ? fopen(argument[1], "rb") : NULL;
    for (int i = 0; i < 2; i++) {
        inputs[i].at = calloc(inputs[i].bytes, 1);
        outputs[i].at = calloc(outputs[i].bytes, 1);
        if (!inputs[i].at || !outputs[i].at) {
            return 2;
        }
    }
    if (!line) {
        return 2;
    }
    serial_serve(&port, &network);
    return 1;
}
