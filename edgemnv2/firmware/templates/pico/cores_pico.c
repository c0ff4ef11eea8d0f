/* The other core of a Pico or Pico 2, for inferences on both: the SDK's pico_multicore. It must be
 * free: whoever uses it for something else leaves this file out and starts nothing. */
#include <pico/multicore.h>

#include "edgemnv2_cores.h"
#include "hardware/sync.h"

static void (*work_of_core_1)(void *context);
static void *context_of_core_1;

static void core_1(void) {
    work_of_core_1(context_of_core_1);
}

int32_t edgemnv2_core_start(void (*work)(void *context), void *context) {
    work_of_core_1 = work;
    context_of_core_1 = context;
    multicore_reset_core1();
    multicore_launch_core1(core_1);
    return 0;
}

void edgemnv2_core_wait(void) {
    __wfe();
}

void edgemnv2_core_wake(void) {
    __sev();
}
