/* The firmware on Zephyr: self-test, then the serial protocol on the console's UART. */
#include <zephyr/device.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "net_selftest.h"

static const struct device *const console = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));

static int get_byte(void) {
    unsigned char byte;
    while (uart_poll_in(console, &byte) != 0) {
    }
    return byte;
}

static void put_byte(int byte) {
    uart_poll_out(console, (unsigned char)byte);
}

int main(void) {
    /* The stack is the main thread's, CONFIG_MAIN_STACK_SIZE. */
    const struct net_port port = {get_byte, put_byte, (uint32_t)sys_clock_hw_cycles_per_sec(),
                                  1024};
    if (!device_is_ready(console))
        return -1;
    net_selftest(&port);
    net_serve(&port);
    return 0;
}
