/* nRF52840: the crystal's clock, the instruction cache, console on the UART. Product Specification
 * v1.7: CLOCK (section 5.4), NVMC (4.3), UART (6.32); addresses of section 4.2.3. */
#include "board.h"
#include "board_facts.h"
#include "register_bits.h"

#define CLOCK 0x40000000u
#define UART 0x40002000u
#define NVMC_ICACHECNF 0x4001E540u

enum {
    TASKS_HFCLKSTART = 0x000,
    EVENTS_HFCLKSTARTED = 0x100,
    TASKS_STARTRX = 0x000,
    TASKS_STARTTX = 0x008,
    EVENTS_RXDRDY = 0x108,
    EVENTS_TXDRDY = 0x11C,
    UART_ENABLE = 0x500,
    PSEL_RTS = 0x508,
    PSEL_TXD = 0x50C,
    PSEL_CTS = 0x510,
    PSEL_RXD = 0x514,
    UART_RXD = 0x518,
    UART_TXD = 0x51C,
    UART_BAUDRATE = 0x524,
    UART_CONFIG = 0x56C,
    ENABLED = 4,
    BAUD_115200 = 0x01D7E000
};
#define NOT_CONNECTED 0xFFFFFFFFu

/* Of GPIO port 0 and 1 (section 6.9.2), one register a pin from here on. */
#define PIN_CNF(port, pin) (0x50000700u + 0x300u * (port) + 4u * (pin))
#define OUTSET(port) (0x50000508u + 0x300u * (port))
enum { CNF_OUTPUT = 3, CNF_INPUT_PULLED_UP = 3u << 2 };

static int is_first_byte_out = 1;

enum board_fault board_start(void) {
    enum board_fault fault = BOARD_READY;
    write_register(NVMC_ICACHECNF, 1);
    /* The core runs at 64 MHz in any case; of the crystal it is exact. */
    write_register(CLOCK + EVENTS_HFCLKSTARTED, 0);
    write_register(CLOCK + TASKS_HFCLKSTART, 1);
    if (!wait_for_bits(CLOCK + EVENTS_HFCLKSTARTED, 1, 1))
        fault = BOARD_NO_OSCILLATOR;
    write_register(OUTSET(BOARD_TX_PORT), 1u << BOARD_TX_PIN);
    write_register(PIN_CNF(BOARD_TX_PORT, BOARD_TX_PIN), CNF_OUTPUT);
    write_register(PIN_CNF(BOARD_RX_PORT, BOARD_RX_PIN), CNF_INPUT_PULLED_UP);
    write_register(UART + UART_ENABLE, 0);
    write_register(UART + PSEL_RTS, NOT_CONNECTED);
    write_register(UART + PSEL_CTS, NOT_CONNECTED);
    write_register(UART + PSEL_TXD, BOARD_TX_PORT << 5 | BOARD_TX_PIN);
    write_register(UART + PSEL_RXD, BOARD_RX_PORT << 5 | BOARD_RX_PIN);
    write_register(UART + UART_BAUDRATE, BAUD_115200);
    write_register(UART + UART_CONFIG, 0);
    write_register(UART + UART_ENABLE, ENABLED);
    write_register(UART + EVENTS_RXDRDY, 0);
    write_register(UART + EVENTS_TXDRDY, 0);
    write_register(UART + TASKS_STARTTX, 1);
    write_register(UART + TASKS_STARTRX, 1);
    return fault;
}

uint32_t board_clock_hz(void) {
    return BOARD_CLOCK_HZ;
}

void board_put(int byte) {
    /* The event says that the byte before has gone. */
    while (!is_first_byte_out && read_register(UART + EVENTS_TXDRDY) == 0) {
    }
    is_first_byte_out = 0;
    write_register(UART + EVENTS_TXDRDY, 0);
    write_register(UART + UART_TXD, (uint32_t)byte & 0xFFu);
}

int board_get(void) {
    while (read_register(UART + EVENTS_RXDRDY) == 0) {
    }
    /* Cleared before the byte is read: the next one in the FIFO sets it again. */
    write_register(UART + EVENTS_RXDRDY, 0);
    return (int)(read_register(UART + UART_RXD) & 0xFFu);
}
