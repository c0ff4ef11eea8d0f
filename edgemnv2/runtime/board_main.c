/* The test program of a bare-metal artefact under an emulator; files through semihosting.
 *
 * Reads `job.bin` (int32 samples, repeat, trace, rows, layers, budget, threads), `in.bin`
 * (samples, raw, NHWC); writes `out.bin` and `trace.bin` (records as in bench_main.c). Facts go to
 * the console as `edgemnv2 KEY VALUE`. */
#include <stdint.h>

#include "artifact_names.h"
#include "semihosting.h"

#define IN_ARENA_MEMORY __attribute__((section(".arena"), aligned(64)))
static struct fenced_arena arena IN_ARENA_MEMORY;
static unsigned char sample[SAMPLE_BYTES] IN_ARENA_MEMORY;
#if !NET_CONST(IO_IN_ARENA) || defined(EDGEMNV2_SEVERAL_INPUTS)
static unsigned char input[SAMPLE_ROOM] IN_ARENA_MEMORY;
#endif
static unsigned char output[RESULT_ROOM] IN_ARENA_MEMORY;

extern uint32_t edgemnv2_stack_limit[];

enum { STACK_PATTERN = 0x5AA5C33C };

static int32_t trace_file = -1;
static int32_t budget; /* above 0: inferences in pieces of so many steps */
#ifdef EDGEMNV2_THREADS
static struct NET_(pool) pool;
static int32_t threads;
#endif

__attribute__((noinline)) void edgemnv2_mark(void);
void edgemnv2_mark(void) {
    __asm__ volatile("" ::: "memory");
}

static void report(const char *key, long value) {
    semihost_print("edgemnv2 ");
    semihost_print(key);
    semihost_print(" ");
    semihost_print_number(value);
    semihost_print("\n");
}

/* Called by startup.c. */
void edgemnv2_fault(uint32_t cause);
void edgemnv2_fault(uint32_t cause) {
    report("fault", (long)cause);
    semihost_exit(0);
}

void edgemnv2_exit(int status);
void edgemnv2_exit(int status) {
    semihost_exit(status == 0);
}

static void copy(unsigned char *to, const unsigned char *from, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = from[i];
    }
}

/* Some steps only add to a sum and have no row yet. */
static void write_row(void *context, int32_t layer, int32_t row, const void *data, int32_t bytes) {
    const int32_t record[4] = {*(const int32_t *)context, layer, row, bytes};
    if (data) {
        semihost_write(trace_file, record, sizeof record);
        semihost_write(trace_file, data, (uint32_t)bytes);
    }
}

/* 0 when all is well. */
static int check(int32_t status, uint32_t arena_bytes) {
    if (status != NET_CONST(OK)) {
        report("status", status);
        return 1;
    }
    if (broken_fence(&arena, arena_bytes)) {
        semihost_print("edgemnv2 fence broken\n");
        return 1;
    }
    return 0;
}

#define PLACE_(end)                                                                                \
    copy(SAMPLE_IN(arena, input, end), sample + offsetof(struct sample_layout, end),               \
         END_CONST(end, _BYTES));
#define PLACE_OWN_(end)                                                                            \
    copy(input + offsetof(struct sample_places, end),                                              \
         sample + offsetof(struct sample_layout, end), END_CONST(end, _BYTES));
#define TAKE_(end)                                                                                 \
    copy(output + offsetof(struct result_places, end), RESULT_IN(arena, output, end),              \
         END_CONST(end, _BYTES));

#ifdef EDGEMNV2_THREADS
/* Two cores have the ends in other places of the arena. */
#if NET_CONST(IO_IN_ARENA)
#define SHARED_PLACE_(end)                                                                         \
    (arena.bytes + NET_CONST(EDGEMNV2_JOIN(THREADS_, EDGEMNV2_JOIN(end, _OFFSET))))
