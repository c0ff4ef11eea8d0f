#ifndef STAND_IN_PICO_MULTICORE_H
#define STAND_IN_PICO_MULTICORE_H

void multicore_reset_core1(void);
void multicore_launch_core1(void (*entry)(void));

#endif
