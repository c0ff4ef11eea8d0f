/* Residual add, int8: both inputs by a factor of their own, the sum rounded once.
 *
 * That is ONNX's arithmetic, and TFLite's wherever factors have been found that give its result for
 * all 65,536 pairs of bytes.
 *
 * Stream: the two factors, what is added, the shift, and for halves to even the zero point. Whole
 * sums fit into 32 bits, parts of them need not. `y` may be either input.
 */
#ifndef EDGEMNV2_CORTEX_M_ADD_LINEAR_H
#define EDGEMNV2_CORTEX_M_ADD_LINEAR_H

#include "cortex_m_base.h"

static inline int32_t edgemnv2_add_sum(int32_t a, int32_t b, const int32_t *stream) {
    const uint32_t first = (uint32_t)stream[0], second = (uint32_t)stream[1];
    return (int32_t)((uint32_t)a * first + ((uint32_t)b * second + (uint32_t)stream[2]));
}

static inline int32_t edgemnv2_add_narrow(int32_t value) {
#if EDGEMNV2_DSP
    __asm__("ssat %0, #8, %1" : "=r"(value) : "r"(value));
    return value;
#else
    return edgemnv2_saturate8(value);
#endif
}

/* Half a step and the zero point are in what is added: no sum is a half. */
__attribute__((noinline, unused)) static void edgemnv2_add_linear(const int8_t *a, const int8_t *b,
                                                                  int8_t *y, const int32_t *stream,
                                                                  int32_t count) {
    const int32_t constants[3] = {stream[0], stream[1], stream[2]}, shift = stream[3];
    for (int32_t i = 0; i < count; ++i) {
        y[i] = (int8_t)edgemnv2_add_narrow(edgemnv2_add_sum(a[i], b[i], constants) >> shift);
    }
}

/* The same where the shift is known and part of the instruction that saturates. */
#if EDGEMNV2_DSP

/* Four at a time, in the order in which the two pipes of a Cortex-M7 wait least: each product is
 * used at the earliest one instruction after, and every store finds another instruction beside it.
 * All four are read before the first is written: `y` may be an input. */
/* clang-format off */
#define EDGEMNV2_ADD_LINEAR(bits)                                                                  \
    __attribute__((naked, noinline, unused)) static void edgemnv2_add_linear_##bits(               \
        __attribute__((unused)) const int8_t *a, __attribute__((unused)) const int8_t *b,          \
        __attribute__((unused)) int8_t *y, __attribute__((unused)) const int32_t *stream,          \
        __attribute__((unused)) int32_t count)                                                     \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "push {r4-r11, lr}\n ldm r3, {r3, r4, r5}\n ldr r6, [sp, #36]\n"                       \
            "subs r6, #4\n bmi 2f\n"                                                               \
            "1:\n ldrsb r7, [r0]\n ldrsb r8, [r1]\n ldrsb r9, [r0, #1]\n ldrsb r10, [r1, #1]\n"    \
            "ldrsb r11, [r0, #2]\n mla r7, r7, r3, r5\n mla r7, r8, r4, r7\n ldrsb r8, [r1, #3]\n"  \
            "mla r11, r11, r3, r5\n ldrsb r12, [r1, #2]\n adds r1, #4\n mla r9, r9, r3, r5\n"       \
            "mla r9, r10, r4, r9\n ldrsb r10, [r0, #3]\n adds r0, #4\n mla r11, r12, r4, r11\n"     \
            "ssat r9, #8, r9, asr #" #bits "\n mla r10, r10, r3, r5\n"                             \
            "ssat r7, #8, r7, asr #" #bits "\n mla r10, r8, r4, r10\n"                             \
            "ssat r11, #8, r11, asr #" #bits "\n strb r7, [r2]\n"                                  \
            "ssat r10, #8, r10, asr #" #bits "\n strb r11, [r2, #2]\n subs r6, #4\n"               \
            "strb r10, [r2, #3]\n strb r9, [r2, #1]\n add r2, r2, #4\n bpl 1b\n"                   \
            "2:\n adds r6, #4\n beq 4f\n"                                                          \
            "3:\n ldrsb r7, [r0], #1\n ldrsb r8, [r1], #1\n mla r7, r7, r3, r5\n subs r6, #1\n"    \
            "mla r7, r8, r4, r7\n ssat r7, #8, r7, asr #" #bits "\n strb r7, [r2], #1\n bne 3b\n"  \
            "4:\n pop {r4-r11, pc}\n");                                                            \
    }
/* clang-format on */

#else

#define EDGEMNV2_ADD_LINEAR(bits)                                                                  \
    static inline void edgemnv2_add_linear_##bits(const int8_t *a, const int8_t *b, int8_t *y,     \
                                                  const int32_t *stream, int32_t count) {          \
        edgemnv2_add_linear(a, b, y, stream, count);                                               \
    }

#endif

EDGEMNV2_ADD_LINEAR(22)
EDGEMNV2_ADD_LINEAR(23)

/* Halves go to even: one less is rounded up where the whole part is even. */
__attribute__((noinline, unused)) static void edgemnv2_add_linear_even(const int8_t *a,
                                                                       const int8_t *b, int8_t *y,
                                                                       const int32_t *stream,
                                                                       int32_t count) {
    const int32_t constants[3] = {stream[0], stream[1], stream[2]};
    const int32_t shift = stream[3], zero_point = stream[4];
    const int32_t below = (1 << (shift - 1)) - 1;
    for (int32_t i = 0; i < count; ++i) {
        const int32_t sum = edgemnv2_add_sum(a[i], b[i], constants);
        const int32_t rounded = (sum + below + ((sum >> shift) & 1)) >> shift;
        y[i] = (int8_t)edgemnv2_add_narrow(rounded + zero_point);
    }
}

#endif
