/* STM32L4+: clock of the PLL at 120 MHz in range 1 boost, console on the LPUART. Reference manual
 * RM0432 (STM32L4R5). The internal oscillator is trimmed to 1 %, so no crystal is needed. */
#include "board.h"
#include "board_facts.h"
#include "stm32_gpio.h"
#include "stm32_usart.h"

/* RM0432 section 2.2, the memory map. */
#define RCC 0x40021000u
#define PWR 0x40007000u
#define FLASH_ACR 0x40022000u
#define GPIOA 0x48000000u

/* Section 6.4, RCC registers. */
enum {
    RCC_CR = 0x00,
    RCC_CFGR = 0x08,
    RCC_PLLCFGR = 0x0C,
    RCC_AHB2ENR = 0x4C,
    RCC_APB1ENR1 = 0x58,
    RCC_APB1ENR2 = 0x5C,
    CR_HSION = 1u << 8,
    CR_HSIRDY = 1u << 10,
    CR_PLLON = 1u << 24,
    CR_PLLRDY = 1u << 25,
    CFGR_SW = 3u << 0,
    CFGR_SW_PLL = 3u << 0,
    CFGR_SWS = 3u << 2,
    CFGR_SWS_PLL = 3u << 2,
    CFGR_HPRE = 15u << 4,
    CFGR_HPRE_BY_2 = 8u << 4,
    PLLCFGR_HSI = 2u << 0,
    PLLCFGR_R_ON = 1u << 24, /* and R = 2, 0 */
    APB1ENR1_PWR = 1u << 28
};

/* Section 5.4, power; section 3.7.1, flash. */
enum {
    PWR_CR1 = 0x00,
    PWR_CR2 = 0x04,
    PWR_SR2 = 0x14,
    PWR_CR5 = 0x80,
    CR1_VOS = 3u << 9,
    CR1_VOS_RANGE_1 = 1u << 9,
    CR2_IOSV = 1u << 9, /* the supply of port G is valid */
    SR2_VOSF = 1u << 10,
    CR5_R1MODE = 1u << 8, /* 0: boost */
    ACR_LATENCY = 15u << 0,
    ACR_PREFETCH_AND_CACHES = 7u << 8
};

enum { RESET_HZ = 4000000, HSI_HZ = 16000000 }; /* MSI runs after reset */
enum { PORT_G = 6 };

static uint32_t clock_hz = RESET_HZ;

/* 16 MHz by M, times N, by R = 2; the VCO between 64 and 344 MHz. */
enum { PLL_M = 2, PLL_N = BOARD_CLOCK_HZ / (HSI_HZ / PLL_M / 2) };

static enum board_fault start_clock(void) {
    uint32_t wait;
    change_register(RCC + RCC_CR, 0, CR_HSION);
    if (!wait_for_bits(RCC + RCC_CR, CR_HSIRDY, CR_HSIRDY))
        return BOARD_NO_OSCILLATOR;
    /* Section 5.1.8: range 1, then its boost mode, which beyond 80 MHz needs. */
    change_register(PWR + PWR_CR1, CR1_VOS, CR1_VOS_RANGE_1);
    if (!wait_for_bits(PWR + PWR_SR2, SR2_VOSF, 0))
        return BOARD_NO_VOLTAGE;
    change_register(PWR + PWR_CR5, CR5_R1MODE, 0);
    write_register(RCC + RCC_PLLCFGR,
                   PLLCFGR_HSI | (uint32_t)(PLL_M - 1) << 4 | (uint32_t)PLL_N << 8 | PLLCFGR_R_ON);
    change_register(RCC + RCC_CR, 0, CR_PLLON);
    if (!wait_for_bits(RCC + RCC_CR, CR_PLLRDY, CR_PLLRDY))
        return BOARD_NO_PLL;
    change_register(FLASH_ACR, ACR_LATENCY, BOARD_FLASH_WAITS | ACR_PREFETCH_AND_CACHES);
    if (!wait_for_bits(FLASH_ACR, ACR_LATENCY, BOARD_FLASH_WAITS))
        return BOARD_NO_FLASH_DELAY;
    /* Section 5.1.8: to beyond 80 MHz by half the clock, for a microsecond and more. */
    change_register(RCC + RCC_CFGR, CFGR_HPRE, CFGR_HPRE_BY_2);
    change_register(RCC + RCC_CFGR, CFGR_SW, CFGR_SW_PLL);
    if (!wait_for_bits(RCC + RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL)) {
        change_register(RCC + RCC_CFGR, CFGR_SW | CFGR_HPRE, 0);
        return BOARD_NO_SWITCH;
    }
    for (wait = 0; wait < 100; wait++)
        (void)read_register(RCC + RCC_CFGR);
    change_register(RCC + RCC_CFGR, CFGR_HPRE, 0);
    clock_hz = BOARD_CLOCK_HZ;
    return BOARD_READY;
}

static void start_console(void) {
    if (BOARD_TX_PORT == PORT_G || BOARD_RX_PORT == PORT_G)
        change_register(PWR + PWR_CR2, 0, CR2_IOSV); /* section 5.4.2 */
    connect_uart(RCC + RCC_AHB2ENR, RCC + RCC_APB1ENR2, GPIOA);
    /* The LPUART takes the clock of APB1, here the core's (section 6.4.28). */
    start_usart(clock_hz, 256);
}

enum board_fault board_start(void) {
    enum board_fault fault;
    change_register(RCC + RCC_APB1ENR1, 0, APB1ENR1_PWR);
    (void)read_register(RCC + RCC_APB1ENR1);
    fault = start_clock();
    start_console();
    return fault;
}

uint32_t board_clock_hz(void) {
    return clock_hz;
}
