/* A pool of threads for an artefact, and the step loop of each of them: Linux's below, a page's
 * in web_pool.h.
 *
 * Included once by the generated source, behind step_loop.h. It defines before
 *   EDGEMNV2_BARRIER      the operation index at which a thread waits for all others
 *   EDGEMNV2_THREADS_MAX  most threads that there is a plan for
 * Threads start once. Waiting spins for about a tenth of a millisecond, which is a stage or what
 * lies between two inferences, then sleeps in the kernel (futex), from where waking takes as long.
 * No heap of ours: the caller owns the pool.
 *
 * Memory order. What a thread writes in a stage is read by others in later stages only. Each thread
 * enters the barrier with an acquire-release addition to `arrived`; the last one, which has so seen
 * everybody's writes, releases `phase`, and everybody leaves with an acquire load of it. So all
 * that was written before a barrier is visible behind it. A job is published in the same way by
 * `generation`. The builtins are those of gcc and clang: C99 has no atomics. */
#ifndef EDGEMNV2_THREAD_POOL_H
#define EDGEMNV2_THREAD_POOL_H

#ifdef __wasm__
#include "web_pool.h"
#else

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Looks before going to sleep: about 0.1 ms at 3 GHz (x86-64) or 1.5 GHz (Arm). */
#if defined(__x86_64__)
enum { EDGEMNV2_SPINS = 5000 };
#define EDGEMNV2_RELAX() __builtin_ia32_pause()
#elif defined(__riscv)
enum { EDGEMNV2_SPINS = 20000 };
/* `pause` of Zihintpause, a fence that does nothing on older cores. */
#define EDGEMNV2_RELAX() __asm__ volatile(".4byte 0x0100000f")
#else
enum { EDGEMNV2_SPINS = 20000 };
#define EDGEMNV2_RELAX() __asm__ volatile("yield")
#endif

/* A word that threads wait to change, and how many of them sleep. Alone in its cache lines, which
 * come in pairs on some cores. */
struct edgemnv2_signal {
    uint32_t value;
    uint32_t sleepers;
    uint64_t apart[16];
};

struct edgemnv2_pool;

struct edgemnv2_worker {
    struct edgemnv2_pool *pool;
    pthread_t handle;
    int32_t number;
};

struct edgemnv2_pool {
    struct edgemnv2_signal generation; /* counts jobs */
    struct edgemnv2_signal phase;      /* counts barriers */
    uint32_t arrived;                  /* at the next barrier */
    int32_t threads;
    uint64_t apart[16];
    void (*work)(const void *context, struct edgemnv2_pool *pool, int32_t thread);
    const void *context;
    struct edgemnv2_worker workers[EDGEMNV2_THREADS_MAX];
};

static void edgemnv2_await(struct edgemnv2_signal *signal, uint32_t old) {
    int32_t spin;
    for (spin = 0; spin < EDGEMNV2_SPINS; spin++) {
        if (__atomic_load_n(&signal->value, __ATOMIC_ACQUIRE) != old)
            return;
        EDGEMNV2_RELAX();
    }
    /* Announced before the kernel looks at `value` again, while `edgemnv2_announce` changes `value`
     * before it looks at `sleepers`, all in one order: one of the two sees the other. */
    (void)__atomic_add_fetch(&signal->sleepers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&signal->value, __ATOMIC_SEQ_CST) == old)
        (void)syscall(SYS_futex, &signal->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    (void)__atomic_sub_fetch(&signal->sleepers, 1, __ATOMIC_SEQ_CST);
}

static void edgemnv2_announce(struct edgemnv2_signal *signal) {
    (void)__atomic_add_fetch(&signal->value, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&signal->sleepers, __ATOMIC_SEQ_CST) != 0)
        (void)syscall(SYS_futex, &signal->value, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Returns when all threads of the pool have come here. A function of its own, so that the cache
 * model (cache_plugin.c) sees where stages end. */
static __attribute__((noinline)) void edgemnv2_meet(struct edgemnv2_pool *pool) {
    /* Cannot change before this thread arrives, and is no older than when it last left. */
    const uint32_t phase = __atomic_load_n(&pool->phase.value, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&pool->arrived, 1, __ATOMIC_ACQ_REL) == (uint32_t)pool->threads) {
        /* Nobody arrives again before `phase` has changed. */
        __atomic_store_n(&pool->arrived, 0, __ATOMIC_RELAXED);
        edgemnv2_announce(&pool->phase);
    } else {
        edgemnv2_await(&pool->phase, phase);
    }
}

static void *edgemnv2_worker_main(void *argument) {
    struct edgemnv2_worker *worker = (struct edgemnv2_worker *)argument;
    struct edgemnv2_pool *pool = worker->pool;
    uint32_t seen = 0;
    for (;;) {
        edgemnv2_await(&pool->generation, seen++);
        if (pool->work == NULL)
            return NULL;
        pool->work(pool->context, pool, worker->number);
    }
}

/* Every thread, the caller as number 0, does `work` up to its barrier; NULL ends threads. */
static void edgemnv2_pool_do(struct edgemnv2_pool *pool,
                             void (*work)(const void *, struct edgemnv2_pool *, int32_t),
                             const void *context) {
    pool->work = work;
    pool->context = context;
    edgemnv2_announce(&pool->generation);
    if (work != NULL)
        work(context, pool, 0);
}

static void edgemnv2_pool_end(struct edgemnv2_pool *pool) {
    int32_t number;
    edgemnv2_pool_do(pool, NULL, NULL);
    for (number = 1; number < pool->threads; number++)
        (void)pthread_join(pool->workers[number].handle, NULL);
    pool->threads = 0;
}

/* 0, or 1 when the system gives no more threads; then none is left. */
static int32_t edgemnv2_pool_begin(struct edgemnv2_pool *pool, int32_t threads) {
    int32_t number;
    memset(pool, 0, sizeof *pool);
    pool->threads = threads;
    for (number = 1; number < threads; number++) {
        struct edgemnv2_worker *worker = &pool->workers[number];
        worker->pool = pool;
        worker->number = number;
        if (pthread_create(&worker->handle, NULL, edgemnv2_worker_main, worker) != 0) {
            pool->threads = number;
            edgemnv2_pool_end(pool);
            return 1;
        }
    }
    return 0;
}

#endif /* __wasm__ */

/* One thread's part of an inference: `plan` has its own rings and steps. */
struct edgemnv2_thread_run {
    const struct edgemnv2_op *ops;
    const struct edgemnv2_plan *plans; /* one per thread */
    uint8_t *home[EDGEMNV2_HOMES];
};

static void edgemnv2_run_band(const void *context, struct edgemnv2_pool *pool, int32_t thread) {
    const struct edgemnv2_thread_run *shared = (const struct edgemnv2_thread_run *)context;
    struct edgemnv2_run run;
    uint32_t at;
    memset(&run, 0, sizeof run);
    run.ops = shared->ops;
    run.plan = &shared->plans[thread];
    memcpy(run.home, shared->home, sizeof run.home);
    for (at = 0; at < run.plan->step_count; at++) {
        const struct edgemnv2_step *step = &run.plan->steps[at];
        if (step->op == EDGEMNV2_BARRIER)
            edgemnv2_meet(pool);
        else
            (void)edgemnv2_make_row(&run, step->op, step->row);
    }
}

#endif
