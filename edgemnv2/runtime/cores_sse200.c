/* The second core of Arm's SSE-200 (Musca-B1): start, wait, wake.
 *
 * Arm CoreLink SSE-200 Technical Reference Manual, "System control registers": INITSVTOR1 is the
 * vector table that CPU1 starts from, CPUWAIT holds it back. */
#include <stdint.h>

#include "edgemnv2_cores.h"

#define INITSVTOR1 (*(volatile uint32_t *)0x50021114u)
#define CPUWAIT (*(volatile uint32_t *)0x50021118u)
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_FULL_CP10_CP11 (0xFu << 20)

enum { STACK_WORDS = 1024 };

void edgemnv2_fault(uint32_t cause);

static uint64_t stack[STACK_WORDS / 2];
static void (*volatile posted)(void *context);
static void *volatile posted_context;
static int started;

static void fault(void) {
    edgemnv2_fault(*(volatile uint32_t *)0xE000ED28u);
    for (;;) {
    }
}

/* Begins here, and comes back for the next job. */
static void second_core(void) {
#if defined(__ARM_FP)
    CPACR |= CPACR_FULL_CP10_CP11;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    for (;;) {
        while (posted == 0) {
            edgemnv2_core_wait();
        }
        __asm__ volatile("dmb" ::: "memory");
        void (*work)(void *context) = posted;
        posted = 0;
        work(posted_context);
    }
}

__attribute__((aligned(512), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)(stack + STACK_WORDS / 2),
    (uintptr_t)second_core,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault};

int32_t edgemnv2_core_start(void (*work)(void *context), void *context) {
    posted_context = context;
    __asm__ volatile("dmb" ::: "memory");
    posted = work;
    __asm__ volatile("dsb" ::: "memory");
    if (started == 0) {
        started = 1;
        INITSVTOR1 = (uint32_t)(uintptr_t)vectors;
        CPUWAIT = 0;
    }
    edgemnv2_core_wake();
    return 0;
}

void edgemnv2_core_wait(void) {
    __asm__ volatile("wfe" ::: "memory");
}

void edgemnv2_core_wake(void) {
    __asm__ volatile("dsb\n\tsev" ::: "memory");
}
