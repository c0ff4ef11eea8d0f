/* What a board brings to the firmware: a clock, and a console of 115200 baud, 8N1. */
#ifndef EDGEMNV2_BOARD_H
#define EDGEMNV2_BOARD_H

#include <stdint.h>

/* What did not become ready in time. The board then stays at the clock that it has after reset: all
 * works, slower. */
enum board_fault {
    BOARD_READY = 0,
    BOARD_NO_OSCILLATOR = 1,  /* the crystal, or the clock that comes in at its pin */
    BOARD_NO_VOLTAGE = 2,     /* the regulator, at the voltage for the full clock */
    BOARD_NO_PLL = 3,         /* no lock */
    BOARD_NO_FLASH_DELAY = 4, /* the flash did not take its wait states */
    BOARD_NO_SWITCH = 5       /* the core did not change to the PLL */
};

/* Once, before the others: caches, clock, console. */
enum board_fault board_start(void);
/* Of the core, in hertz, after board_start. */
uint32_t board_clock_hz(void);
/* One byte out, waited for. */
void board_put(int byte);
/* One byte in, waited for. */
int board_get(void);

#endif
