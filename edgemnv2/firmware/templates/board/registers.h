/* Registers by address. A test puts a file of this name in its place, and a model of the chip
 * behind the functions. */
#ifndef EDGEMNV2_REGISTERS_H
#define EDGEMNV2_REGISTERS_H

#include <stdint.h>

static inline uint32_t read_register(uint32_t address) {
    return *(volatile uint32_t *)(uintptr_t)address;
}

static inline void write_register(uint32_t address, uint32_t value) {
    *(volatile uint32_t *)(uintptr_t)address = value;
}

/* Ends before what follows begins: a write to a system register, a change of the memory map. */
static inline void finish_writes(void) {
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

#endif
