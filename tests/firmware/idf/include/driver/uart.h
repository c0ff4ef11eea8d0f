/* Stands in for ESP-IDF's driver/uart.h in tests; not its code. */
#ifndef STAND_IN_DRIVER_UART_H
#define STAND_IN_DRIVER_UART_H
#include <stddef.h>
#include <stdint.h>

typedef int esp_err_t;
typedef int uart_port_t;
enum { UART_NUM_0 = 0, ESP_OK = 0 };
void idf_check(esp_err_t error);
#define ESP_ERROR_CHECK(error) idf_check(error)

esp_err_t uart_driver_install(uart_port_t port, int rx_bytes, int tx_bytes, int queue_size,
                              void *queue, int flags);
esp_err_t uart_set_baudrate(uart_port_t port, uint32_t baud);
int uart_read_bytes(uart_port_t port, void *to, uint32_t bytes, uint32_t ticks);
int uart_write_bytes(uart_port_t port, const void *from, size_t bytes);

#endif
