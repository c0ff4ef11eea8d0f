/* Start and UART0 of an RP2040 without its ROM: RP2040 datasheet, sections 2.14 (resets), 2.19
 * (pins) and 4.2 (UART, an Arm PL011). */
#include <stdint.h>

#include "hardware/clocks.h"
#include "pico/stdlib.h"

extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];
int main(void);

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define RESETS 0x4000C000u
#define IO_BANK0 0x40014000u
#define UART0 0x40034000u

static void reset(void) {
    uint32_t *to = data_start;
    const uint32_t *from = data_load;
    while (to < data_end)
        *to++ = *from++;
    for (to = bss_start; to < bss_end; to++)
        *to = 0;
    main();
    for (;;) {
    }
}

static void fault(void) {
    __asm__ volatile("bkpt 1");
}

__attribute__((section(".vectors"), used)) const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault};

int stdio_init_all(void) {
    REGISTER(RESETS) &= ~(1u << 22 | 1u << 5); /* UART0, IO_BANK0 */
    REGISTER(IO_BANK0 + 0x04) = 2;             /* GP0 and GP1: UART */
    REGISTER(IO_BANK0 + 0x0C) = 2;
    REGISTER(UART0 + 0x24) = 67; /* 125 MHz / 16 / 115200 = 67 + 52/64 */
    REGISTER(UART0 + 0x28) = 52;
    REGISTER(UART0 + 0x2C) = 3u << 5 | 1u << 4; /* 8 bits, FIFOs */
    REGISTER(UART0 + 0x30) = 1u << 9 | 1u << 8 | 1u;
    return 1;
}

int getchar_timeout_us(uint32_t microseconds) {
    while ((REGISTER(UART0 + 0x18) & 1u << 4) != 0) {
        if (microseconds-- == 0)
            return -1; /* as the SDK's PICO_ERROR_TIMEOUT, negative */
    }
    return (int)(REGISTER(UART0) & 0xFFu);
}

int putchar_raw(int byte) {
    while ((REGISTER(UART0 + 0x18) & 1u << 5) != 0) {
    }
    REGISTER(UART0) = (uint32_t)byte;
    return byte;
}

uint32_t clock_get_hz(int clock) {
    return clock == clk_sys ? 125000000u : 0u;
}
