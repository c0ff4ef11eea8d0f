/* The serial protocol between a file and standard output: what a line brings, byte by byte.
 *
 * Its buffers lie on the heap, each of just its own size, so that a sanitizer sees every byte that
 * is touched beside them. */
#include <stdio.h>
#include <stdlib.h>

#include "serial_protocol.h"

enum { INPUT = 53, OUTPUT = 71, FAIL_EVERY = 7 };

static FILE *line;
static unsigned char *input, *output;
static unsigned long runs;

static int get(void) {
    const int byte = getc(line);
    if (byte == EOF) {
        (void)fflush(stdout);
        free(input);
        free(output);
        exit(0);
    }
    return byte;
}

static void put(int byte) {
    (void)putchar(byte);
}

/* Reads and writes all of its ends; now and then it fails, as badly as an int32_t can say. */
static int32_t run(void) {
    unsigned sum = 0;
    for (int i = 0; i < INPUT; i++) {
        sum += input[i];
    }
    for (int i = 0; i < OUTPUT; i++) {
        output[i] = (unsigned char)(sum + (unsigned)i);
    }
    return ++runs % FAIL_EVERY ? 0 : INT32_MIN;
}

int main(int count, char **argument) {
    const struct serial_port port = {get, put, 1000000u};
    struct serial_network network = {"net", "0123", NULL, INPUT, NULL, OUTPUT, 4096, run};
    line = count == 2 ? fopen(argument[1], "rb") : NULL;
    input = calloc(INPUT, 1);
    output = calloc(OUTPUT, 1);
    if (!line || !input || !output) {
        return 2;
    }
    network.input = input;
    network.output = output;
    serial_serve(&port, &network);
    return 1;
}
