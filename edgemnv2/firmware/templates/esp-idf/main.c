/* The firmware on ESP-IDF: self-test, then the serial protocol on the console's UART, 115200 8N1.
 *
 * ESP-IDF Programming Guide, UART: bytes that come while the network runs wait in the driver's
 * buffer. */
#include "driver/uart.h"
#include "esp_rom_sys.h"
#include "freertos/FreeRTOS.h"
#include "net_selftest.h"

enum { CONSOLE = UART_NUM_0, BUFFER_BYTES = 2048 };

static int get_byte(void) {
    unsigned char byte;
    while (uart_read_bytes(CONSOLE, &byte, 1, portMAX_DELAY) != 1) {
    }
    return byte;
}

static void put_byte(int byte) {
    const char text = (char)byte;
    uart_write_bytes(CONSOLE, &text, 1);
}

void app_main(void) {
    struct net_port port = {get_byte, put_byte, 0, 0};
    ESP_ERROR_CHECK(uart_driver_install(CONSOLE, BUFFER_BYTES, 0, 0, NULL, 0));
    ESP_ERROR_CHECK(uart_set_baudrate(CONSOLE, 115200));
    port.clock_hz = esp_rom_get_cpu_ticks_per_us() * 1000000u;
    /* Of the main task's stack, CONFIG_ESP_MAIN_TASK_STACK_SIZE. */
    port.free_stack_bytes = 1024;
    net_selftest(&port);
    net_serve(&port);
}
