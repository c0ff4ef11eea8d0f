/* The `bench` program of a Linux artefact: runs samples, times inferences, writes a trace.
 *
 *   bench [--inputs FILE --outputs FILE] [--trace FILE] [--warmup N] [--repeat N] [--rows 1]
 *         [--layers 1] [--threads N] [--budget N]
 *
 * FILEs hold tensors one after another, raw, NHWC. Without --inputs, one sample of zeros. --repeat
 * times N inferences of the first sample. --rows 1 feeds the samples row by row (no timing);
 * --layers 1 then measures one inference step by step; --budget N runs all others in pieces of N
 * steps; all three, and a trace, on one thread. Facts go to stdout as lines `edgemnv2 KEY VALUE`.
 * A trace record is int32 sample, layer, row, bytes (host order), then the row's data. */
#define _POSIX_C_SOURCE 200112L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "artifact_names.h"

static struct fenced_arena arena __attribute__((aligned(64)));
#if !NET_CONST(IO_IN_ARENA) || defined(EDGEMNV2_SEVERAL_INPUTS)
static unsigned char input[SAMPLE_ROOM] __attribute__((aligned(64)));
#endif
static unsigned char output[RESULT_ROOM] __attribute__((aligned(64)));
static unsigned char first_sample[SAMPLE_BYTES];
/* What an inference may use: more when several threads run it. */
static unsigned long arena_limit = NET_CONST(ARENA_BYTES);

#ifdef EDGEMNV2_THREADS
static struct NET_(pool) pool;
#endif
static long threads = 1;
static long budget; /* above 0: inferences in pieces of so many steps */

struct tracer {
    FILE *file;
    int32_t sample;
};

/* The emulator's plugin counts from one call of this function to the next. */
__attribute__((noinline)) void edgemnv2_mark(void);
void edgemnv2_mark(void) {
    __asm__ volatile("" ::: "memory");
}

static void fail(const char *what, const char *which) {
    fprintf(stderr, "bench: %s%s\n", what, which);
    exit(2);
}

static FILE *open_file(const char *name, const char *mode) {
    FILE *file = fopen(name, mode);
    if (!file) {
        fail("cannot open ", name);
    }
    return file;
}

/* Some steps only add to a sum and have no row yet. */
static void write_row(void *context, int32_t layer, int32_t row, const void *data, int32_t bytes) {
    struct tracer *tracer = context;
    const int32_t record[4] = {tracer->sample, layer, row, bytes};
    if (data) {
        fwrite(record, sizeof record, 1, tracer->file);
        fwrite(data, 1, (size_t)bytes, tracer->file);
    }
}

static void check(int32_t status, unsigned long arena_bytes) {
    if (status != NET_CONST(OK)) {
        printf("edgemnv2 status %ld\n", (long)status);
        exit(3);
    }
    if (broken_fence(&arena, arena_bytes)) {
        printf("edgemnv2 fence broken\n");
        exit(3);
    }
}

/* The input is used up by it. */
static int32_t infer(struct tracer *tracer) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    if (tracer->file) {
        return NET_(run_hooked)(&inputs, &outputs, arena.bytes, write_row, tracer);
    }
    if (budget > 0) {
        struct NET_(inference) inference;
        int32_t status = NET_(begin)(&inference, &inputs, &outputs, arena.bytes);
        if (status == NET_CONST(OK)) {
            do {
                status = NET_(step)(&inference, (int32_t)budget);
            } while (status == NET_CONST(MORE));
        }
        return status;
    }
#ifdef EDGEMNV2_THREADS
    if (threads > 1) {
        return NET_(run_threads)(&inputs, &outputs, arena.bytes, &pool);
    }
#endif
    return NET_(run)(&inputs, &outputs, arena.bytes);
}

static void start_threads(void) {
#ifdef EDGEMNV2_THREADS
    if (threads > 1) {
        arena_limit = NET_CONST(THREADS_ARENA_BYTES);
        check(NET_(pool_start)(&pool, (int32_t)threads), arena_limit);
        printf("edgemnv2 threads %ld\n", threads);
        return;
    }
#endif
    if (threads != 1) {
        fail("no plan for several threads", "");
    }
}

static void stop_threads(void) {
#ifdef EDGEMNV2_THREADS
    if (threads > 1) {
        check(NET_(pool_stop)(&pool), arena_limit);
    }
#endif
}

#define PLACE_(end)                                                                                \
    memcpy(SAMPLE_IN(arena, input, end), sample + offsetof(struct sample_layout, end),             \
           END_CONST(end, _BYTES));
#define PLACE_OWN_(end)                                                                            \
    memcpy(input + offsetof(struct sample_places, end),                                            \
           sample + offsetof(struct sample_layout, end), END_CONST(end, _BYTES));
#define TAKE_(end)                                                                                 \
    memmove(output + offsetof(struct result_places, end), RESULT_IN(arena, output, end),           \
            END_CONST(end, _BYTES));

static inline void place_sample(const unsigned char *sample) {
    EDGEMNV2_INPUTS(PLACE_)
}

static void run_sample(const unsigned char *sample, struct tracer *tracer) {
    place_sample(sample);
    check(infer(tracer), arena_limit);
    EDGEMNV2_OUTPUTS(TAKE_)
}

