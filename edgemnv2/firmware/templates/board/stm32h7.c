/* STM32H7: caches, clock of PLL1 at 480 MHz (silicon revision V and later; 400 MHz before), console
 * on a USART. Reference manual RM0433 (STM32H743). */
#include "board.h"
#include "board_facts.h"
#include "cortex_m7_caches.h"
#include "stm32_gpio.h"
#include "stm32_usart.h"

/* RM0433 section 2.3.2, the memory map; section 60.5.8 for the revision. */
#define RCC 0x58024400u
#define PWR 0x58024800u
#define FLASH_ACR 0x52002000u
#define SYSCFG_PWRCR 0x5800042Cu
#define DBGMCU_IDC 0x5C001000u
#define GPIOA 0x58020000u

/* Section 8.7, RCC registers. */
enum {
    RCC_CR = 0x00,
    RCC_CFGR = 0x10,
    RCC_D1CFGR = 0x18,
    RCC_D2CFGR = 0x1C,
    RCC_D3CFGR = 0x20,
    RCC_PLLCKSELR = 0x28,
    RCC_PLLCFGR = 0x2C,
    RCC_PLL1DIVR = 0x30,
    RCC_AHB4ENR = 0xE0,
    RCC_APB1LENR = 0xE8,
    RCC_APB4ENR = 0xF4,
    CR_HSEON = 1u << 16,
    CR_HSERDY = 1u << 17,
    CR_HSEBYP = 1u << 18,
    CR_PLL1ON = 1u << 24,
    CR_PLL1RDY = 1u << 25,
    CFGR_SW = 7u << 0,
    CFGR_SW_PLL1 = 3u << 0,
    CFGR_SWS = 7u << 3,
    CFGR_SWS_PLL1 = 3u << 3,
    D1CFGR_DIVIDERS = 0xF7F,
    D1CFGR_AHB_AND_APB3_BY_2 = 8u << 0 | 4u << 4,
    D2CFGR_DIVIDERS = 0x770,
    D2CFGR_APB1_AND_APB2_BY_2 = 4u << 4 | 4u << 8,
    D3CFGR_DIVIDERS = 0x70,
    D3CFGR_APB4_BY_2 = 4u << 4,
    PLLCKSELR_SRC_AND_M1 = 0x3F3,
    PLLCKSELR_HSE = 2u << 0,
    PLLCFGR_OF_PLL1 = 0x7000F,
    PLLCFGR_8_TO_16_MHZ = 3u << 2, /* and the wide VCO, 0 */
    PLLCFGR_P_ON = 1u << 16,
    APB4ENR_SYSCFG = 1u << 1
};

/* Section 6.8, power; section 4.9.1, flash; section 12.3.9, SYSCFG. */
enum {
    PWR_CSR1 = 0x04,
    PWR_CR3 = 0x0C,
    PWR_D3CR = 0x18,
    CSR1_ACTVOSRDY = 1u << 13,
    CR3_SUPPLY = 7u << 0,
    CR3_LDO = 1u << 1,
    D3CR_VOS = 3u << 14,
    D3CR_VOS_SCALE_1 = 3u << 14,
    D3CR_VOSRDY = 1u << 13,
    PWRCR_ODEN = 1u << 0,
    ACR_LATENCY_AND_FREQ = 0x3F,
    ACR_4_WAITS_240_MHZ = 2u << 4 | 4u << 0
};

enum { RESET_HZ = 64000000, REVISION_V = 0x2003 }; /* the internal oscillator, HSI */
enum { EARLY_HZ = 400000000 };                     /* the most of revisions before V */

static uint32_t clock_hz = RESET_HZ;

/* Section 6.6.2: the voltage can be raised once the supply is chosen; scale 0 is scale 1 with the
 * over-drive of SYSCFG. */
