/* Reset and traps of a bare RISC-V in machine mode: stack, variables. Symbols of the linker script.
 *
 * RISC-V Privileged Architecture 1.12, sections 3.1.7 (mtvec) and 3.1.15 (mcause). */
#include <stdint.h>

extern uint32_t edgemnv2_data_start[], edgemnv2_data_end[], edgemnv2_data_load[];
extern uint32_t edgemnv2_bss_start[], edgemnv2_bss_end[];

int main(void);
void edgemnv2_reset(void);
void edgemnv2_start(void);
/* What a program may do about them; without, the core stands still. */
void edgemnv2_fault(uint32_t cause);
void edgemnv2_exit(int status);

/* Compilers name the instructions of control registers apart (Zicsr), and libraries are not found
 * by that name. */
#define WITH_ZICSR(instruction)                                                                    \
    ".option push\n\t.option arch, +zicsr\n\t" instruction "\n\t.option pop"

__attribute__((weak)) void edgemnv2_fault(uint32_t cause) {
    (void)cause;
}

__attribute__((weak)) void edgemnv2_exit(int status) {
    (void)status;
}

__attribute__((aligned(4), used)) static void trap(void) {
    uint32_t cause;
    __asm__ volatile(WITH_ZICSR("csrr %0, mcause") : "=r"(cause));
    edgemnv2_fault(cause);
    for (;;) {
    }
}

__attribute__((used)) void edgemnv2_start(void) {
    const uint32_t *from = edgemnv2_data_load;
    __asm__ volatile(WITH_ZICSR("csrw mtvec, %0") : : "r"(trap));
#if defined(__riscv_flen)
    __asm__ volatile(WITH_ZICSR("csrs mstatus, %0")
                     :
                     : "r"(1u << 13)); /* FS: the floating-point unit is off */
#endif
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

/* Where the core starts: no stack yet. */
__attribute__((section(".vectors"), naked, used)) void edgemnv2_reset(void) {
    __asm__ volatile("la sp, edgemnv2_stack_top\n\tj edgemnv2_start");
}
