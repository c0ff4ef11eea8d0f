/* Convolution windows of neighbouring pixels, gathered side by side for the matrix product. */
#ifndef EDGEMNV2_CORTEX_M_PATCHES_H
#define EDGEMNV2_CORTEX_M_PATCHES_H

#include "cortex_m_base.h"

/* The part of a window that lies in one input row: `bytes` from column `first` (in bytes, maybe
 * outside the row of `row_bytes`), for `pixels` windows `step` bytes apart, to byte `at` of patches that
 * are `stride` bytes apart. Columns outside are `zero`. */
__attribute__((noinline, unused)) static void edgemnv2_patch_row(const int8_t *row,
                                                                 int32_t row_bytes, int32_t first,
                                                                 int32_t step, int32_t bytes,
                                                                 void *to, int32_t at, int32_t stride,
                                                                 int32_t pixels, int32_t zero)
{
    int8_t *patch = (int8_t *)to + at;
    for (; pixels > 0; --pixels, first += step, patch += stride) {
        if (first >= 0 && first + bytes <= row_bytes) {
            const int8_t *source = row + first;
            int32_t i = 0;
            for (; i + 4 <= bytes; i += 4) {
                memcpy(patch + i, source + i, 4);
            }
            for (; i < bytes; ++i) {
                patch[i] = source[i];
            }
        } else {
            for (int32_t i = 0; i < bytes; ++i) {
                const int32_t column = first + i;
                patch[i] = column >= 0 && column < row_bytes ? row[column] : (int8_t)zero;
            }
        }
    }
}

#endif
