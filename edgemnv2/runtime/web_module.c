/* The network as a WebAssembly module: what a page calls.
 *
 * A page loads the module, copies the constants to `constants()`, an input to `input(i)`, calls
 * `run()` and reads `output(i)`. All of it is static: one memory, whose size linking fixes. */
#include <stdint.h>

#include "artifact_names.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

/* Under the name by which the tables of the network know them. */
uint8_t NET_(constants)[EDGEMNV2_CONSTANTS_BYTES] __attribute__((aligned(64)));
static struct {
    unsigned char bytes[NET_ANY_THREADS_ARENA_BYTES];
} arena __attribute__((aligned(64)));
#if !NET_CONST(IO_IN_ARENA)
static unsigned char input[SAMPLE_ROOM] __attribute__((aligned(64)));
static unsigned char output[RESULT_ROOM] __attribute__((aligned(64)));
#endif

uint8_t *EXPORT(constants)(void);
void *EXPORT(input_place)(int32_t number);
void *EXPORT(output_place)(int32_t number);
int32_t EXPORT(run)(void);
int32_t EXPORT(warm)(int32_t budget);

uint8_t *constants(void) {
    return NET_(constants);
}

void *input_place(int32_t number) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    return (void *)(uintptr_t)((const void *const *)&inputs)[number];
}

void *output_place(int32_t number) {
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    return ((void *const *)&outputs)[number];
}

int32_t run(void) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    return NET_(run)(&inputs, &outputs, arena.bytes);
}

/* At most `budget` steps of an inference, one only, on what memory holds: before it counts, the
 * browser has made the code that it makes when it is first called, and has made it better. Whoever
 * calls it between inferences reads no answer. 1 while steps are left. */
int32_t warm(int32_t budget) {
    static struct NET_(inference) inference;
    static int32_t begun;
    if (!begun) {
        const struct NET_(inputs) inputs = INPUT_POINTERS;
        const struct NET_(outputs) outputs = OUTPUT_POINTERS;
        begun = 1;
        if (NET_(begin)(&inference, &inputs, &outputs, arena.bytes) != NET_CONST(OK))
            return 0;
    }
    return NET_(step)(&inference, budget) == NET_CONST(MORE);
}

#ifdef EDGEMNV2_THREADS
/* The same on two threads. A page has a worker with an instance of its own in this memory, whose
 * stack pointer is `second_stack()`; behind `start()` it calls `serve()`, which returns when the
 * page calls `stop()`. */
enum { SECOND_STACK_BYTES = 1 << 16 };
static unsigned char stack[SECOND_STACK_BYTES] __attribute__((aligned(64)));
static struct NET_(pool) pool;

void NET_(pool_serve)(struct NET_(pool) *, int32_t number);
void *EXPORT(second_stack)(void);
int32_t EXPORT(start)(void);
void EXPORT(serve)(void);
int32_t EXPORT(run_two)(void);
int32_t EXPORT(stop)(void);

void *second_stack(void) {
    return stack + SECOND_STACK_BYTES;
}

int32_t start(void) {
    return NET_(pool_start)(&pool, 2);
}

void serve(void) {
    NET_(pool_serve)(&pool, 1);
}

int32_t run_two(void) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    return NET_(run_threads)(&inputs, &outputs, arena.bytes, &pool);
}

int32_t stop(void) {
    return NET_(pool_stop)(&pool);
}
#endif
