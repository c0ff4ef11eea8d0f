#define EDGEMNV2_ENDS /* the header lists several inputs or outputs then */
#include "net_selftest.h"

#include <stddef.h>

#include "net_identity.h"
#include "serial_protocol.h"

/* Where the arena lies, on boards whose largest RAM is not the one for variables. */
#ifdef NET_ARENA_SECTION
#define NET_PLACED __attribute__((section(NET_ARENA_SECTION)))
#else
#define NET_PLACED
#endif

/* With NET_CORES=2 and the functions of edgemnv2_cores.h, inferences run on both cores: in a larger
 * arena, where inputs and outputs have other places. */
#if defined(NET_CORES) && NET_CORES > 1
#define ARENA_BYTES NET_THREADS_ARENA_BYTES
#define OFFSET(end) NET_THREADS_##end##_OFFSET
#else
#define ARENA_BYTES NET_ARENA_BYTES
#define OFFSET(end) NET_##end##_OFFSET
#endif

/* Every input and output, by the beginning of its macros. */
#ifndef EDGEMNV2_INPUTS
#define EDGEMNV2_INPUTS(X) X(INPUT)
#define EDGEMNV2_OUTPUTS(X) X(OUTPUT)
#endif
#define NUMBER_(end) AT_##end,
enum { EDGEMNV2_INPUTS(NUMBER_) INPUT_COUNT };
enum { EDGEMNV2_OUTPUTS(NUMBER_) OUTPUT_COUNT };

