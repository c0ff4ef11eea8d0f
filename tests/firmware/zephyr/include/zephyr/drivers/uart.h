#ifndef ZEPHYR_DRIVERS_UART_H
#define ZEPHYR_DRIVERS_UART_H
#include <zephyr/device.h>
/* 0 and a byte, or -1 when none has come. */
static inline int uart_poll_in(const struct device *device, unsigned char *byte) {
    if ((device->registers[1] & 2) == 0)
        return -1;
    *byte = (unsigned char)device->registers[0];
    return 0;
}
static inline void uart_poll_out(const struct device *device, unsigned char byte) {
    while (device->registers[1] & 1) {
    }
    device->registers[0] = byte;
}
#endif
