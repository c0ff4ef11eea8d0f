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

/* Shifted and saturated: one instruction where the shift is known. */
#if EDGEMNV2_DSP
#define EDGEMNV2_ADD_NARROWED(name, bits)                                                          \
    static inline int32_t name(int32_t sum, int32_t shift) {                                       \
        (void)shift;                                                                               \
        __asm__("ssat %0, #8, %1, asr #" #bits : "=r"(sum) : "r"(sum));                            \
        return sum;                                                                                \
    }
#else
#define EDGEMNV2_ADD_NARROWED(name, bits)                                                          \
    static inline int32_t name(int32_t sum, int32_t shift) {                                       \
        (void)shift;                                                                               \
        return edgemnv2_saturate8(sum >> (bits));                                                  \
    }
#endif

EDGEMNV2_ADD_NARROWED(edgemnv2_add_narrow_22, 22)
EDGEMNV2_ADD_NARROWED(edgemnv2_add_narrow_23, 23)
static inline int32_t edgemnv2_add_narrow_any(int32_t sum, int32_t shift) {
    return edgemnv2_add_narrow(sum >> shift);
}

/* Half a step and the zero point are in what is added: no sum is a half. */
#define EDGEMNV2_ADD_LINEAR(name, narrow)                                                          \
    __attribute__((noinline, unused)) static void name(                                            \
        const int8_t *a, const int8_t *b, int8_t *y, const int32_t *stream, int32_t count) {       \
        const int32_t constants[3] = {stream[0], stream[1], stream[2]}, shift = stream[3];         \
        int32_t i = 0;                                                                             \
        for (; i < (count & ~3); i += 4) {                                                         \
            const int32_t sum0 = edgemnv2_add_sum(a[i], b[i], constants);                          \
            const int32_t sum1 = edgemnv2_add_sum(a[i + 1], b[i + 1], constants);                  \
            const int32_t sum2 = edgemnv2_add_sum(a[i + 2], b[i + 2], constants);                  \
            const int32_t sum3 = edgemnv2_add_sum(a[i + 3], b[i + 3], constants);                  \
            y[i] = (int8_t)narrow(sum0, shift);                                                    \
            y[i + 1] = (int8_t)narrow(sum1, shift);                                                \
            y[i + 2] = (int8_t)narrow(sum2, shift);                                                \
            y[i + 3] = (int8_t)narrow(sum3, shift);                                                \
        }                                                                                          \
        for (; i < count; ++i) {                                                                   \
            y[i] = (int8_t)narrow(edgemnv2_add_sum(a[i], b[i], constants), shift);                 \
        }                                                                                          \
    }

EDGEMNV2_ADD_LINEAR(edgemnv2_add_linear, edgemnv2_add_narrow_any)
EDGEMNV2_ADD_LINEAR(edgemnv2_add_linear_22, edgemnv2_add_narrow_22)
EDGEMNV2_ADD_LINEAR(edgemnv2_add_linear_23, edgemnv2_add_narrow_23)

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
