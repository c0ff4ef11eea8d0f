/* The firmware on a bare Cortex-M: self-test, then the serial protocol on the board's console. */
#include <stdint.h>

#include "board.h"
#include "net_selftest.h"

extern uint32_t edgemnv2_stack_limit[];
void edgemnv2_fault(uint32_t cause);

static void put_text(const char *text) {
    while (*text != 0)
        board_put(*text++);
}

/* Called by startup.c. */
void edgemnv2_fault(uint32_t cause) {
    int shift;
    put_text("m-error-fault, CFSR 0x");
    for (shift = 28; shift >= 0; shift -= 4)
        board_put("0123456789abcdef"[cause >> shift & 15u]);
    put_text("\r\n");
}

int main(void) {
    /* Bytes for the frames between here and the network. */
    enum { FRAMES = 256 };
    struct net_port port = {board_get, board_put, 0, 0};
    uint32_t *here;
    enum board_fault fault;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    port.free_stack_bytes = (uint32_t)((here - edgemnv2_stack_limit) * 4) - FRAMES;
    fault = board_start();
    port.clock_hz = board_clock_hz();
    if (fault != BOARD_READY) {
        put_text("\r\nclock_fault: ");
        board_put('0' + (int)fault);
        put_text(" (board.h says what; the clock is that after reset)");
    }
    net_selftest(&port);
    net_serve(&port);
    return 0;
}
