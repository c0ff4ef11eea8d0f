/* Names of the artefact under test, for programs that serve any artefact. Compile with
 *   -DEDGEMNV2_NAME=net -DEDGEMNV2_UPPER=NET -DEDGEMNV2_HEADER='"net.h"'
 * and write NET_(run) for net_run, NET_CONST(ARENA_BYTES) for NET_ARENA_BYTES. */
#ifndef EDGEMNV2_ARTIFACT_NAMES_H
#define EDGEMNV2_ARTIFACT_NAMES_H

/* Where there are several inputs or outputs, the header lists them then. */
#define EDGEMNV2_ENDS
#include EDGEMNV2_HEADER

#include <stddef.h>
#include <stdint.h>

#define EDGEMNV2_PASTE_(a, b) a##_##b
#define EDGEMNV2_PASTE(a, b) EDGEMNV2_PASTE_(a, b)
#define NET_(name) EDGEMNV2_PASTE(EDGEMNV2_NAME, name)
#define NET_CONST(name) EDGEMNV2_PASTE(EDGEMNV2_UPPER, name)

/* Every input and output by the beginning of its macros; FED is the one whose rows can be fed. */
#ifndef EDGEMNV2_INPUTS
#define EDGEMNV2_INPUTS(X) X(INPUT)
#define EDGEMNV2_OUTPUTS(X) X(OUTPUT)
#define EDGEMNV2_FED INPUT
#define EDGEMNV2_SINGLE_ENDS
#endif
#define EDGEMNV2_JOIN_(a, b) a##b
#define EDGEMNV2_JOIN(a, b) EDGEMNV2_JOIN_(a, b)
#define END_CONST(end, name) NET_CONST(EDGEMNV2_JOIN(end, name))

/* A sample, and a result: the tensors one behind the other, as files hold them. */
#define END_BYTES_(end) unsigned char end[END_CONST(end, _BYTES)];
struct sample_layout {
    EDGEMNV2_INPUTS(END_BYTES_)
};
struct result_layout {
    EDGEMNV2_OUTPUTS(END_BYTES_)
};
enum { SAMPLE_BYTES = sizeof(struct sample_layout), RESULT_BYTES = sizeof(struct result_layout) };

/* Buffers of a program's own, each tensor aligned. */
#define END_PLACE_(end) unsigned char end[END_CONST(end, _BYTES)] __attribute__((aligned(64)));
struct sample_places {
    EDGEMNV2_INPUTS(END_PLACE_)
};
struct result_places {
    EDGEMNV2_OUTPUTS(END_PLACE_)
};
#ifdef EDGEMNV2_SINGLE_ENDS
enum { SAMPLE_ROOM = SAMPLE_BYTES, RESULT_ROOM = RESULT_BYTES };
#else
enum { SAMPLE_ROOM = sizeof(struct sample_places), RESULT_ROOM = sizeof(struct result_places) };
#endif

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
        if (arena->before[i] != FENCE_PATTERN ||
            arena->bytes[arena_bytes + (unsigned long)i] != FENCE_PATTERN) {
            return 1;
        }
    }
    return 0;
}

/* Where the program puts the tensors of a sample, and where it finds those of the result. */
#if NET_CONST(IO_IN_ARENA)
#define SAMPLE_IN(arena, own, end) ((arena).bytes + END_CONST(end, _OFFSET))
#define RESULT_IN(arena, own, end) ((arena).bytes + END_CONST(end, _OFFSET))
#else
#define SAMPLE_IN(arena, own, end) ((own) + offsetof(struct sample_places, end))
#define RESULT_IN(arena, own, end) ((own) + offsetof(struct result_places, end))
#endif

/* Initialisers of the structures of pointers, for programs with `arena`, `input` and `output`. */
#define INPUT_POINTER_(end) (const void *)SAMPLE_IN(arena, input, end),
#define OUTPUT_POINTER_(end) (void *)RESULT_IN(arena, output, end),
#define OWN_INPUT_POINTER_(end) (const void *)(input + offsetof(struct sample_places, end)),
#define OWN_OUTPUT_POINTER_(end) (void *)(output + offsetof(struct result_places, end)),
#define INPUT_POINTERS                                                                             \
    { EDGEMNV2_INPUTS(INPUT_POINTER_) }
#define OUTPUT_POINTERS                                                                            \
    { EDGEMNV2_OUTPUTS(OUTPUT_POINTER_) }
#define OWN_INPUT_POINTERS                                                                         \
    { EDGEMNV2_INPUTS(OWN_INPUT_POINTER_) }
#define OWN_OUTPUT_POINTERS                                                                        \
    { EDGEMNV2_OUTPUTS(OWN_OUTPUT_POINTER_) }

/* Which layer each step of one inference made, for figures by layer. */
enum { STEP_LIMIT = 16384 };

/* Gives the rows of the whole image in a sample one by one. */
struct row_source {
    const unsigned char *image;
};

#define FED_IMAGE(sample) ((sample) + offsetof(struct sample_layout, EDGEMNV2_FED))

/* `run_rows` takes the other inputs, too, where there are several. */
#ifdef EDGEMNV2_SEVERAL_INPUTS
#define RUN_ROWS(source, inputs, outputs, arena)                                                   \
    NET_(run_rows)(give_row, source, inputs, outputs, arena)
#else
#define RUN_ROWS(source, inputs, outputs, arena) NET_(run_rows)(give_row, source, outputs, arena)
#endif

static inline int32_t give_row(void *context, int32_t row,
                               END_CONST(EDGEMNV2_FED, _TYPE) * destination) {
    const struct row_source *source = context;
    if (row >= END_CONST(EDGEMNV2_FED, _HEIGHT)) {
        return 1;
    }
    const unsigned char *from = source->image + (long)row * END_CONST(EDGEMNV2_FED, _ROW_BYTES);
    unsigned char *to = (unsigned char *)destination;
    for (long i = 0; i < END_CONST(EDGEMNV2_FED, _ROW_BYTES); i++) {
        to[i] = from[i];
    }
    return 0;
}

#endif
