/* The clock of the STM32F4 and F7, which start alike: RM0390 sections 5.1.4, 5.4 and 6.3, RM0385
 * sections 4.1.4, 4.4 and 5.3. RM0385 calls PWR_CR and PWR_CSR PWR_CR1 and PWR_CSR1. */
#ifndef EDGEMNV2_STM32_CLOCK_H
#define EDGEMNV2_STM32_CLOCK_H

#include "board.h"
#include "board_facts.h"
#include "register_bits.h"

/* The memory map, RM0390 and RM0385 section 2.2.2. */
#define RCC 0x40023800u
#define FLASH_ACR 0x40023C00u
#define PWR_CR 0x40007000u
#define PWR_CSR 0x40007004u
#define GPIOA 0x40020000u

enum {
    RCC_CR = 0x00,
    RCC_PLLCFGR = 0x04,
    RCC_CFGR = 0x08,
    RCC_AHB1ENR = 0x30,
    RCC_APB1ENR = 0x40,
    CR_HSEON = 1u << 16,
    CR_HSERDY = 1u << 17,
    CR_HSEBYP = 1u << 18,
    CR_PLLON = 1u << 24,
    CR_PLLRDY = 1u << 25,
    PLLCFGR_M_N_P_Q = 0x0F037FFF,
    PLLCFGR_HSE = 1u << 22,
    CFGR_SW = 3u << 0,
    CFGR_SW_PLL = 2u << 0,
    CFGR_SWS = 3u << 2,
    CFGR_SWS_PLL = 2u << 2,
    CFGR_PRESCALERS = 0xFCF0,
    CFGR_APB1_BY_4 = 5u << 10,
    CFGR_APB2_BY_2 = 4u << 13,
    APB1ENR_PWR = 1u << 28
};

enum {
    CR_VOS_SCALE_1 = 3u << 14,
    CR_ODEN = 1u << 16,
    CR_ODSWEN = 1u << 17,
    CSR_ODRDY = 1u << 16,
    CSR_ODSWRDY = 1u << 17,
    ACR_LATENCY = 15u << 0
};

/* The oscillator's 2 MHz, as the manuals advise, times N, by 2. */
enum { PLL_M = BOARD_HSE_HZ / 2000000, PLL_N = BOARD_CLOCK_HZ / 1000000 };

/* More voltage for the highest clocks, while the core still runs on the internal oscillator. */
static inline int start_over_drive(void) {
    change_register(PWR_CR, 0, CR_ODEN);
    if (!wait_for_bits(PWR_CSR, CSR_ODRDY, CSR_ODRDY))
        return 0;
    change_register(PWR_CR, 0, CR_ODSWEN);
    return wait_for_bits(PWR_CSR, CSR_ODSWRDY, CSR_ODSWRDY);
}

/* The core from the PLL at BOARD_CLOCK_HZ, APB1 at a quarter and APB2 at half of that. `pll_q`
 * divides for USB, `flash` is how the flash is to be read besides its wait states. */
static inline enum board_fault run_on_pll(uint32_t pll_q, int over_drive, uint32_t flash) {
    change_register(RCC + RCC_APB1ENR, 0, APB1ENR_PWR);
    (void)read_register(RCC + RCC_APB1ENR); /* the clock is there two cycles later */
    if (BOARD_HSE_IS_A_CLOCK)
        change_register(RCC + RCC_CR, 0, CR_HSEBYP);
    change_register(RCC + RCC_CR, 0, CR_HSEON);
    if (!wait_for_bits(RCC + RCC_CR, CR_HSERDY, CR_HSERDY))
        return BOARD_NO_OSCILLATOR;
    change_register(PWR_CR, 0, CR_VOS_SCALE_1);
    change_register(RCC + RCC_PLLCFGR, PLLCFGR_M_N_P_Q,
                    (uint32_t)PLL_M | (uint32_t)PLL_N << 6 | PLLCFGR_HSE | pll_q << 24);
    change_register(RCC + RCC_CR, 0, CR_PLLON);
    if (over_drive && !start_over_drive())
        return BOARD_NO_VOLTAGE;
    if (!wait_for_bits(RCC + RCC_CR, CR_PLLRDY, CR_PLLRDY))
        return BOARD_NO_PLL;
    change_register(FLASH_ACR, ACR_LATENCY, BOARD_FLASH_WAITS | flash);
    if (!wait_for_bits(FLASH_ACR, ACR_LATENCY, BOARD_FLASH_WAITS))
        return BOARD_NO_FLASH_DELAY;
    change_register(RCC + RCC_CFGR, CFGR_PRESCALERS, CFGR_APB1_BY_4 | CFGR_APB2_BY_2);
    change_register(RCC + RCC_CFGR, CFGR_SW, CFGR_SW_PLL);
    if (!wait_for_bits(RCC + RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL)) {
        change_register(RCC + RCC_CFGR, CFGR_SW | CFGR_PRESCALERS, 0);
        return BOARD_NO_SWITCH;
    }
    return BOARD_READY;
}

#endif
