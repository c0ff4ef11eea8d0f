/* Sums of activations, for weights that are bytes only once something is taken off them: those of
 * uint8 files, whose zero point is seldom the middle. As sum((w + o) * x) = sum(w * x) + o *
 * sum(x), the sums of 126 words each are further input channels, whose weights are o.
 */
#ifndef EDGEMNV2_CORTEX_M_SUMS_H
#define EDGEMNV2_CORTEX_M_SUMS_H

#include "cortex_m_base.h"

static inline int32_t edgemnv2_add_pair(int32_t pair, int32_t sum) {
#if EDGEMNV2_DSP
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(pair), "r"(0x00010001));
    return sum;
#else
    return sum + (int16_t)pair + (pair >> 16);
#endif
}

/* Zeros for what depthwise windows of `channels` channels leave unset: the last upper half where
 * they are odd, and the words after them. Ordinary weights there are zeros; sums would see it. */
__attribute__((noinline, unused)) static void edgemnv2_complete(void *words, int32_t channels,
                                                                int32_t pairs, int32_t pixels) {
    int32_t *word = (int32_t *)words + channels / 2 * pixels;
    int32_t *end = (int32_t *)words + pairs * pixels;
    if (channels & 1) {
        for (int32_t pixel = 0; pixel < pixels; ++pixel, ++word) {
            *word &= 0xffff;
        }
    }
    for (; word < end; ++word) {
        *word = 0;
    }
}

/* 4 * groups sums of a tile's widened activations (words[pair * pixels + pixel]), behind the pairs:
 * 252 bytes add up to an int16. What is left of a group when the pairs end is zero. */
__attribute__((noinline, unused)) static void edgemnv2_sums(void *words, int32_t pairs,
                                                            int32_t groups, int32_t pixels) {
    int32_t *pixel_words = (int32_t *)words;
    for (int32_t pixel = 0; pixel < pixels; ++pixel, ++pixel_words) {
        const int32_t *from = pixel_words;
        int32_t *to = pixel_words + pairs * pixels;
        int32_t left = pairs;
        for (int32_t group = 0; group < groups; ++group, to += 2 * pixels) {
            int16_t sums[4];
            for (int32_t i = 0; i < 4; ++i) {
                int32_t count = left < 126 ? left : 126;
                int32_t sum = 0;
                for (left -= count; count > 0; --count, from += pixels) {
                    sum = edgemnv2_add_pair(*from, sum);
                }
                sums[i] = (int16_t)sum;
            }
            const int16_t even[2] = {sums[0], sums[2]}, odd[2] = {sums[1], sums[3]};
            memcpy(to, even, 4);
            memcpy(to + pixels, odd, 4);
        }
    }
}

#endif