#define SHARED_IN_(end) SHARED_PLACE_(end)
#define SHARED_OUT_(end) SHARED_PLACE_(end)
#else
#define SHARED_IN_(end) SAMPLE_IN(arena, input, end)
#define SHARED_OUT_(end) RESULT_IN(arena, output, end)
#endif
#define SHARED_SAMPLE_(end)                                                                        \
    copy(SHARED_IN_(end), sample + offsetof(struct sample_layout, end), END_CONST(end, _BYTES));
#define SHARED_INPUT_(end) (const void *)SHARED_IN_(end),
#define SHARED_OUTPUT_(end) (void *)SHARED_OUT_(end),
#define SHARED_RESULT_(end)                                                                        \
    copy(output + offsetof(struct result_places, end), SHARED_OUT_(end), END_CONST(end, _BYTES));
#endif

static void place_sample(void) {
#ifdef EDGEMNV2_THREADS
    if (threads > 1) {
        EDGEMNV2_INPUTS(SHARED_SAMPLE_)
        return;
    }
#endif
    EDGEMNV2_INPUTS(PLACE_)
}

static void take_result(void) {
#if NET_CONST(IO_IN_ARENA)
#ifdef EDGEMNV2_THREADS
    if (threads > 1) {
        EDGEMNV2_OUTPUTS(SHARED_RESULT_)
        return;
    }
#endif
    EDGEMNV2_OUTPUTS(TAKE_)
#endif
}

/* Of what the job asks for. */
static uint32_t arena_bytes(void) {
#ifdef EDGEMNV2_THREADS
    if (threads > 1) {
        return NET_CONST(THREADS_ARENA_BYTES);
    }
#endif
    return NET_CONST(ARENA_BYTES);
}

/* Runs the placed sample, which is used up by it. `index` >= 0: write the trace under it. */
static int32_t infer(int32_t index) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    if (index >= 0) {
        return NET_(run_hooked)(&inputs, &outputs, arena.bytes, write_row, &index);
    }
    if (budget > 0) {
        struct NET_(inference) inference;
        int32_t status = NET_(begin)(&inference, &inputs, &outputs, arena.bytes);
        if (status == NET_CONST(OK)) {
            do {
                status = NET_(step)(&inference, budget);
            } while (status == NET_CONST(MORE));
        }
        return status;
    }
#ifdef EDGEMNV2_THREADS
    if (threads > 1) {
        const struct NET_(inputs) shared_inputs = {EDGEMNV2_INPUTS(SHARED_INPUT_)};
        const struct NET_(outputs) shared_outputs = {EDGEMNV2_OUTPUTS(SHARED_OUTPUT_)};
        return NET_(run_threads)(&shared_inputs, &shared_outputs, arena.bytes, &pool);
    }
#endif
    return NET_(run)(&inputs, &outputs, arena.bytes);
}

static int run_sample(int32_t index) {
    place_sample();
    if (check(infer(index), arena_bytes())) {
        return 1;
    }
    take_result();
    return 0;
}

static int run_rows(void) {
    struct row_source source = {FED_IMAGE(sample)};
    const struct NET_(outputs) outputs = OWN_OUTPUT_POINTERS;
#ifdef EDGEMNV2_SEVERAL_INPUTS
    const struct NET_(inputs) inputs = OWN_INPUT_POINTERS;
    EDGEMNV2_INPUTS(PLACE_OWN_)
#endif
    return check(RUN_ROWS(&source, &inputs, &outputs, arena.bytes), NET_CONST(STREAM_ARENA_BYTES));
}

