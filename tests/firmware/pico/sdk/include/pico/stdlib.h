#ifndef STAND_IN_PICO_STDLIB_H
#define STAND_IN_PICO_STDLIB_H
#include <stdint.h>

int stdio_init_all(void);
int getchar_timeout_us(uint32_t microseconds);
int putchar_raw(int byte);

#endif
