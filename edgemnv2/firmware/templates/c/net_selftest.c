#include "net_selftest.h"

#include <stddef.h>

#include "net_identity.h"
#include "serial_protocol.h"

/* Where the arena lies, on boards whose largest RAM is not the one for variables. */
#ifdef EDGEMNV2_ARENA_SECTION
#define NET_PLACED __attribute__((section(EDGEMNV2_ARENA_SECTION)))
#else
#define NET_PLACED
#endif

enum { OUTPUT_COUNT = NET_OUTPUT_BYTES / sizeof(NET_OUTPUT_TYPE) };

static unsigned char arena_store[NET_ARENA_BYTES + NET_ARENA_ALIGN - 1] NET_PLACED;
#if !NET_IO_IN_ARENA
static union {
    unsigned char bytes[NET_INPUT_BYTES];
    NET_INPUT_TYPE element;
} own_input NET_PLACED;
static union {
    unsigned char bytes[NET_OUTPUT_BYTES];
    NET_OUTPUT_TYPE element;
} own_output NET_PLACED;
#endif

static unsigned char *arena(void) {
    const uintptr_t over = (uintptr_t)arena_store % NET_ARENA_ALIGN;
    return arena_store + (over == 0 ? 0 : NET_ARENA_ALIGN - over);
}

/* Input and output have their places in the arena, so that no RAM is spent on them, or buffers. */
static unsigned char *input_bytes(void) {
#if NET_IO_IN_ARENA
    return arena() + NET_INPUT_OFFSET;
#else
    return own_input.bytes;
#endif
}

static unsigned char *output_bytes(void) {
#if NET_IO_IN_ARENA
    return arena() + NET_OUTPUT_OFFSET;
#else
    return own_output.bytes;
#endif
}

static int32_t infer(const void *input) {
    const struct net_inputs inputs = {(const NET_INPUT_TYPE *)input};
    const struct net_outputs outputs = {(NET_OUTPUT_TYPE *)(void *)output_bytes()};
    return net_run(&inputs, &outputs, arena());
}

static int32_t infer_loaded(void) {
    return infer(input_bytes());
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
    status = infer(net_selftest_input);
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
    return infer(net_selftest_input);
}
#endif

static int differs(NET_OUTPUT_TYPE expected, NET_OUTPUT_TYPE actual) {
    const float error = (float)expected - (float)actual;
    /* Written so that a NaN differs. */
    return !(error <= net_selftest_tolerance && -error <= net_selftest_tolerance);
}

/* How many elements differ; the index of the first goes to `first`. */
static uint32_t compare(uint32_t *first) {
    const NET_OUTPUT_TYPE *output = (const NET_OUTPUT_TYPE *)(const void *)output_bytes();
    uint32_t different = 0;
    uint32_t i;
    for (i = 0; i < OUTPUT_COUNT; i++) {
        if (differs(net_selftest_expected[i], output[i])) {
            if (different == 0)
                *first = i;
            different++;
        }
    }
    return different;
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

static void put_failure(const struct serial_port *port, uint32_t first, uint32_t different) {
    const NET_OUTPUT_TYPE *output = (const NET_OUTPUT_TYPE *)(const void *)output_bytes();
    put_signed(port, "Test_result: FAIL, first at index ", (int32_t)first);
    if (net_selftest_tolerance == 0.0f) {
        put_signed(port, ": expected ", (int32_t)net_selftest_expected[first]);
        put_signed(port, ", got ", (int32_t)output[first]);
    }
    put_signed(port, " (", (int32_t)different);
    put_signed(port, " of ", (int32_t)OUTPUT_COUNT);
    serial_text(port, " differ)\r\n");
}

int32_t net_selftest(const struct net_port *board) {
    const struct serial_port port = {board->get, board->put, board->clock_hz};
    uint32_t stack_bytes = 0, first = 0, different = 0, cycles = 0;
    int32_t status;
    serial_text(&port,
                "\r\nedgemnv2 " NET_IDENTITY_VERSION ", self-test of " NET_IDENTITY_NAME "\r\n");
    serial_number(&port, "m-busy-", 2);
    status = infer_on_paint(board->free_stack_bytes, &stack_bytes);
    if (status == NET_OK) {
        different = compare(&first);
    }
    serial_number(&port, "arena_bytes: ", NET_ARENA_BYTES);
    if (stack_bytes != 0)
        serial_number(&port, "stack_bytes: ", stack_bytes);
    else
        serial_text(&port, "stack_bytes: not measured\r\n");
    if (status == NET_OK && different != 0) {
        put_failure(&port, first, different);
        return 1;
    }
    if (status == NET_OK) {
        uint32_t start;
        serial_number(&port, "m-busy-", 1);
        serial_start_cycles();
        start = serial_cycles();
        status = infer(net_selftest_input);
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
    serial_text(&port, "Test_result: PASS\r\n");
    return 0;
}

void net_serve(const struct net_port *board) {
    const struct serial_port port = {board->get, board->put, board->clock_hz};
    const struct serial_network network = {NET_IDENTITY_NAME, NET_IDENTITY_MODEL, input_bytes(),
                                           NET_INPUT_BYTES,   output_bytes(),     NET_OUTPUT_BYTES,
                                           NET_ARENA_BYTES,   infer_loaded};
    serial_serve(&port, &network);
}
