/* One pin of an STM32 given to a peripheral. The ports of the F4, F7, H7 and L4 are the same:
 * RM0390 section 7.4, RM0385 section 6.4, RM0433 section 11.4, RM0432 section 8.4. */
#ifndef EDGEMNV2_STM32_GPIO_H
#define EDGEMNV2_STM32_GPIO_H

#include "board_facts.h"
#include "register_bits.h"

enum {
    GPIO_PORT_BYTES = 0x400, /* from port to port */
    GPIO_MODER = 0x00,       /* 2 bits a pin; 2: a peripheral's */
    GPIO_PUPDR = 0x0C,       /* 2 bits a pin; 1: pulled up */
    GPIO_AFRL = 0x20         /* 4 bits a pin, 8 pins a register: which peripheral */
};

static inline void give_pin(uint32_t port_a, uint32_t port, uint32_t pin, uint32_t function) {
    const uint32_t base = port_a + port * GPIO_PORT_BYTES;
    const uint32_t two = 2u * pin, four = 4u * (pin & 7u);
    change_register(base + GPIO_AFRL + 4u * (pin >> 3), 15u << four, function << four);
    /* An open receive line rests high, or noise is taken for bytes. */
    change_register(base + GPIO_PUPDR, 3u << two, 1u << two);
    change_register(base + GPIO_MODER, 3u << two, 2u << two);
}

/* The board's UART and its two pins: clocks on, which the last read waits for, then the pins. */
static inline void connect_uart(uint32_t ports_enable, uint32_t uart_enable, uint32_t port_a) {
    change_register(ports_enable, 0, 1u << BOARD_TX_PORT | 1u << BOARD_RX_PORT);
    change_register(uart_enable, 0, 1u << BOARD_UART_ENABLE_BIT);
    (void)read_register(uart_enable);
    give_pin(port_a, BOARD_TX_PORT, BOARD_TX_PIN, BOARD_PIN_FUNCTION);
    give_pin(port_a, BOARD_RX_PORT, BOARD_RX_PIN, BOARD_PIN_FUNCTION);
}

#endif
