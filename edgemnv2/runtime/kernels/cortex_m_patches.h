/* Convolution windows of neighbouring pixels, gathered side by side for the matrix product. */
#ifndef EDGEMNV2_CORTEX_M_PATCHES_H
#define EDGEMNV2_CORTEX_M_PATCHES_H

#include "cortex_m_base.h"

/* The part of a window that lies in one input row: `bytes` from column `first` (in bytes, maybe
 * outside the row of `row_bytes`), for `pixels` windows `step` bytes apart, to byte `at` of patches
 * that are `stride` bytes apart. Columns outside are `zero`. `flip` 0x80 makes int8 of uint8. */
__attribute__((noinline, unused)) static void
edgemnv2_patch_row(const void *from, int32_t row_bytes, int32_t first, int32_t step, int32_t bytes,
                   void *to, int32_t at, int32_t stride, int32_t pixels, int32_t zero,
                   int32_t flip) {
    const uint8_t *row = (const uint8_t *)from;
    uint8_t *patch = (uint8_t *)to + at;
    const uint32_t flips = (uint32_t)flip * 0x01010101U;
    for (; pixels > 0; --pixels, first += step, patch += stride) {
        if (first >= 0 && first + bytes <= row_bytes) {
            const uint8_t *source = row + first;
            int32_t i = 0;
            for (; i + 4 <= bytes; i += 4) {
                const uint32_t word = (uint32_t)edgemnv2_load32(source + i) ^ flips;
                memcpy(patch + i, &word, 4);
            }
            for (; i < bytes; ++i) {
                patch[i] = (uint8_t)(source[i] ^ flip);
            }
        } else {
            for (int32_t i = 0; i < bytes; ++i) {
                const int32_t column = first + i;
                patch[i] = (uint8_t)(column >= 0 && column < row_bytes ? row[column] ^ flip : zero);
            }
        }
    }
}

#endif
