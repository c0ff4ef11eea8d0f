/* Names of the artefact under test, for programs that serve any artefact. Compile with
 *   -DEDGEMNV2_NAME=net -DEDGEMNV2_UPPER=NET -DEDGEMNV2_HEADER='"net.h"'
 * and write NET_(run) for net_run, NET_CONST(ARENA_BYTES) for NET_ARENA_BYTES. */
#ifndef EDGEMNV2_ARTIFACT_NAMES_H
#define EDGEMNV2_ARTIFACT_NAMES_H

#include EDGEMNV2_HEADER

#define EDGEMNV2_PASTE_(a, b) a##_##b
#define EDGEMNV2_PASTE(a, b) EDGEMNV2_PASTE_(a, b)
#define NET_(name) EDGEMNV2_PASTE(EDGEMNV2_NAME, name)
#define NET_CONST(name) EDGEMNV2_PASTE(EDGEMNV2_UPPER, name)

/* The arena of an inference on any number of threads. */
#ifdef EDGEMNV2_THREADS
#define NET_ANY_THREADS_ARENA_BYTES NET_CONST(THREADS_ARENA_BYTES)
#else
#define NET_ANY_THREADS_ARENA_BYTES NET_CONST(ARENA_BYTES)
#endif

/* The arena between two fences; all of it starts with a pattern, so that code which counts on
 * zeros or writes outside shows. 64 is at least every artefact's alignment. */
enum {
    FENCE_BYTES = 64,
    FENCE_PATTERN = 0xA5,
    LARGER_ARENA_BYTES = NET_ANY_THREADS_ARENA_BYTES > NET_CONST(STREAM_ARENA_BYTES)
                             ? NET_ANY_THREADS_ARENA_BYTES
                             : NET_CONST(STREAM_ARENA_BYTES)
};

struct fenced_arena {
    unsigned char before[FENCE_BYTES];
    unsigned char bytes[LARGER_ARENA_BYTES + FENCE_BYTES];
};

typedef char arena_align_fits_the_fence[FENCE_BYTES % NET_CONST(ARENA_ALIGN) == 0 ? 1 : -1];

/* Only the first `arena_bytes` bytes will be used: the rest takes no memory on Linux. */
static inline void fence_arena(struct fenced_arena *arena, unsigned long arena_bytes) {
    unsigned char *byte = (unsigned char *)arena;
    for (unsigned long i = 0; i < FENCE_BYTES + arena_bytes + FENCE_BYTES; i++) {
        byte[i] = FENCE_PATTERN;
    }
}

/* 0 when nothing was written outside the first `arena_bytes` bytes of the arena. */
static inline int broken_fence(const struct fenced_arena *arena, unsigned long arena_bytes) {
    for (int i = 0; i < FENCE_BYTES; i++) {
        if (arena->before[i] != FENCE_PATTERN || arena->bytes[arena_bytes + i] != FENCE_PATTERN) {
            return 1;
        }
    }
    return 0;
}

/* Where the program puts a sample, and where it finds the result. */
#if NET_CONST(IO_IN_ARENA)
#define SAMPLE_IN(arena, own) ((arena).bytes + NET_CONST(INPUT_OFFSET))
#define RESULT_IN(arena, own) ((arena).bytes + NET_CONST(OUTPUT_OFFSET))
#else
#define SAMPLE_IN(arena, own) (own)
#define RESULT_IN(arena, own) (own)
#endif

/* Which layer each step of one inference made, for figures by layer. */
enum { STEP_LIMIT = 16384 };

/* Gives the rows of a whole image one by one. */
struct row_source {
    const unsigned char *image;
};

static inline int32_t give_row(void *context, int32_t row, NET_CONST(INPUT_TYPE) * destination) {
    const struct row_source *source = context;
    if (row >= NET_CONST(INPUT_HEIGHT)) {
        return 1;
    }
    const unsigned char *from = source->image + (long)row * NET_CONST(INPUT_ROW_BYTES);
    unsigned char *to = (unsigned char *)destination;
    for (long i = 0; i < NET_CONST(INPUT_ROW_BYTES); i++) {
        to[i] = from[i];
    }
    return 0;
}

#endif
