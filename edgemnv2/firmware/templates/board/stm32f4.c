/* STM32F4: clock of the PLL at its highest, console on a USART. Reference manual RM0390
 * (STM32F446); what is used here is the same in RM0090 (STM32F405), but for the over-drive, which
 * that lacks. */
#include "board.h"
#include "board_facts.h"
#include "stm32_clock.h"
#include "stm32_gpio.h"

enum { PLL_Q = 8, ACR_PREFETCH_AND_CACHES = 7u << 8 }; /* RM0390 sections 6.3.2, 3.8.1 */

/* Section 25.6: the older USART. */
enum {
    USART_SR = 0x00,
    USART_DR = 0x04,
    USART_BRR = 0x08,
    USART_CR1 = 0x0C,
    SR_RXNE = 1u << 5,
    SR_TXE = 1u << 7,
    CR1_RE = 1u << 2,
    CR1_TE = 1u << 3,
    CR1_UE = 1u << 13,
    BAUD = 115200
};

enum { RESET_HZ = 16000000 }; /* the internal oscillator, HSI */

static uint32_t clock_hz = RESET_HZ;

/* At most 180 MHz, APB1 at most 45, APB2 at most 90; section 5.1.4: without the over-drive the core
 * may not go beyond 168 MHz. */
static enum board_fault start_clock(void) {
    const int over_drive = BOARD_CLOCK_HZ > 168000000;
    const enum board_fault fault = run_on_pll(PLL_Q, over_drive, ACR_PREFETCH_AND_CACHES);
    if (fault == BOARD_READY)
        clock_hz = BOARD_CLOCK_HZ;
    return fault;
}

static void start_console(void) {
    const uint32_t usart_hz = clock_hz == RESET_HZ ? clock_hz : clock_hz / 4u;
    connect_uart(RCC + RCC_AHB1ENR, RCC + RCC_APB1ENR, GPIOA);
    /* A sixteenth of a bit is the unit of BRR, and so is the clock with 16 samples a bit. */
    write_register(BOARD_UART + USART_BRR, (usart_hz + BAUD / 2) / BAUD);
    write_register(BOARD_UART + USART_CR1, CR1_UE | CR1_TE | CR1_RE);
}

enum board_fault board_start(void) {
    const enum board_fault fault = start_clock();
    start_console();
    return fault;
}

uint32_t board_clock_hz(void) {
    return clock_hz;
}

void board_put(int byte) {
    while ((read_register(BOARD_UART + USART_SR) & SR_TXE) == 0) {
    }
    write_register(BOARD_UART + USART_DR, (uint32_t)byte);
}

int board_get(void) {
    /* Reading the state and then the byte clears an overrun too. */
    while ((read_register(BOARD_UART + USART_SR) & SR_RXNE) == 0) {
    }
    return (int)(read_register(BOARD_UART + USART_DR) & 0xFFu);
}