static unsigned char arena_store[ARENA_BYTES + NET_ARENA_ALIGN - 1] NET_PLACED;
#if !NET_IO_IN_ARENA
#define BUFFER_(end)                                                                               \
    union {                                                                                        \
        unsigned char bytes[NET_##end##_BYTES];                                                    \
        NET_##end##_TYPE element;                                                                  \
    } end;
static struct { EDGEMNV2_INPUTS(BUFFER_) EDGEMNV2_OUTPUTS(BUFFER_) } own NET_PLACED;
#endif

static unsigned char *arena(void) {
    const uintptr_t over = (uintptr_t)arena_store % NET_ARENA_ALIGN;
    return arena_store + (over == 0 ? 0 : NET_ARENA_ALIGN - over);
}

/* Inputs and outputs have their places in the arena, so that no RAM is spent on them, or buffers.
 */
#if NET_IO_IN_ARENA
#define PLACE(end) (arena() + OFFSET(end))
#else
#define PLACE(end) (own.end.bytes)
#endif
#define POINTER_(end) (void *)PLACE(end),
#define GIVEN_(end) from[AT_##end],

static int32_t infer(const void *const *from) {
    const struct net_inputs inputs = {EDGEMNV2_INPUTS(GIVEN_)};
    const struct net_outputs outputs = {EDGEMNV2_OUTPUTS(POINTER_)};
#if defined(NET_CORES) && NET_CORES > 1
    static struct net_pool pool;
    static int is_started;
    if (!is_started) {
        const int32_t status = net_pool_start(&pool, NET_CORES);
        if (status != NET_OK)
            return status;
        is_started = 1;
    }
    return net_run_threads(&inputs, &outputs, arena(), &pool);
#else
    return net_run(&inputs, &outputs, arena());
#endif
}

static int32_t infer_loaded(void) {
    const void *const from[] = {EDGEMNV2_INPUTS(POINTER_)};
    return infer(from);
}

#if defined(__GNUC__) && (defined(__arm__) || defined(__riscv))
/* Runs the self-test's input on a painted stack: what lost its paint was used. */
__attribute__((noinline)) static int32_t infer_on_paint(uint32_t free_bytes,
                                                        uint32_t *stack_bytes) {
    const uint32_t pattern = 0x5AA5C33Cu;
    volatile uint32_t *here;
    volatile uint32_t *low;
    volatile uint32_t *word;
    int32_t status;
#if defined(__riscv)
    __asm__ volatile("mv %0, sp" : "=r"(here));
#else
    __asm__ volatile("mov %0, sp" : "=r"(here));
#endif
    low = here - free_bytes / sizeof *here;
    for (word = low; word < here; word++)
        *word = pattern; /* nothing below the stack pointer is in use */
    status = infer(net_selftest_inputs);
    for (word = low; word < here && *word == pattern; word++) {
    }
    /* With no paint left, more may have been used than was painted. */
    *stack_bytes = word == low ? 0 : (uint32_t)((here - word) * (ptrdiff_t)sizeof *word);
    return status;
}
#else
static int32_t infer_on_paint(uint32_t free_bytes, uint32_t *stack_bytes) {
    (void)free_bytes;
    *stack_bytes = 0;
    return infer(net_selftest_inputs);
}
#endif

/* An element as far as 32 bits hold it, to be printed. */
static int32_t integer_at(const void *values, uint32_t i, enum net_selftest_type type) {
    switch (type) {
    case NET_SELFTEST_INT8:
        return ((const int8_t *)values)[i];
    case NET_SELFTEST_UINT8:
        return ((const uint8_t *)values)[i];
    case NET_SELFTEST_INT16:
        return ((const int16_t *)values)[i];
    case NET_SELFTEST_INT64:
        return (int32_t)((const int64_t *)values)[i];
    default:
        return ((const int32_t *)values)[i];
    }
}

static int differs(const struct net_selftest_output *output, const void *actual, uint32_t i) {
    if (output->type == NET_SELFTEST_INT64)
        return ((const int64_t *)output->expected)[i] != ((const int64_t *)actual)[i];
    if (output->type == NET_SELFTEST_FLOAT32) {
        const float error = ((const float *)output->expected)[i] - ((const float *)actual)[i];
        /* Written so that a NaN differs. */
        return !(error <= output->tolerance && -error <= output->tolerance);
    }
    return integer_at(output->expected, i, output->type) != integer_at(actual, i, output->type);
}

/* How many elements differ, 0 where they may be near ties; the index of the first to `first`. */
static uint32_t compare(const struct net_selftest_output *output, const void *actual,
                        uint32_t *first) {
    uint32_t different = 0;
    uint32_t i;
    for (i = 0; i < output->count; i++) {
        if (differs(output, actual, i)) {
            if (different == 0)
                *first = i;
            different++;
        }
    }
    return different > output->near_ties ? different : 0;
}

static void put_signed(const struct serial_port *port, const char *before, int32_t value) {
    char text[12];
    int at = 11;
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + (int)(rest % 10u));
        rest /= 10u;
    } while (rest != 0);
    if (value < 0)
        text[--at] = '-';
    serial_text(port, before);
    serial_text(port, text + at);
}

static void put_failure(const struct serial_port *port, const struct net_selftest_output *output,
                        const void *actual, uint32_t first, uint32_t different) {
    serial_text(port, "Test_result: FAIL, ");
    if (OUTPUT_COUNT > 1) {
        serial_text(port, output->name);
        serial_text(port, ": ");
    }
    put_signed(port, "first at index ", (int32_t)first);
    if (output->type != NET_SELFTEST_FLOAT32) {
        put_signed(port, ": expected ", integer_at(output->expected, first, output->type));
        put_signed(port, ", got ", integer_at(actual, first, output->type));
    }
    put_signed(port, " (", (int32_t)different);
    put_signed(port, " of ", (int32_t)output->count);
    serial_text(port, " differ)\r\n");
}

#ifdef NET_HAS_DECODER
static int apart(float a, float b) {
    /* Written so that a NaN differs. */
    return !(a - b <= net_selftest_answer_tolerance && b - a <= net_selftest_answer_tolerance);
}

/* In thousandths, as boards without printf can. */
static void put_answer(const struct serial_port *port, const struct net_selftest_answer *answer) {
    int i;
    put_signed(port, "answer: class ", answer->class_index);
    put_signed(port, ", score/1000 ", (int32_t)(answer->score * 1000.0f));
    serial_text(port, ", box/1000");
    for (i = 0; i < 4; i++)
        put_signed(port, " ", (int32_t)(answer->box[i] * 1000.0f));
    serial_text(port, "\r\n");
}

