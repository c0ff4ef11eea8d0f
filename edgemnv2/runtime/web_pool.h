/* A pool of threads in a page: the page's own and workers, each with an instance of the module in
 * one shared memory. thread_pool.h includes this and says what it is for.
 *
 * A page's own thread must not sleep, so it spins at barriers, and so does a worker, which the page
 * never lets wait there for long. Between two inferences a worker spins for a while, then sleeps.
 * All atomic operations are in one order there, which publishes what was written before. */
#ifndef EDGEMNV2_WEB_POOL_H
#define EDGEMNV2_WEB_POOL_H

/* Looks before a worker goes to sleep: about a tenth of a millisecond. */
enum { EDGEMNV2_SPINS = 20000 };

struct edgemnv2_pool {
    uint32_t generation; /* counts jobs */
    uint32_t apart[31];
    uint32_t phase; /* counts barriers */
    uint32_t apart_too[31];
    uint32_t arrived; /* at the next barrier */
    int32_t threads;
    void (*work)(const void *context, struct edgemnv2_pool *pool, int32_t thread);
    const void *context;
};

/* Returns when all threads of the pool have come here. */
static void edgemnv2_meet(struct edgemnv2_pool *pool) {
    const uint32_t phase = __atomic_load_n(&pool->phase, __ATOMIC_SEQ_CST);
    if (__atomic_add_fetch(&pool->arrived, 1, __ATOMIC_SEQ_CST) == (uint32_t)pool->threads) {
        /* Nobody arrives again before `phase` has changed. */
        __atomic_store_n(&pool->arrived, 0, __ATOMIC_SEQ_CST);
        (void)__atomic_add_fetch(&pool->phase, 1, __ATOMIC_SEQ_CST);
    } else {
        while (__atomic_load_n(&pool->phase, __ATOMIC_SEQ_CST) == phase) {
        }
    }
}

/* A worker's whole life: jobs until there is none. */
static void edgemnv2_pool_serve(struct edgemnv2_pool *pool, int32_t number) {
    uint32_t seen;
    for (seen = 0;; seen++) {
        int32_t spin = 0;
        while (__atomic_load_n(&pool->generation, __ATOMIC_SEQ_CST) == seen) {
            if (++spin > EDGEMNV2_SPINS)
                (void)__builtin_wasm_memory_atomic_wait32((int *)&pool->generation, (int)seen, -1);
        }
        if (pool->work == NULL)
            return;
        pool->work(pool->context, pool, number);
    }
}

/* Every thread, the caller as number 0, does `work` up to its last barrier; NULL ends workers. */
static void edgemnv2_pool_do(struct edgemnv2_pool *pool,
                             void (*work)(const void *, struct edgemnv2_pool *, int32_t),
                             const void *context) {
    pool->work = work;
    pool->context = context;
    (void)__atomic_add_fetch(&pool->generation, 1, __ATOMIC_SEQ_CST);
    (void)__builtin_wasm_memory_atomic_notify((int *)&pool->generation, (unsigned int)-1);
    if (work != NULL)
        work(context, pool, 0);
}

static void edgemnv2_pool_end(struct edgemnv2_pool *pool) {
    edgemnv2_pool_do(pool, NULL, NULL);
    pool->threads = 0;
}

/* The page starts its workers itself. */
static int32_t edgemnv2_pool_begin(struct edgemnv2_pool *pool, int32_t threads) {
    memset(pool, 0, sizeof *pool);
    pool->threads = threads;
    return 0;
}

#endif
