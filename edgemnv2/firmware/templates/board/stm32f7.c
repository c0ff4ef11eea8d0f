/* STM32F7: caches, clock of the PLL with over-drive, console on a USART. Reference manual RM0385
 * (STM32F746). */
#include "board.h"
#include "board_facts.h"
#include "cortex_m7_caches.h"
#include "stm32_gpio.h"
#include "stm32_rcc.h"
#include "stm32_usart.h"

/* RM0385 section 2.2.2, the memory map. */
#define PWR_CR1 0x40007000u
#define PWR_CSR1 0x40007004u

/* Section 4.4, power; section 3.7.1, flash. */
enum {
    CR1_VOS_SCALE_1 = 3u << 14,
    CR1_ODEN = 1u << 16,
    CR1_ODSWEN = 1u << 17,
    CSR1_ODRDY = 1u << 16,
    CSR1_ODSWRDY = 1u << 17,
    ACR_PREFETCH_AND_ART = 3u << 8
};

enum { RESET_HZ = 16000000 }; /* the internal oscillator, HSI */

static uint32_t clock_hz = RESET_HZ;

/* The oscillator's 2 MHz, as section 5.3.2 advises, times N, by 2: at most 216 MHz. */
enum { PLL_M = BOARD_HSE_HZ / 2000000, PLL_N = BOARD_CLOCK_HZ / 1000000, PLL_Q = 9 };

static enum board_fault start_clock(void) {
    enum board_fault fault;
    change_register(RCC + RCC_APB1ENR, 0, APB1ENR_PWR);
    (void)read_register(RCC + RCC_APB1ENR); /* the clock is there two cycles later */
    if (BOARD_HSE_IS_A_CLOCK)
        change_register(RCC + RCC_CR, 0, CR_HSEBYP);
    change_register(RCC + RCC_CR, 0, CR_HSEON);
    if (!wait_for_bits(RCC + RCC_CR, CR_HSERDY, CR_HSERDY))
        return BOARD_NO_OSCILLATOR;
    change_register(PWR_CR1, 0, CR1_VOS_SCALE_1);
    change_register(RCC + RCC_PLLCFGR, PLLCFGR_M_N_P_Q,
                    (uint32_t)PLL_M | (uint32_t)PLL_N << 6 | PLLCFGR_HSE | (uint32_t)PLL_Q << 24);
    change_register(RCC + RCC_CR, 0, CR_PLLON);
    /* Section 4.1.4: the over-drive, while the core still runs on the internal oscillator. */
    change_register(PWR_CR1, 0, CR1_ODEN);
    if (!wait_for_bits(PWR_CSR1, CSR1_ODRDY, CSR1_ODRDY))
        return BOARD_NO_VOLTAGE;
    change_register(PWR_CR1, 0, CR1_ODSWEN);
    if (!wait_for_bits(PWR_CSR1, CSR1_ODSWRDY, CSR1_ODSWRDY))
        return BOARD_NO_VOLTAGE;
    /* APB1 at most 54 MHz, APB2 at most 108 MHz. */
    fault = run_on_pll(ACR_PREFETCH_AND_ART);
    if (fault == BOARD_READY)
        clock_hz = BOARD_CLOCK_HZ;
    return fault;
}

static void start_console(void) {
    /* The USARTs of APB1 take its clock, unless DCKCFGR2 says otherwise (section 5.3.26). */
    const uint32_t usart_hz = clock_hz == RESET_HZ ? clock_hz : clock_hz / 4u;
    change_register(RCC + RCC_AHB1ENR, 0, 1u << BOARD_TX_PORT | 1u << BOARD_RX_PORT);
    change_register(RCC + RCC_APB1ENR, 0, 1u << BOARD_UART_ENABLE_BIT);
    (void)read_register(RCC + RCC_APB1ENR);
    give_pin(GPIOA, BOARD_TX_PORT, BOARD_TX_PIN, BOARD_PIN_FUNCTION);
    give_pin(GPIOA, BOARD_RX_PORT, BOARD_RX_PIN, BOARD_PIN_FUNCTION);
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
