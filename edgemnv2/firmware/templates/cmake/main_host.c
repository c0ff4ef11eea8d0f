/* The firmware as a program of this computer: self-test, then commands on standard input and
 * answers on standard output. Ends with the input; the exit code is the self-test's. */
#include <stdio.h>
#include <stdlib.h>

#include "net_selftest.h"

static int failed;

static int get_byte(void) {
    const int byte = getchar();
    if (byte == EOF)
        exit(failed);
    return byte;
}

static void put_byte(int byte) {
    putchar(byte);
    if (byte == '\n')
        fflush(stdout);
}

int main(void) {
    const struct net_port port = {get_byte, put_byte, 0, 0};
    failed = net_selftest(&port) != 0;
    net_serve(&port);
    return failed;
}