/* Runs the placed sample on a painted stack; the bytes it used, negative on failure. */
__attribute__((noinline)) static long infer_measuring_stack(void) {
    uint32_t *here;
    uint32_t *word = edgemnv2_stack_limit;
#if defined(__riscv)
    __asm__ volatile("mv %0, sp" : "=r"(here));
#else
    __asm__ volatile("mov %0, sp" : "=r"(here));
#endif
    while (word < here) { /* nothing below the stack pointer is in use */
        *(volatile uint32_t *)word++ = (uint32_t)STACK_PATTERN;
    }
    if (check(infer(-1), arena_bytes())) {
        return -1;
    }
    word = edgemnv2_stack_limit;
    while (word < here && *(volatile uint32_t *)word == (uint32_t)STACK_PATTERN) {
        word++;
    }
    return (long)((here - word) * (long)sizeof *word);
}

static uint16_t step_layers[STEP_LIMIT] IN_ARENA_MEMORY;
static int32_t step_count;

static void end_step(void *context, int32_t layer, int32_t row, const void *data, int32_t bytes) {
    (void)context;
    (void)row;
    (void)data;
    (void)bytes;
    edgemnv2_mark();
    if (step_count < STEP_LIMIT) {
        step_layers[step_count++] = (uint16_t)layer;
    }
    edgemnv2_mark();
}

/* One inference with a mark after each step; prints the layer of each. */
static int measure_layers(void) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    place_sample();
    edgemnv2_mark();
    if (check(NET_(run_hooked)(&inputs, &outputs, arena.bytes, end_step, 0),
              NET_CONST(ARENA_BYTES))) {
        return 1;
    }
    for (int32_t i = 0; i < step_count; i++) {
        report("step_layer", step_layers[i]);
    }
    return 0;
}

int main(void) {
    int32_t job[7] = {0, 0, 0, 0, 0, 0, 1};
    const int32_t job_file = semihost_open("job.bin", SEMIHOST_READ_BINARY);
    if (job_file < 0 || semihost_read(job_file, job, sizeof job) != 0) {
        semihost_print("edgemnv2 error job.bin\n");
        return 1;
    }
    budget = job[5];
#ifdef EDGEMNV2_THREADS
    threads = job[6];
    if (NET_(pool_start)(&pool, threads) != NET_CONST(OK)) {
        semihost_print("edgemnv2 error pool\n");
        return 1;
    }
#endif
    fence_arena(&arena, LARGER_ARENA_BYTES);
    const int32_t in = semihost_open("in.bin", SEMIHOST_READ_BINARY);
    const int32_t out = semihost_open("out.bin", SEMIHOST_WRITE_BINARY);
    if (job[2]) {
        trace_file = semihost_open("trace.bin", SEMIHOST_WRITE_BINARY);
    }
    for (int32_t index = 0; index < job[0]; index++) {
        if (semihost_read(in, sample, sizeof sample) != 0) {
            semihost_print("edgemnv2 error in.bin\n");
            return 1;
        }
        if (job[3] ? run_rows() : run_sample(job[2] ? index : -1)) {
            return 1;
        }
#define WRITE_(end)                                                                                \
    if (semihost_write(out, output + offsetof(struct result_places, end),                          \
                       END_CONST(end, _BYTES)) != 0) {                                             \
        semihost_print("edgemnv2 error out.bin\n");                                                \
        return 1;                                                                                  \
    }
        EDGEMNV2_OUTPUTS(WRITE_)
    }
    report("samples", job[0]);
    if (!job[3]) {
        place_sample();
        const long stack_bytes = infer_measuring_stack();
        if (stack_bytes < 0) {
            return 1;
        }
        report("stack_bytes", stack_bytes);
    }
    for (int32_t i = 0; i < job[1]; i++) {
        place_sample();
        edgemnv2_mark();
        const int32_t status = infer(-1);
        edgemnv2_mark();
        if (check(status, arena_bytes())) {
            return 1;
        }
    }
    if (job[4] && measure_layers()) {
        return 1;
    }
#ifdef EDGEMNV2_THREADS
    (void)NET_(pool_stop)(&pool);
#endif
    semihost_close(out);
    if (trace_file >= 0) {
        semihost_close(trace_file);
    }
    report("done", 1);
    return 0;
}
