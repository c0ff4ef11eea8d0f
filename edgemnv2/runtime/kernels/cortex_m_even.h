/* Layers whose sums meet halves, which ONNX sends to the even number (scales that are powers of
 * two).
 *
 * The streams are those of edgemnv2_quads and of the depthwise kernels, but a channel's shift word
 * is the shift (5 bits), a place (5 bits), a flip and whether the channel meets halves at all: with
 * factors q / 2^k a half has at bit k (the place, in the scaled sum) the parity of the number below
 * it, flipped for some q. Where that is even, one is taken off the scaled sum: a half then rounds
 * down, and no other sum is near enough to a half to notice.
 */
#ifndef EDGEMNV2_CORTEX_M_EVEN_H
#define EDGEMNV2_CORTEX_M_EVEN_H

#include "cortex_m_base.h"
#include "cortex_m_depthwise.h"
#include "cortex_m_pointwise.h"

static inline int32_t edgemnv2_requantize_even(int32_t scaled, const int32_t *channel) {
    const int32_t word = channel[2];
    const int32_t odd = (scaled >> ((word >> 5) & 31)) ^ (word >> 10);
    const int32_t lower = scaled - (odd & (word >> 11) & 1);
    const int32_t high = edgemnv2_high32(lower, channel[0]);
    return edgemnv2_saturate8((high + channel[1]) >> (word & 31));
}

__attribute__((noinline, unused)) static void
edgemnv2_quads_even(const void *x, const int32_t *stream, int8_t *y) {
    const int32_t groups = stream[0], scale = stream[3], step = stream[4];
    int32_t left = stream[1];
    stream += EDGEMNV2_QUADS_HEADER;
    for (; left > 0; left -= 4) {
        int32_t sums[4];
        memcpy(sums, stream, sizeof(sums));
        edgemnv2_quad_sums((const int32_t *)x, stream + 4, groups, sums);
        stream += 4 + 4 * groups;
        for (int32_t c = 0; c < 4; ++c, stream += 3) {
            const int32_t scaled = (int32_t)((uint32_t)sums[c] << scale);
            if (c < left) {
                *y = (int8_t)edgemnv2_requantize_even(scaled, stream);
                y += step;
            }
        }
    }
}

__attribute__((noinline, unused)) static void
edgemnv2_depthwise_even(const int8_t *row0, const int8_t *row1, const int8_t *row2, int8_t *y,
                        const int32_t *stream, int32_t step) {
    const int32_t channels = stream[0], width = stream[6], pitch = stream[7];
    stream += EDGEMNV2_DEPTHWISE_HEADER;
    for (int32_t c = 0; c < channels; ++c, stream += 8) {
        const int16_t *taps = (const int16_t *)(const void *)(stream + 1);
        const int32_t channel[3] = {stream[6], stream[7], taps[9]};
        const int8_t *r0 = row0 + c * pitch, *r1 = row1 + c * pitch, *r2 = row2 + c * pitch;
        for (int32_t i = 0; i < width; ++i, r0 += step, r1 += step, r2 += step) {
            const int32_t sum = stream[0] + r0[0] * taps[0] + r0[2] * taps[1] + r0[1] * taps[2] +
                                r1[1] * taps[3] + r1[0] * taps[4] + r1[2] * taps[5] +
                                r2[0] * taps[6] + r2[2] * taps[7] + r2[1] * taps[8];
            y[i * channels + c] = (int8_t)edgemnv2_requantize_even(sum, channel);
        }
    }
}

#endif
