/* Residual add, int8, TFLite's arithmetic: two rescaled inputs, their sum rescaled.
 *
 * An input rescaled depends on one byte, so it is a table of 256 words (biased by 128); the input
 * with the larger scale has the factor 0.5 exactly and needs none: base + (x << 21). Both carry a
 * factor of 4, which the requantisation of cortex_m_base.h, here at scale 4, wants.
 */
#ifndef EDGEMNV2_CORTEX_M_ADD_H
#define EDGEMNV2_CORTEX_M_ADD_H

#include "cortex_m_base.h"

#define EDGEMNV2_ADD_HEADER 4

static inline int32_t edgemnv2_add_finish(int32_t sum, int32_t multiplier, int32_t offset,
                                          int32_t shift) {
    const int32_t corrected = offset + (int32_t)((uint32_t)(sum >> 31) << 1);
#if EDGEMNV2_DSP
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(sum), "r"(multiplier), "r"(corrected));
    result >>= shift;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(result));
    return result;
#else
    const int32_t high = (int32_t)(((int64_t)sum * multiplier) >> 32);
    return edgemnv2_saturate8((high + corrected) >> shift);
#endif
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_ADD_ONE_TABLE(i)                                                                  \
    y[i] = (int8_t)edgemnv2_add_finish(                                                            \
        (int32_t)((uint32_t)table[tabled[i]] + base + ((uint32_t)(int32_t)linear[i] << 21)),       \
        multiplier, offset, shift)
#define EDGEMNV2_ADD_TWO_TABLES(i)                                                                 \
    y[i] = (int8_t)edgemnv2_add_finish(                                                            \
        (int32_t)((uint32_t)table[a[i]] + (uint32_t)second[b[i]]), multiplier, offset, shift)

#define EDGEMNV2_ADD_LOOP(ONE)                                                                     \
    int32_t i = 0;                                                                                 \
    for (; i < (count & ~3); i += 4) {                                                             \
        ONE(i);                                                                                    \
        ONE(i + 1);                                                                                \
        ONE(i + 2);                                                                                \
        ONE(i + 3);                                                                                \
    }                                                                                              \
    for (; i < count; ++i) {                                                                       \
        ONE(i);                                                                                    \
    }

/* clang-format on */

/* Stream: multiplier, offset, shift, base, table. `y` may be either input. */
__attribute__((noinline, unused)) static void
edgemnv2_add_one_table(const int8_t *linear, const int8_t *tabled, int8_t *y, const int32_t *stream,
                       int32_t count) {
    const int32_t multiplier = stream[0], offset = stream[1], shift = stream[2];
    const uint32_t base = (uint32_t)stream[3];
    const int32_t *table = stream + EDGEMNV2_ADD_HEADER + 128;
    EDGEMNV2_ADD_LOOP(EDGEMNV2_ADD_ONE_TABLE)
}

/* Stream: multiplier, offset, shift, 0, table, table. */
__attribute__((noinline, unused)) static void edgemnv2_add_two_tables(const int8_t *a,
                                                                      const int8_t *b, int8_t *y,
                                                                      const int32_t *stream,
                                                                      int32_t count) {
    const int32_t multiplier = stream[0], offset = stream[1], shift = stream[2];
    const int32_t *table = stream + EDGEMNV2_ADD_HEADER + 128;
    const int32_t *second = table + 256;
    EDGEMNV2_ADD_LOOP(EDGEMNV2_ADD_TWO_TABLES)
}

#endif
