/* Takes the place of a bundle's registers.h: every access goes to the model of the chip. */
#ifndef EDGEMNV2_REGISTERS_H
#define EDGEMNV2_REGISTERS_H

#include <stdint.h>

extern uint32_t (*model_read)(uint32_t address);
extern void (*model_write)(uint32_t address, uint32_t value);

static inline uint32_t read_register(uint32_t address) {
    return model_read(address);
}

static inline void write_register(uint32_t address, uint32_t value) {
    model_write(address, value);
}

static inline void finish_writes(void) {}

#endif