static int raise_voltage(int to_scale_0) {
    change_register(PWR + PWR_CR3, CR3_SUPPLY, CR3_LDO);
    if (!wait_for_bits(PWR + PWR_CSR1, CSR1_ACTVOSRDY, CSR1_ACTVOSRDY))
        return 0;
    change_register(PWR + PWR_D3CR, D3CR_VOS, D3CR_VOS_SCALE_1);
    if (!wait_for_bits(PWR + PWR_D3CR, D3CR_VOSRDY, D3CR_VOSRDY))
        return 0;
    if (!to_scale_0)
        return 1;
    change_register(RCC + RCC_APB4ENR, 0, APB4ENR_SYSCFG);
    (void)read_register(RCC + RCC_APB4ENR);
    change_register(SYSCFG_PWRCR, 0, PWRCR_ODEN);
    return wait_for_bits(PWR + PWR_D3CR, D3CR_VOSRDY, D3CR_VOSRDY);
}

static enum board_fault start_clock(void) {
    const int is_early = (read_register(DBGMCU_IDC) >> 16) < REVISION_V;
    const uint32_t wanted_hz = is_early ? (uint32_t)EARLY_HZ : BOARD_CLOCK_HZ;
    /* The oscillator's 8 MHz as they are, times N, by 2. */
    const uint32_t n = wanted_hz / (BOARD_HSE_HZ / 2u);
    if (!raise_voltage(!is_early))
        return BOARD_NO_VOLTAGE;
    if (BOARD_HSE_IS_A_CLOCK)
        change_register(RCC + RCC_CR, 0, CR_HSEBYP);
    change_register(RCC + RCC_CR, 0, CR_HSEON);
    if (!wait_for_bits(RCC + RCC_CR, CR_HSERDY, CR_HSERDY))
        return BOARD_NO_OSCILLATOR;
    change_register(RCC + RCC_PLLCKSELR, PLLCKSELR_SRC_AND_M1, PLLCKSELR_HSE | 1u << 4);
    change_register(RCC + RCC_PLLCFGR, PLLCFGR_OF_PLL1, PLLCFGR_8_TO_16_MHZ | PLLCFGR_P_ON);
    /* N, P, Q and R, each less 1. */
    write_register(RCC + RCC_PLL1DIVR, (n - 1u) | 1u << 9 | 1u << 16 | 1u << 24);
    change_register(RCC + RCC_CR, 0, CR_PLL1ON);
    if (!wait_for_bits(RCC + RCC_CR, CR_PLL1RDY, CR_PLL1RDY))
        return BOARD_NO_PLL;
    change_register(FLASH_ACR, ACR_LATENCY_AND_FREQ, ACR_4_WAITS_240_MHZ);
    if (!wait_for_bits(FLASH_ACR, ACR_LATENCY_AND_FREQ, ACR_4_WAITS_240_MHZ))
        return BOARD_NO_FLASH_DELAY;
    /* Buses at half the core's clock, their peripherals at a quarter: at most 240 and 120 MHz. */
    change_register(RCC + RCC_D1CFGR, D1CFGR_DIVIDERS, D1CFGR_AHB_AND_APB3_BY_2);
    change_register(RCC + RCC_D2CFGR, D2CFGR_DIVIDERS, D2CFGR_APB1_AND_APB2_BY_2);
    change_register(RCC + RCC_D3CFGR, D3CFGR_DIVIDERS, D3CFGR_APB4_BY_2);
    change_register(RCC + RCC_CFGR, CFGR_SW, CFGR_SW_PLL1);
    if (!wait_for_bits(RCC + RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL1)) {
        change_register(RCC + RCC_CFGR, CFGR_SW, 0);
        change_register(RCC + RCC_D1CFGR, D1CFGR_DIVIDERS, 0);
        change_register(RCC + RCC_D2CFGR, D2CFGR_DIVIDERS, 0);
        change_register(RCC + RCC_D3CFGR, D3CFGR_DIVIDERS, 0);
        return BOARD_NO_SWITCH;
    }
    clock_hz = wanted_hz;
    return BOARD_READY;
}

static void start_console(void) {
    /* USART2 to 8 take the clock of APB1, unless D2CCIP2R says otherwise (section 8.7.20). */
    const uint32_t usart_hz = clock_hz == RESET_HZ ? clock_hz : clock_hz / 4u;
    connect_uart(RCC + RCC_AHB4ENR, RCC + RCC_APB1LENR, GPIOA);
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
