/* Reset, and the console: the first UART of an MPS2. Symbols of the linker script. */
#include <zephyr/device.h>

const struct device zephyr_console_device = {(volatile uint32_t *)0x40004000u};

extern uint32_t edgemnv2_stack_top[], edgemnv2_data_start[], edgemnv2_data_end[];
extern uint32_t edgemnv2_data_load[], edgemnv2_bss_start[], edgemnv2_bss_end[];

int main(void);
void edgemnv2_reset(void);

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
    zephyr_console_device.registers[4] = 217; /* 25 MHz / 115200 */
    zephyr_console_device.registers[2] = 3;
    main();
    hang();
}

__attribute__((section(".vectors"), used)) void (*const vectors[16])(void) = {
    (void (*)(void))edgemnv2_stack_top, edgemnv2_reset, hang, hang, hang, hang, hang, hang};
