/* Changing and waiting for bits of registers; no wait is without an end. */
#ifndef EDGEMNV2_REGISTER_BITS_H
#define EDGEMNV2_REGISTER_BITS_H

#include <stdint.h>

#include "registers.h"

/* A read takes a few cycles: more than 100 ms at the 64 MHz and less that chips start with, and so
 * long may a crystal take. */
enum { WAIT_READS = 1000000 };

static inline void change_register(uint32_t address, uint32_t clear, uint32_t set) {
    write_register(address, (read_register(address) & ~clear) | set);
}

/* 1 once the bits of `mask` read as `wanted`; 0 if that does not come. */
static inline int wait_for_bits(uint32_t address, uint32_t mask, uint32_t wanted) {
    uint32_t reads;
    for (reads = 0; reads < WAIT_READS; reads++) {
        if ((read_register(address) & mask) == wanted)
            return 1;
    }
    return 0;
}

#endif
