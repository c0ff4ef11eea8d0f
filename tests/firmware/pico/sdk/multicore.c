/* Starts the second core as its ROM waits for it: RP2040 datasheet, sections 2.3.1.7 (SIO's FIFOs)
 * and 2.8.2 (launching code on processor core 1). */
#include "pico/multicore.h"

#include <stdint.h>

#include "hardware/sync.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define FIFO_ST REGISTER(0xD0000050u) /* bit 0: something came; bit 1: room to send */
#define FIFO_WR REGISTER(0xD0000054u)
#define FIFO_RD REGISTER(0xD0000058u)

extern const uintptr_t vectors[];
static uint64_t stack_of_core_1[256]; /* 2 KiB, as the SDK's */

void multicore_reset_core1(void) {
}

void multicore_launch_core1(void (*entry)(void)) {
    const uint32_t words[6] = {0,
                               0,
                               1,
                               (uint32_t)(uintptr_t)vectors,
                               (uint32_t)(uintptr_t)(stack_of_core_1 + 256),
                               (uint32_t)(uintptr_t)entry};
    int at = 0;
    while (at < 6) {
        if (words[at] == 0) {
            while ((FIFO_ST & 1u) != 0)
                (void)FIFO_RD;
            __sev();
        }
        while ((FIFO_ST & 2u) == 0) {
        }
        FIFO_WR = words[at];
        __sev();
        while ((FIFO_ST & 1u) == 0)
            __wfe();
        at = FIFO_RD == words[at] ? at + 1 : 0;
    }
}