static void run_rows(const unsigned char *sample) {
    struct row_source source = {FED_IMAGE(sample)};
    const struct NET_(outputs) outputs = OWN_OUTPUT_POINTERS;
#ifdef EDGEMNV2_SEVERAL_INPUTS
    const struct NET_(inputs) inputs = OWN_INPUT_POINTERS;
    EDGEMNV2_INPUTS(PLACE_OWN_)
#endif
    check(RUN_ROWS(&source, &inputs, &outputs, arena.bytes), NET_CONST(STREAM_ARENA_BYTES));
}

static uint16_t step_layers[STEP_LIMIT];
static double step_ends[STEP_LIMIT];
static long step_count;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void end_step(void *context, int32_t layer, int32_t row, const void *data, int32_t bytes) {
    (void)context;
    (void)row;
    (void)data;
    (void)bytes;
    edgemnv2_mark();
    if (step_count < STEP_LIMIT) {
        step_layers[step_count] = (uint16_t)layer;
        step_ends[step_count++] = seconds();
    }
    edgemnv2_mark();
}

/* Prints the layer and the seconds of each step of one inference. */
static void measure_layers(const unsigned char *sample) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    place_sample(sample);
    double last = seconds();
    edgemnv2_mark();
    check(NET_(run_hooked)(&inputs, &outputs, arena.bytes, end_step, NULL), arena_limit);
    for (long i = 0; i < step_count; i++) {
        printf("edgemnv2 step_layer %d\nedgemnv2 step_seconds %.9f\n", step_layers[i],
               step_ends[i] - last);
        last = step_ends[i];
    }
}

/* Not getrusage: its ru_maxrss starts at what the launching process had. */
static void report_peak_rss(void) {
    char line[256];
    long kibibytes;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %ld", &kibibytes) == 1) {
            printf("edgemnv2 peak_rss_bytes %ld\n", kibibytes * 1024);
        }
    }
    if (file) {
        fclose(file);
    }
}

int main(int count, char **argument) {
    const char *inputs_name = NULL, *outputs_name = NULL;
    struct tracer tracer = {NULL, 0};
    static unsigned char sample[SAMPLE_BYTES];
    long repeat = 0, warmup = 1, rows = 0, layers = 0;
    for (int i = 1; i < count; i += 2) {
        const char *key = argument[i];
        if (i + 1 == count) {
            fail("no value for ", key);
        }
        if (strcmp(key, "--inputs") == 0) {
            inputs_name = argument[i + 1];
        } else if (strcmp(key, "--outputs") == 0) {
            outputs_name = argument[i + 1];
        } else if (strcmp(key, "--trace") == 0) {
            tracer.file = open_file(argument[i + 1], "wb");
        } else if (strcmp(key, "--repeat") == 0) {
            repeat = strtol(argument[i + 1], NULL, 10);
        } else if (strcmp(key, "--warmup") == 0) {
            warmup = strtol(argument[i + 1], NULL, 10);
        } else if (strcmp(key, "--rows") == 0) {
            rows = strtol(argument[i + 1], NULL, 10);
        } else if (strcmp(key, "--layers") == 0) {
            layers = strtol(argument[i + 1], NULL, 10);
        } else if (strcmp(key, "--budget") == 0) {
            budget = strtol(argument[i + 1], NULL, 10);
        } else if (strcmp(key, "--threads") == 0) {
            threads = strtol(argument[i + 1], NULL, 10);
        } else {
            fail("unknown option ", key);
        }
    }

    const unsigned long inference_bytes =
        threads > 1 ? (unsigned long)LARGER_ARENA_BYTES : NET_CONST(ARENA_BYTES);
    fence_arena(&arena, rows && NET_CONST(STREAM_ARENA_BYTES) > inference_bytes
                            ? NET_CONST(STREAM_ARENA_BYTES)
                            : inference_bytes);
    start_threads();
    FILE *in = inputs_name ? open_file(inputs_name, "rb") : NULL;
    FILE *out = outputs_name ? open_file(outputs_name, "wb") : NULL;
    long samples = 0;
    for (;;) {
        unsigned char *to = samples == 0 ? first_sample : sample;
        if (in ? fread(to, sizeof sample, 1, in) != 1 : samples > 0) {
            break;
        }
        tracer.sample = (int32_t)samples++;
        if (rows) {
            run_rows(to);
        } else {
            run_sample(to, &tracer);
        }
#define WRITE_(end)                                                                                \
    if (out && fwrite(output + offsetof(struct result_places, end), END_CONST(end, _BYTES), 1,     \
                      out) != 1) {                                                                 \
        fail("cannot write ", outputs_name);                                                       \
    }
        EDGEMNV2_OUTPUTS(WRITE_)
    }
    if (out && fclose(out) != 0) {
        fail("cannot write ", outputs_name);
    }
    if (tracer.file && fclose(tracer.file) != 0) {
        fail("cannot write the trace", "");
    }
    tracer.file = NULL;
    printf("edgemnv2 samples %ld\n", samples);

    for (long i = 0; (repeat > 0 || layers) && i < warmup; i++) {
        run_sample(first_sample, &tracer);
    }
    for (long i = 0; i < repeat; i++) {
        place_sample(first_sample);
        const double start = seconds();
        edgemnv2_mark();
        const int32_t status = infer(&tracer);
        edgemnv2_mark();
        const double end = seconds();
        check(status, arena_limit);
        printf("edgemnv2 seconds %.9f\n", end - start);
    }
    if (layers) {
        measure_layers(first_sample);
    }
    report_peak_rss();
    stop_threads();
    printf("edgemnv2 done 1\n");
    return 0;
}
