/* How far apart two processors are: seconds of a round trip of one word between two threads.
 *
 * Called by this machine's measuring code, not part of an artefact. About 60 ns where two x86 cores
 * share a cache, 300 ns and more where they do not; what threads share takes as much longer. */
#define _POSIX_C_SOURCE 200112L
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#define RELAX() __builtin_ia32_pause()
#else
#define RELAX() __asm__ volatile("yield")
#endif

enum { TRIPS = 5000 };

/* Alone in its cache lines, which come in pairs on some cores. */
static struct {
    uint32_t turn;
    uint32_t apart[31];
} word __attribute__((aligned(128)));

static void await(uint32_t turn) {
    while (__atomic_load_n(&word.turn, __ATOMIC_ACQUIRE) != turn) {
        RELAX();
    }
}

static void *answer(void *unused) {
    for (uint32_t trip = 0; trip < TRIPS; trip++) {
        await(2 * trip + 1);
        __atomic_store_n(&word.turn, 2 * trip + 2, __ATOMIC_RELEASE);
    }
    return unused;
}

double core_distance_seconds(void);
double core_distance_seconds(void) {
    struct timespec start, end;
    pthread_t other;
    word.turn = 0;
    if (pthread_create(&other, NULL, answer, NULL) != 0) {
        return -1;
    }
    /* The first trip waits until the other thread runs. */
    __atomic_store_n(&word.turn, 1, __ATOMIC_RELEASE);
    await(2);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint32_t trip = 1; trip < TRIPS; trip++) {
        __atomic_store_n(&word.turn, 2 * trip + 1, __ATOMIC_RELEASE);
        await(2 * trip + 2);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    pthread_join(other, NULL);
    return ((double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec)) /
           (TRIPS - 1);
}
