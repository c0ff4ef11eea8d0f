/* The step loop on two cores of a microcontroller, without an operating system.
 *
 * Included once by the generated source, behind step_loop.h. Each core has its own list of steps,
 * and counts those that it has ended in a word that it alone writes during a job; a step begins
 * when the other core's count is as high as its entry says. Between jobs, while the second core
 * waits for one, the first sets both counts to 0. No word is ever written by both at a time, so
 * there are no atomic operations, which Armv6-M does not have: aligned words are read and written
 * whole.
 *
 * Memory order. A core's rows come before its count (a barrier in between), and what it reads comes
 * after the other's count that it waited for (a barrier again). A job is published in the same way
 * by `job`. */
#ifndef EDGEMNV2_TWO_CORES_H
#define EDGEMNV2_TWO_CORES_H

#include "edgemnv2_cores.h"

#if defined(__arm__)
#define EDGEMNV2_CORES_BARRIER() __asm__ volatile("dmb" ::: "memory")
#elif defined(__riscv)
#define EDGEMNV2_CORES_BARRIER() __asm__ volatile("fence rw, rw" ::: "memory")
#else
#define EDGEMNV2_CORES_BARRIER() __sync_synchronize()
#endif

#if defined(__GNUC__)
#define EDGEMNV2_UNLESS_GIVEN __attribute__((weak))
#define EDGEMNV2_APART __attribute__((noinline))
#else
#define EDGEMNV2_UNLESS_GIVEN
#define EDGEMNV2_APART
#endif

EDGEMNV2_UNLESS_GIVEN int32_t edgemnv2_core_start(void (*work)(void *context), void *context) {
    (void)work;
    (void)context;
    return 1;
}

EDGEMNV2_UNLESS_GIVEN void edgemnv2_core_wait(void) {}

EDGEMNV2_UNLESS_GIVEN void edgemnv2_core_wake(void) {}

struct edgemnv2_core_run {
    const struct edgemnv2_op *ops;
    const struct edgemnv2_plan *plans; /* one per core */
    const uint16_t *const *waits;      /* one list per core, beside its steps */
    uint8_t *home[EDGEMNV2_HOMES];
};

struct edgemnv2_core_pool {
    volatile uint32_t done[2]; /* steps of this job that each core has ended */
    volatile uint32_t job;     /* counts jobs */
    int32_t threads;
    const struct edgemnv2_core_run *run; /* NULL ends the other core's work */
};

/* A function of its own, so that what is waited for can be told from work. */
static EDGEMNV2_APART void edgemnv2_await_core(const volatile uint32_t *count, uint32_t wanted) {
    while ((int32_t)(*count - wanted) < 0)
        edgemnv2_core_wait();
    EDGEMNV2_CORES_BARRIER();
}

static void edgemnv2_publish(volatile uint32_t *count, uint32_t value) {
    EDGEMNV2_CORES_BARRIER();
    *count = value;
    EDGEMNV2_CORES_BARRIER();
    edgemnv2_core_wake();
}

static void edgemnv2_run_core(struct edgemnv2_core_pool *pool,
                              const struct edgemnv2_core_run *shared, uint32_t core) {
    const uint16_t *waits = shared->waits[core];
    struct edgemnv2_run run;
    uint32_t at;
    memset(&run, 0, sizeof run);
    run.ops = shared->ops;
    run.plan = &shared->plans[core];
    memcpy(run.home, shared->home, sizeof run.home);
    for (at = 0; at < run.plan->step_count; at++) {
        const struct edgemnv2_step *step = &run.plan->steps[at];
        if (waits[at] != 0)
            edgemnv2_await_core(&pool->done[1 - core], waits[at]);
        (void)edgemnv2_make_row(&run, step->op, step->row);
        edgemnv2_publish(&pool->done[core], at + 1);
    }
}

/* What the other core does until the pool is stopped. */
static void edgemnv2_core_work(void *argument) {
    struct edgemnv2_core_pool *pool = (struct edgemnv2_core_pool *)argument;
    uint32_t seen = 0;
    for (;;) {
        edgemnv2_await_core(&pool->job, ++seen);
        if (pool->run == NULL) {
            edgemnv2_publish(&pool->done[1], 1);
            return;
        }
        edgemnv2_run_core(pool, pool->run, 1);
    }
}

/* Both cores do `run`, or end where it is NULL; returns when both are done. */
static void edgemnv2_cores_do(struct edgemnv2_core_pool *pool,
                              const struct edgemnv2_core_run *run) {
    pool->done[0] = 0;
    pool->done[1] = 0;
    pool->run = run;
    edgemnv2_publish(&pool->job, pool->job + 1);
    if (run != NULL)
        edgemnv2_run_core(pool, run, 0);
    edgemnv2_await_core(&pool->done[1], run != NULL ? run->plans[1].step_count : 1);
}

static int32_t edgemnv2_cores_begin(struct edgemnv2_core_pool *pool, int32_t threads) {
    memset(pool, 0, sizeof *pool);
    if (threads > 1 && edgemnv2_core_start(edgemnv2_core_work, pool) != 0)
        return 1;
    pool->threads = threads;
    return 0;
}

static void edgemnv2_cores_end(struct edgemnv2_core_pool *pool) {
    if (pool->threads > 1)
        edgemnv2_cores_do(pool, NULL);
    pool->threads = 0;
}

#endif
