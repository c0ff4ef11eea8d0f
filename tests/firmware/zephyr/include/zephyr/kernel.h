#ifndef ZEPHYR_KERNEL_H
#define ZEPHYR_KERNEL_H
#include <stddef.h>
#include <stdint.h>
static inline int sys_clock_hw_cycles_per_sec(void) {
    return 25000000;
}
#endif
