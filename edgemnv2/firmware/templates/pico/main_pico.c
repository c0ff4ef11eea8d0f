/* The firmware on a Pico or Pico 2: self-test, then the serial protocol on the SDK's standard input
 * and output, that is, USB and UART0 (GP0 and GP1, 115200 8N1) alike. */
#include <pico/stdlib.h>

#include "hardware/clocks.h"
#include "net_selftest.h"

static int get_byte(void) {
    int byte;
    while ((byte = getchar_timeout_us(1000000)) < 0) {
    }
    return byte;
}

static void put_byte(int byte) {
    putchar_raw(byte);
}

int main(void) {
    struct net_port port = {get_byte, put_byte, 0, 0};
    stdio_init_all();
    port.clock_hz = clock_get_hz(clk_sys);
    /* Of the 2 KiB that the SDK gives the stack of core 0. */
    port.free_stack_bytes = 1024;
    net_selftest(&port);
    net_serve(&port);
    return 0;
}
