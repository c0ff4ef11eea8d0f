#ifndef STAND_IN_HARDWARE_CLOCKS_H
#define STAND_IN_HARDWARE_CLOCKS_H
#include <stdint.h>

enum { clk_sys = 5 };
uint32_t clock_get_hz(int clock);

#endif