/* Prints what the outputs say; whether it is something else than it shall be. */
static int wrong_answers(const struct serial_port *port) {
    const struct net_outputs outputs = {EDGEMNV2_OUTPUTS(POINTER_)};
    struct net_selftest_answer found[NET_SELFTEST_MOST_ANSWERS];
    const int32_t count = net_selftest_decode(&outputs, found);
    int32_t i;
    int k, wrong = count != net_selftest_answer_count;
    for (i = 0; i < count; i++) {
        const struct net_selftest_answer *wanted = &net_selftest_answers[i];
        put_answer(port, &found[i]);
        if (wrong)
            continue;
        wrong = wanted->class_index != found[i].class_index || apart(wanted->score, found[i].score);
        for (k = 0; k < 4; k++)
            wrong |= apart(wanted->box[k], found[i].box[k]);
    }
    put_signed(port, "answers: ", count);
    put_signed(port, " of ", net_selftest_answer_count);
    serial_text(port, "\r\n");
    return wrong && !net_selftest_answers_tied;
}
#else
static int wrong_answers(const struct serial_port *port) {
    (void)port;
    return 0;
}
#endif

int32_t net_selftest(const struct net_port *board) {
    const struct serial_port port = {board->get, board->put, board->clock_hz};
    const void *const actual[] = {EDGEMNV2_OUTPUTS(POINTER_)};
    uint32_t stack_bytes = 0, first = 0, different = 0, cycles = 0, wrong = 0;
    int32_t status;
    serial_text(&port,
                "\r\nedgemnv2 " NET_IDENTITY_VERSION ", self-test of " NET_IDENTITY_NAME "\r\n");
    serial_number(&port, "m-busy-", 2);
    status = infer_on_paint(board->free_stack_bytes, &stack_bytes);
    while (status == NET_OK && wrong < OUTPUT_COUNT) {
        different = compare(&net_selftest_outputs[wrong], actual[wrong], &first);
        if (different != 0)
            break;
        wrong++;
    }
    serial_number(&port, "arena_bytes: ", ARENA_BYTES);
    if (stack_bytes != 0)
        serial_number(&port, "stack_bytes: ", stack_bytes);
    else
        serial_text(&port, "stack_bytes: not measured\r\n");
    if (status == NET_OK && different != 0) {
        put_failure(&port, &net_selftest_outputs[wrong], actual[wrong], first, different);
        return 1;
    }
    if (status == NET_OK) {
        uint32_t start;
        serial_number(&port, "m-busy-", 1);
        serial_start_cycles();
        start = serial_cycles();
        status = infer(net_selftest_inputs);
        cycles = serial_cycles() - start;
    }
    if (status != NET_OK) {
        put_signed(&port, "Test_result: FAIL, the network answered status ", status);
        serial_text(&port, "\r\n");
        return 1;
    }
    if (cycles != 0)
        serial_number(&port, "cycles: ", cycles);
    else
        serial_text(&port, "cycles: not counted, there is no counter\r\n");
    if (wrong_answers(&port)) {
        serial_text(&port, "Test_result: FAIL, the decoder answers otherwise\r\n");
        return 1;
    }
    serial_text(&port, "Test_result: PASS\r\n");
    return 0;
}

#define END_(end) {PLACE(end), NET_##end##_BYTES},

void net_serve(const struct net_port *board) {
    const struct serial_port port = {board->get, board->put, board->clock_hz};
    const struct serial_end inputs[] = {EDGEMNV2_INPUTS(END_)};
    const struct serial_end outputs[] = {EDGEMNV2_OUTPUTS(END_)};
    const struct serial_network network = {
        NET_IDENTITY_NAME, NET_IDENTITY_MODEL, inputs,      INPUT_COUNT,
        outputs,           OUTPUT_COUNT,       ARENA_BYTES, infer_loaded};
    serial_serve(&port, &network);
}
