/* Reset and faults of a bare Cortex-M: vectors, variables, FPU. Symbols of the linker script.
 *
 * Armv6-M to Armv8.1-M Architecture Reference Manuals: vector table, CPACR, CFSR. */
#include <stdint.h>

extern uint32_t edgemnv2_stack_top[], edgemnv2_data_start[], edgemnv2_data_end[];
extern uint32_t edgemnv2_data_load[], edgemnv2_bss_start[], edgemnv2_bss_end[];

int main(void);
void net_board_fault(uint32_t cause);
void edgemnv2_reset(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CFSR (*(volatile uint32_t *)0xE000ED28u)
#define CPACR_FULL_CP10_CP11 (0xFu << 20)

static void fault(void) {
    net_board_fault(CFSR);
    for (;;) {
    }
}

void edgemnv2_reset(void) {
    const uint32_t *from = edgemnv2_data_load;
    uint32_t *to;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= CPACR_FULL_CP10_CP11; /* the FPU and MVE are off after reset */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    for (to = edgemnv2_data_start; to < edgemnv2_data_end; to++)
        *to = *from++;
    for (to = edgemnv2_bss_start; to < edgemnv2_bss_end; to++)
        *to = 0;
    main();
    for (;;)
        __asm__ volatile("wfi");
}

/* Stack, reset, NMI, HardFault, MemManage, BusFault, UsageFault, SecureFault; no interrupts. */
__attribute__((section(".vectors"), used))
const uintptr_t edgemnv2_vectors[16] = {(uintptr_t)edgemnv2_stack_top,
                                        (uintptr_t)edgemnv2_reset,
                                        (uintptr_t)fault,
                                        (uintptr_t)fault,
                                        (uintptr_t)fault,
                                        (uintptr_t)fault,
                                        (uintptr_t)fault,
                                        (uintptr_t)fault};
