/* UART, start code and main loop. Arm CMSDK APB UART; the linker script is the project's own. */
#include "Arduino.h"

#define UART(offset) (*(volatile uint32_t *)(0x40004000u + (offset)))

HardwareSerial Serial;

void HardwareSerial::begin(unsigned long baud) {
    UART(0x10) = F_CPU / baud;
    UART(0x08) = 3;
}

int HardwareSerial::available() {
    return (UART(0x04) & 2) != 0;
}

int HardwareSerial::read() {
    return available() ? (int)(UART(0x00) & 0xFF) : -1;
}

int HardwareSerial::write(uint8_t byte) {
    while (UART(0x04) & 1) {
    }
    UART(0x00) = byte;
    return 1;
}

/* The first UART is there from the start: nobody waits for it. */
unsigned long millis() {
    return 0;
}

extern "C" {
extern uint32_t edgemnv2_stack_top[], edgemnv2_data_start[], edgemnv2_data_end[];
extern uint32_t edgemnv2_data_load[], edgemnv2_bss_start[], edgemnv2_bss_end[];

static void hang(void) {
    for (;;) {
    }
}

void edgemnv2_reset(void) {
    const uint32_t *from = edgemnv2_data_load;
    for (uint32_t *to = edgemnv2_data_start; to < edgemnv2_data_end; to++)
        *to = *from++;
    for (uint32_t *to = edgemnv2_bss_start; to < edgemnv2_bss_end; to++)
        *to = 0;
    setup();
    for (;;)
        loop();
}

__attribute__((section(".vectors"), used)) void (*const vectors[16])(void) = {
    (void (*)(void))edgemnv2_stack_top, edgemnv2_reset, hang, hang, hang, hang, hang, hang};
}
