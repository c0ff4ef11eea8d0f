/* The reset and clock registers that the STM32F4 and F7 have in common: RM0390 section 6.3, RM0385
 * section 5.3. */
#ifndef EDGEMNV2_STM32_RCC_H
#define EDGEMNV2_STM32_RCC_H

#include "board.h"
#include "board_facts.h"
#include "register_bits.h"

#define RCC 0x40023800u
#define FLASH_ACR 0x40023C00u
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

enum { ACR_LATENCY = 15u << 0 };

/* The core from the started PLL, APB1 at a quarter and APB2 at half of its clock; `flash` is how
 * the flash is to be read besides its wait states. */
static inline enum board_fault run_on_pll(uint32_t flash) {
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
