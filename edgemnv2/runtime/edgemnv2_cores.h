/* What an inference on two cores asks of the board. A program defines the three functions; without
 * them there is one core, and starting the pool answers that there is no other. */
#ifndef EDGEMNV2_CORES_H
#define EDGEMNV2_CORES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Has the other core run `work(context)` on a stack of its own; 0, or another number when it
 * cannot. `work` returns when the pool is stopped; the core is the board's again then. */
int32_t edgemnv2_core_start(void (*work)(void *context), void *context);

/* Called over and over while there is nothing to do. May return at any time, and has to when the
 * other core called edgemnv2_core_wake since this one last returned: WFE and SEV are so. */
void edgemnv2_core_wait(void);
void edgemnv2_core_wake(void);

#ifdef __cplusplus
}
#endif

#endif
