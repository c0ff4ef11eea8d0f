/* The USART of the F7, H7 and L4, and the LPUART of the L4: RM0385 section 31.8, RM0433
 * sections 48.7 and 49.7, RM0432 sections 50.8 and 51.7. (The F4 has an older one.) 8 bits, no
 * parity, one stop bit are what CR1 and CR2 have after reset. */
#ifndef EDGEMNV2_STM32_USART_H
#define EDGEMNV2_STM32_USART_H

#include "board_facts.h"
#include "register_bits.h"

enum {
    USART_CR1 = 0x00,
    USART_BRR = 0x0C,
    USART_ISR = 0x1C,
    USART_ICR = 0x20,
    USART_RDR = 0x24,
    USART_TDR = 0x28,
    CR1_UE = 1u << 0,
    CR1_RE = 1u << 2,
    CR1_TE = 1u << 3,
    ISR_ORE = 1u << 3, /* a byte came while the one before was not yet read */
    ISR_RXNE = 1u << 5,
    ISR_TXE = 1u << 7,
    ICR_ORECF = 1u << 3,
    BAUD = 115200
};

/* BRR holds a bit's length in the peripheral's clocks: an LPUART's in 256ths of them, a USART's in
 * whole ones. */
static inline void start_usart(uint32_t clock_hz, uint32_t steps_per_clock) {
    const uint64_t steps = (uint64_t)clock_hz * steps_per_clock;
    write_register(BOARD_UART + USART_CR1, 0); /* BRR may be written while it is off */
    write_register(BOARD_UART + USART_BRR, (uint32_t)((steps + BAUD / 2) / BAUD));
    write_register(BOARD_UART + USART_CR1, CR1_UE | CR1_RE | CR1_TE);
}

void board_put(int byte) {
    while ((read_register(BOARD_UART + USART_ISR) & ISR_TXE) == 0) {
    }
    write_register(BOARD_UART + USART_TDR, (uint32_t)byte);
}

int board_get(void) {
    uint32_t state;
    while (((state = read_register(BOARD_UART + USART_ISR)) & ISR_RXNE) == 0) {
        if ((state & ISR_ORE) != 0)
            write_register(BOARD_UART + USART_ICR, ICR_ORECF);
    }
    return (int)(read_register(BOARD_UART + USART_RDR) & 0xFFu);
}

#endif
