/* The caches of a Cortex-M7, off and undefined after reset. Nothing but the core reads or writes
 * memory in this firmware, so that no part of it needs to stay uncached.
 *
 * Armv7-M Architecture Reference Manual (DDI 0403), B3.2.8 (CCR) and B2.2.7 (maintenance). */
#ifndef EDGEMNV2_CORTEX_M7_CACHES_H
#define EDGEMNV2_CORTEX_M7_CACHES_H

#include "registers.h"

#define SCB_CCR 0xE000ED14u
#define SCB_CCSIDR 0xE000ED80u
#define SCB_CSSELR 0xE000ED84u
#define SCB_ICIALLU 0xE000EF50u
#define SCB_DCISW 0xE000EF60u
enum { CCR_DC = 1u << 16, CCR_IC = 1u << 17 };

static inline void enable_caches(void) {
    uint32_t size, set, way, ways_shift = 32;
    write_register(SCB_ICIALLU, 0);
    finish_writes();
    write_register(SCB_CSSELR, 0); /* the first level's data cache */
    finish_writes();
    size = read_register(SCB_CCSIDR);
    /* Ways are numbered from the word's upper end, sets above the line's 5 bits. */
    for (way = size >> 3 & 0x3FFu; way != 0; way >>= 1)
        ways_shift--;
    for (set = 0; set <= (size >> 13 & 0x7FFFu); set++) {
        for (way = 0; way <= (size >> 3 & 0x3FFu); way++)
            write_register(SCB_DCISW, (ways_shift < 32 ? way << ways_shift : 0) | set << 5);
    }
    finish_writes();
    write_register(SCB_CCR, read_register(SCB_CCR) | CCR_IC | CCR_DC);
    finish_writes();
}

#endif
