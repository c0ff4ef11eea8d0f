/* Arm's MPS2 and MPS3 boards: a fixed clock, console on the CMSDK UART. Cortex-M System Design Kit
 * Technical Reference Manual (DDI 0479), section 4.3. */
#include "board.h"
#include "board_facts.h"
#include "register_bits.h"

enum {
    UART_DATA = 0x00,
    UART_STATE = 0x04,
    UART_CTRL = 0x08,
    UART_BAUDDIV = 0x10,
    TX_FULL = 1,
    RX_FULL = 2,
    TX_AND_RX_ENABLE = 3,
    BAUD = 115200
};

enum board_fault board_start(void) {
    write_register(BOARD_UART + UART_BAUDDIV, BOARD_UART_HZ / BAUD);
    write_register(BOARD_UART + UART_CTRL, TX_AND_RX_ENABLE);
    return BOARD_READY;
}

uint32_t board_clock_hz(void) {
    return BOARD_CLOCK_HZ;
}

void board_put(int byte) {
    while ((read_register(BOARD_UART + UART_STATE) & TX_FULL) != 0) {
    }
    write_register(BOARD_UART + UART_DATA, (uint32_t)byte);
}

int board_get(void) {
    while ((read_register(BOARD_UART + UART_STATE) & RX_FULL) == 0) {
    }
    return (int)(read_register(BOARD_UART + UART_DATA) & 0xFFu);
}
