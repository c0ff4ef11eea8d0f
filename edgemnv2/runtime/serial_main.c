/* Serves an artefact over the first UART of an Arm MPS2 or MPS3 board, as QEMU emulates it.
 *
 * For a board of your own, replace uart_get and uart_put. Arm CMSDK APB UART: Technical Reference
 * Manual of the Cortex-M System Design Kit (DDI 0479), section 4.3. Compile with
 * -DEDGEMNV2_UART_BASE=ADDRESS -DEDGEMNV2_MODEL='"first digits of the sha256"'. */
#include <stdint.h>

#include "artifact_names.h"
#include "serial_protocol.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define UART(offset) (*(volatile uint32_t *)((uintptr_t)EDGEMNV2_UART_BASE + (offset)))
enum { DATA = 0x00, STATE = 0x04, CTRL = 0x08, BAUDDIV = 0x10 };
enum { TX_FULL = 1, RX_FULL = 2, TX_ENABLE = 1, RX_ENABLE = 2, LEAST_DIVIDER = 16 };

#define IN_ARENA_MEMORY __attribute__((section(".arena"), aligned(64)))
static struct fenced_arena arena IN_ARENA_MEMORY;
#if !NET_CONST(IO_IN_ARENA)
static unsigned char input[SAMPLE_ROOM] IN_ARENA_MEMORY;
static unsigned char output[RESULT_ROOM] IN_ARENA_MEMORY;
#endif

static int uart_get(void) {
    while (!(UART(STATE) & RX_FULL)) {
    }
    return (int)(UART(DATA) & 0xFF);
}

static void uart_put(int byte) {
    while (UART(STATE) & TX_FULL) {
    }
    UART(DATA) = (uint32_t)byte;
}

static int32_t run(void) {
    const struct NET_(inputs) inputs = INPUT_POINTERS;
    const struct NET_(outputs) outputs = OUTPUT_POINTERS;
    return NET_(run)(&inputs, &outputs, arena.bytes);
}

#define SERIAL_INPUT_(end) {SAMPLE_IN(arena, input, end), END_CONST(end, _BYTES)},
#define SERIAL_OUTPUT_(end) {RESULT_IN(arena, output, end), END_CONST(end, _BYTES)},

int main(void) {
    const struct serial_port port = {uart_get, uart_put, 0};
    const struct serial_end inputs[] = {EDGEMNV2_INPUTS(SERIAL_INPUT_)};
    const struct serial_end outputs[] = {EDGEMNV2_OUTPUTS(SERIAL_OUTPUT_)};
    const struct serial_network network = {STRING(EDGEMNV2_NAME),
                                           EDGEMNV2_MODEL,
                                           inputs,
                                           sizeof inputs / sizeof *inputs,
                                           outputs,
                                           sizeof outputs / sizeof *outputs,
                                           NET_CONST(ARENA_BYTES),
                                           run};
    UART(BAUDDIV) = LEAST_DIVIDER;
    UART(CTRL) = TX_ENABLE | RX_ENABLE;
    fence_arena(&arena, LARGER_ARENA_BYTES);
    serial_serve(&port, &network);
    return 0;
}
