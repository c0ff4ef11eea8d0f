/* The firmware on a bare Cortex-M: self-test, then the serial protocol. Console: a CMSDK UART
 * (EDGEMNV2_UART_BASE, EDGEMNV2_UART_HZ), or without one the debugger's, by semihosting.
 *
 * Arm "Cortex-M System Design Kit", APB UART; "Semihosting for AArch32 and AArch64". */
#include <stdint.h>

#include "net_selftest.h"

extern uint32_t edgemnv2_stack_limit[];
void edgemnv2_fault(uint32_t cause);

#ifdef EDGEMNV2_UART_BASE
#define UART(offset) (*(volatile uint32_t *)(EDGEMNV2_UART_BASE + (offset)))
enum {
    UART_DATA = 0x00,
    UART_STATE = 0x04,
    UART_CTRL = 0x08,
    UART_BAUDDIV = 0x10,
    TX_FULL = 1,
    RX_FULL = 2,
    TX_AND_RX_ENABLE = 3,
    BAUD = 115200
};

static void start_console(void) {
    UART(UART_BAUDDIV) = EDGEMNV2_UART_HZ / BAUD;
    UART(UART_CTRL) = TX_AND_RX_ENABLE;
}

static void put_byte(int byte) {
    while ((UART(UART_STATE) & TX_FULL) != 0) {
    }
    UART(UART_DATA) = (uint32_t)byte;
}

static int get_byte(void) {
    while ((UART(UART_STATE) & RX_FULL) == 0) {
    }
    return (int)(UART(UART_DATA) & 0xFFu);
}
#else
enum { SYS_WRITEC = 0x03, SYS_READC = 0x07 };

static int32_t semihost(int32_t operation, const void *argument) {
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory", "cc");
    return r0;
}

static void start_console(void) {}

static void put_byte(int byte) {
    const char text = (char)byte;
    semihost(SYS_WRITEC, &text);
}

static int get_byte(void) {
    return (int)semihost(SYS_READC, 0);
}
#endif

void edgemnv2_fault(uint32_t cause) {
    static const char text[] = "m-error-fault, CFSR 0x";
    const char *at;
    int shift;
    for (at = text; *at != 0; at++)
        put_byte(*at);
    for (shift = 28; shift >= 0; shift -= 4)
        put_byte("0123456789abcdef"[cause >> shift & 15u]);
    put_byte('\r');
    put_byte('\n');
}

int main(void) {
    /* Bytes for the frames between here and the network. */
    enum { FRAMES = 256 };
    struct net_port port = {get_byte, put_byte, 0, 0};
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    port.free_stack_bytes = (uint32_t)((here - edgemnv2_stack_limit) * 4) - FRAMES;
    start_console();
    net_selftest(&port);
    net_serve(&port);
    return 0;
}
