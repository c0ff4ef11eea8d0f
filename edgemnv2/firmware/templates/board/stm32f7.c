/* STM32F7: caches, clock of the PLL with over-drive, console on a USART. Reference manual RM0385
 * (STM32F746). */
#include "board.h"
#include "board_facts.h"
#include "cortex_m7_caches.h"
#include "stm32_clock.h"
#include "stm32_gpio.h"
#include "stm32_usart.h"

enum { PLL_Q = 9, ACR_PREFETCH_AND_ART = 3u << 8 }; /* RM0385 sections 5.3.2, 3.7.1 */
enum { RESET_HZ = 16000000 };                       /* the internal oscillator, HSI */

static uint32_t clock_hz = RESET_HZ;

/* At most 216 MHz, APB1 at most 54, APB2 at most 108. */
static enum board_fault start_clock(void) {
    const enum board_fault fault = run_on_pll(PLL_Q, 1, ACR_PREFETCH_AND_ART);
    if (fault == BOARD_READY)
        clock_hz = BOARD_CLOCK_HZ;
    return fault;
}

static void start_console(void) {
    /* The USARTs of APB1 take its clock, unless DCKCFGR2 says otherwise (section 5.3.26). */
    const uint32_t usart_hz = clock_hz == RESET_HZ ? clock_hz : clock_hz / 4u;
    connect_uart(RCC + RCC_AHB1ENR, RCC + RCC_APB1ENR, GPIOA);
    start_usart(usart_hz, 1);
}

enum board_fault board_start(void) {
    enum board_fault fault;
    enable_caches();
    fault = start_clock();
    start_console();
    return fault;
}

uint32_t board_clock_hz(void) {
    return clock_hz;
}
