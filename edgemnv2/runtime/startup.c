/* Reset and faults of a bare Cortex-M: vectors, variables, FPU. Symbols of the linker script.
 *
 * Armv6-M to Armv8.1-M Architecture Reference Manuals: vector table, CPACR, CFSR. */
#include <stdint.h>

extern uint32_t edgemnv2_stack_top[], edgemnv2_data_start[], edgemnv2_data_end[];
extern uint32_t edgemnv2_hot_start[], edgemnv2_hot_end[], edgemnv2_hot_load[];
extern uint32_t edgemnv2_data_load[], edgemnv2_bss_start[], edgemnv2_bss_end[];

int main(void);
void edgemnv2_reset(void);
/* What a program may do about them; without, the core stands still. */
void edgemnv2_fault(uint32_t cause);
void edgemnv2_exit(int status);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CFSR (*(volatile uint32_t *)0xE000ED28u)
#define CPACR_FULL_CP10_CP11 (0xFu << 20)

__attribute__((weak)) void edgemnv2_fault(uint32_t cause) {
    (void)cause;
}

__attribute__((weak)) void edgemnv2_exit(int status) {
    (void)status;
}

static void fault(void) {
    edgemnv2_fault(CFSR);
    for (;;) {
    }
}

void edgemnv2_reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= CPACR_FULL_CP10_CP11; /* the FPU and MVE are off after reset */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    const uint32_t *from = edgemnv2_hot_load;
    if (from != edgemnv2_hot_start) { /* code for RAM */
        for (uint32_t *to = edgemnv2_hot_start; to < edgemnv2_hot_end; to++) {
            *to = *from++;
        }
        __asm__ volatile("dsb\n\tisb" ::: "memory");
    }
    from = edgemnv2_data_load;
    for (uint32_t *to = edgemnv2_data_start; to < edgemnv2_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = edgemnv2_bss_start; to < edgemnv2_bss_end; to++) {
        *to = 0;
    }
    edgemnv2_exit(main());
    for (;;) {
        __asm__ volatile("wfi");
    }
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
