/* ESP-IDF's functions on QEMU's RISC-V board, whose UART is a 16550 at 0x10000000. */
#include "driver/uart.h"
#include "esp_rom_sys.h"
#include "freertos/FreeRTOS.h"

#define UART(offset) (*(volatile uint8_t *)(uintptr_t)(0x10000000u + (offset)))
enum { DATA = 0, LINE_STATUS = 5, READY = 1, EMPTY = 1 << 5 };

void app_main(void);
static int is_installed;

void idf_check(esp_err_t error) {
    while (error != ESP_OK) {
    }
}

esp_err_t uart_driver_install(uart_port_t port, int rx_bytes, int tx_bytes, int queue_size,
                              void *queue, int flags) {
    (void)queue_size, (void)queue, (void)flags;
    /* The guide: the receive buffer must be larger than the hardware's of 128. */
    is_installed = port == UART_NUM_0 && rx_bytes > 128 && tx_bytes == 0;
    return is_installed ? ESP_OK : -1;
}

esp_err_t uart_set_baudrate(uart_port_t port, uint32_t baud) {
    return is_installed && port == UART_NUM_0 && baud == 115200 ? ESP_OK : -1;
}

int uart_read_bytes(uart_port_t port, void *to, uint32_t bytes, uint32_t ticks) {
    if (!is_installed || port != UART_NUM_0 || bytes != 1 || ticks != portMAX_DELAY)
        return -1;
    while ((UART(LINE_STATUS) & READY) == 0) {
    }
    *(uint8_t *)to = UART(DATA);
    return 1;
}

int uart_write_bytes(uart_port_t port, const void *from, size_t bytes) {
    size_t i;
    if (!is_installed || port != UART_NUM_0)
        return -1;
    for (i = 0; i < bytes; i++) {
        while ((UART(LINE_STATUS) & EMPTY) == 0) {
        }
        UART(DATA) = ((const uint8_t *)from)[i];
    }
    return (int)bytes;
}

uint32_t esp_rom_get_cpu_ticks_per_us(void) {
    return 160;
}

int main(void) {
    app_main();
    return 0;
}
