/* Semihosting: the emulator's files and console, by `bkpt 0xab` on Arm's M-profile, by `ebreak`
 * between two shifts of nothing on RISC-V.
 *
 * Arm "Semihosting for AArch32 and AArch64", operations 0x01 to 0x18; RISC-V Semihosting 0.4. */
#ifndef EDGEMNV2_SEMIHOSTING_H
#define EDGEMNV2_SEMIHOSTING_H

#include <stdint.h>

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT = 0x18,
    SEMIHOST_READ_BINARY = 1,
    SEMIHOST_WRITE_BINARY = 5,
    ADP_APPLICATION_EXIT = 0x20026,
    ADP_RUN_TIME_ERROR = 0x20023
};

static inline int32_t semihost(int32_t operation, const void *argument) {
#if defined(__riscv)
    register int32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    /* The three are one word to the debugger: uncompressed, and within a page. */
    __asm__ volatile(".balign 16\n\t.option push\n\t.option norvc\n\tslli zero, zero, 0x1f\n\t"
                     "ebreak\n\tsrai zero, zero, 7\n\t.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
#else
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory", "cc");
    return r0;
#endif
}

static inline void semihost_print(const char *text) {
    semihost(SYS_WRITE0, text);
}

static inline void semihost_print_number(long number) {
    char text[12];
    int at = 11;
    unsigned long rest = number < 0 ? 0ul - (unsigned long)number : (unsigned long)number;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0) {
        text[--at] = '-';
    }
    semihost_print(text + at);
}

/* A handle, negative when there is no such file. */
static inline int32_t semihost_open(const char *name, int32_t mode) {
    uint32_t length = 0;
    while (name[length]) {
        length++;
    }
    const uint32_t argument[3] = {(uint32_t)(uintptr_t)name, (uint32_t)mode, length};
    return semihost(SYS_OPEN, argument);
}

/* Bytes NOT read or written; 0 is success. */
static inline int32_t semihost_read(int32_t handle, void *data, uint32_t bytes) {
    const uint32_t argument[3] = {(uint32_t)handle, (uint32_t)(uintptr_t)data, bytes};
    return semihost(SYS_READ, argument);
}

static inline int32_t semihost_write(int32_t handle, const void *data, uint32_t bytes) {
    const uint32_t argument[3] = {(uint32_t)handle, (uint32_t)(uintptr_t)data, bytes};
    return semihost(SYS_WRITE, argument);
}

static inline void semihost_close(int32_t handle) {
    const uint32_t argument[1] = {(uint32_t)handle};
    semihost(SYS_CLOSE, argument);
}

static inline void semihost_exit(int good) {
    semihost(SYS_EXIT, (const void *)(uintptr_t)(good ? ADP_APPLICATION_EXIT : ADP_RUN_TIME_ERROR));
    for (;;) {
    }
}

#endif
