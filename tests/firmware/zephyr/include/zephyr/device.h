#ifndef ZEPHYR_DEVICE_H
#define ZEPHYR_DEVICE_H
#include <stdbool.h>
#include <stdint.h>
struct device {
    volatile uint32_t *registers;
};
extern const struct device zephyr_console_device;
#define DT_CHOSEN(name) name
/* Twice, so that the argument is expanded first. */
#define DEVICE_DT_GET_(node) (&node##_device)
#define DEVICE_DT_GET(node) DEVICE_DT_GET_(node)
static inline bool device_is_ready(const struct device *device) {
    return device != 0;
}
#endif
