/* Residual add, int8, ONNX's arithmetic: both inputs by a factor of their own, the sum rounded
 * once.
 *
 * Stream: the two factors, what is added, the shift, and for halves to even the zero point. All
 * sums fit into 32 bits. `y` may be either input.
 */
#ifndef EDGEMNV2_CORTEX_M_ADD_LINEAR_H
#define EDGEMNV2_CORTEX_M_ADD_LINEAR_H

#include "cortex_m_base.h"

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
    const int32_t first = stream[0], second = stream[1], offset = stream[2], shift = stream[3];
    int32_t i = 0;
    for (; i < (count & ~3); i += 4) {
        const int32_t sum0 = a[i] * first + (b[i] * second + offset);
        const int32_t sum1 = a[i + 1] * first + (b[i + 1] * second + offset);
        const int32_t sum2 = a[i + 2] * first + (b[i + 2] * second + offset);
        const int32_t sum3 = a[i + 3] * first + (b[i + 3] * second + offset);
        y[i] = (int8_t)edgemnv2_add_narrow(sum0 >> shift);
        y[i + 1] = (int8_t)edgemnv2_add_narrow(sum1 >> shift);
        y[i + 2] = (int8_t)edgemnv2_add_narrow(sum2 >> shift);
        y[i + 3] = (int8_t)edgemnv2_add_narrow(sum3 >> shift);
    }
    for (; i < count; ++i) {
        const int32_t sum = a[i] * first + (b[i] * second + offset);
        y[i] = (int8_t)edgemnv2_add_narrow(sum >> shift);
    }
}

/* Halves go to even: one less is rounded up where the whole part is even. */
__attribute__((noinline, unused)) static void edgemnv2_add_linear_even(const int8_t *a,
                                                                       const int8_t *b, int8_t *y,
                                                                       const int32_t *stream,
                                                                       int32_t count) {
    const int32_t first = stream[0], second = stream[1], offset = stream[2], shift = stream[3];
    const int32_t zero_point = stream[4];
    const int32_t below = (1 << (shift - 1)) - 1;
    for (int32_t i = 0; i < count; ++i) {
        const int32_t sum = a[i] * first + (b[i] * second + offset);
        const int32_t rounded = (sum + below + ((sum >> shift) & 1)) >> shift;
        y[i] = (int8_t)edgemnv2_add_narrow(rounded + zero_point);
    }
}

#endif
