/* The products of cortex_m_pointwise.h with less flash: 10 bytes a channel for bias and
 * requantisation instead of 16, and 9 for the quads.
 *
 * Offsets follow from the output's zero point z and the shift, `(2 z + 1 << shift) / 2` + half:
 * half is 64, or 0 where ONNX's single rounding has none (ONCE). So the end of a record is
 *
 *     multiplier 0, multiplier 1, (shift 0, shift 1, 2 z + 1 as int16)
 *
 * and of COMMON, where all shifts are 12 and the halves differ, (half 0, half 1, 2 z + 1).
 */
#ifndef EDGEMNV2_CORTEX_M_SHORT_H
#define EDGEMNV2_CORTEX_M_SHORT_H

#include "cortex_m_pointwise.h"

#if EDGEMNV2_DSP

/* Assembly by macros: laid out by hand. */
/* clang-format off */
/* Offset in r10, shift in r11, of the channel whose bytes are at r1 + AT; r0 is 2 z + 1. */
#define EDGEMNV2_SHORT_OFFSET(AT, HALF)                                                            \
    "ldrb r11, [r1, #" AT "]\n lsl r10, r0, r11\n asr r10, r10, #1\n add r10, r10, #" HALF "\n"
#define EDGEMNV2_SHORT_WORDS(HALF) "ldrsh r0, [r1, #6]\n" EDGEMNV2_SHORT_OFFSET("4", HALF)
#define EDGEMNV2_SHORT_NEXT(HALF) "ldr r12, [r1], #8\n" EDGEMNV2_SHORT_OFFSET("-3", HALF)
#define EDGEMNV2_WORDS_PLAIN EDGEMNV2_SHORT_WORDS("64")
#define EDGEMNV2_NEXT_PLAIN EDGEMNV2_SHORT_NEXT("64")
#define EDGEMNV2_WORDS_FIXED EDGEMNV2_SHORT_WORDS("64")
#define EDGEMNV2_NEXT_FIXED EDGEMNV2_SHORT_NEXT("64")
#define EDGEMNV2_WORDS_ONCE EDGEMNV2_SHORT_WORDS("0")
#define EDGEMNV2_NEXT_ONCE EDGEMNV2_SHORT_NEXT("0")
#define EDGEMNV2_WORDS_COMMON                                                                      \
    "ldrsh r0, [r1, #6]\n ldrb r10, [r1, #4]\n add r10, r10, r0, lsl #11\n"
#define EDGEMNV2_NEXT_COMMON                                                                       \
    "ldr r12, [r1], #8\n ldrb r10, [r1, #-3]\n add r10, r10, r0, lsl #11\n"

#define EDGEMNV2_HIGH_PLAIN(a) "smmla " #a ", " #a ", r12, r10\n"
#define EDGEMNV2_HIGH_ONCE(a) EDGEMNV2_HIGH_PLAIN(a)
#define EDGEMNV2_HIGH_COMMON(a) EDGEMNV2_HIGH_PLAIN(a)
#define EDGEMNV2_HIGH_FIXED(a)                                                                     \
    "asr lr, " #a ", #31\n add lr, r10, lr, lsl #7\n smmla " #a ", " #a ", r12, lr\n"
#define EDGEMNV2_LOW_PLAIN(a) "asr " #a ", " #a ", r11\n"
#define EDGEMNV2_LOW_ONCE(a) EDGEMNV2_LOW_PLAIN(a)
#define EDGEMNV2_LOW_FIXED(a) EDGEMNV2_LOW_PLAIN(a)
#define EDGEMNV2_LOW_COMMON(a) "ssat " #a ", #8, " #a ", asr #12\n"
#define EDGEMNV2_BYTE_PLAIN(a) "ssat " #a ", #8, " #a "\n"
#define EDGEMNV2_BYTE_ONCE(a) EDGEMNV2_BYTE_PLAIN(a)
#define EDGEMNV2_BYTE_FIXED(a) EDGEMNV2_BYTE_PLAIN(a)
#define EDGEMNV2_BYTE_COMMON(a)

#define EDGEMNV2_EACH_1(F, a, b, c, d) F(a)
#define EDGEMNV2_EACH_2(F, a, b, c, d) F(a) F(b)
#define EDGEMNV2_EACH_3(F, a, b, c, d) F(a) F(b) F(c)
#define EDGEMNV2_EACH_4(F, a, b, c, d) F(a) F(b) F(c) F(d)
#define EDGEMNV2_CHANNEL(P, Q, a, b, c, d)                                                         \
    EDGEMNV2_EACH_##P(EDGEMNV2_HIGH_##Q, a, b, c, d)                                               \
    EDGEMNV2_EACH_##P(EDGEMNV2_LOW_##Q, a, b, c, d) EDGEMNV2_EACH_##P(EDGEMNV2_BYTE_##Q, a, b, c, d)
#define EDGEMNV2_BOTH_CHANNELS(P, Q)                                                               \
    EDGEMNV2_WORDS_##Q EDGEMNV2_CHANNEL(P, Q, r2, r3, r4, r5)                                      \
    EDGEMNV2_NEXT_##Q EDGEMNV2_CHANNEL(P, Q, r6, r7, r8, r9) "ldrd r10, r11, [sp]\n"

#define EDGEMNV2_PUT_ROW_1(a, b, c, d) "strb " #a ", [r10]\n"
#define EDGEMNV2_PUT_ROW_2(a, b, c, d) EDGEMNV2_PUT_ROW_1(a, b, c, d) "strb " #b ", [r10, #1]\n"
#define EDGEMNV2_PUT_ROW_3(a, b, c, d) EDGEMNV2_PUT_ROW_2(a, b, c, d) "strb " #c ", [r10, #2]\n"
#define EDGEMNV2_PUT_ROW_4(a, b, c, d) EDGEMNV2_PUT_ROW_3(a, b, c, d) "strb " #d ", [r10, #3]\n"
#define EDGEMNV2_PUT_ROWS(P)                                                                       \
    EDGEMNV2_PUT_ROW_##P(r2, r3, r4, r5) "add r10, r10, r11\n"                                     \
    EDGEMNV2_PUT_ROW_##P(r6, r7, r8, r9) "add r10, r10, r11\n"
#define EDGEMNV2_PUT_PAIR_1 "bfi r2, r6, #8, #24\n strh r2, [r10]\n"
#define EDGEMNV2_PUT_PAIR_2 EDGEMNV2_PUT_PAIR_1 "bfi r3, r7, #8, #24\n strh r3, [r10, r11]\n"
#define EDGEMNV2_PUT_PAIR_3                                                                        \
    EDGEMNV2_PUT_PAIR_2 "bfi r4, r8, #8, #24\n strh r4, [r10, r11, lsl #1]\n"
#define EDGEMNV2_PUT_PAIR_4                                                                        \
    EDGEMNV2_PUT_PAIR_3 "bfi r5, r9, #8, #24\n add r12, r10, r11\n strh r5, [r12, r11, lsl #1]\n"
#define EDGEMNV2_PUT_PIXELS(P) EDGEMNV2_PUT_PAIR_##P "add r10, r10, #2\n"
#define EDGEMNV2_SHORT_END "str r10, [sp]\n ldrd r0, r12, [sp, #8]\n cmp r1, r12\n"
#define EDGEMNV2_SHORT_EPILOGUE(P, Q, ORDER)                                                       \
    EDGEMNV2_BOTH_CHANNELS(P, Q) EDGEMNV2_PUT_##ORDER(P) EDGEMNV2_SHORT_END
#define EDGEMNV2_SHORT_TILE(P, KIND, Q, ORDER) EDGEMNV2_TILE(P, KIND, Q##_SHORT, ORDER)

#define EDGEMNV2_EPILOGUE_1_PLAIN_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(1, PLAIN, ROWS)
#define EDGEMNV2_EPILOGUE_1_PLAIN_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(1, PLAIN, PIXELS)
#define EDGEMNV2_EPILOGUE_1_FIXED_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(1, FIXED, ROWS)
#define EDGEMNV2_EPILOGUE_1_FIXED_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(1, FIXED, PIXELS)
#define EDGEMNV2_EPILOGUE_1_ONCE_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(1, ONCE, ROWS)
#define EDGEMNV2_EPILOGUE_1_ONCE_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(1, ONCE, PIXELS)
#define EDGEMNV2_EPILOGUE_1_COMMON_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(1, COMMON, ROWS)
#define EDGEMNV2_EPILOGUE_1_COMMON_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(1, COMMON, PIXELS)
#define EDGEMNV2_EPILOGUE_2_PLAIN_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(2, PLAIN, ROWS)
#define EDGEMNV2_EPILOGUE_2_PLAIN_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(2, PLAIN, PIXELS)
#define EDGEMNV2_EPILOGUE_2_FIXED_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(2, FIXED, ROWS)
#define EDGEMNV2_EPILOGUE_2_FIXED_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(2, FIXED, PIXELS)
#define EDGEMNV2_EPILOGUE_2_ONCE_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(2, ONCE, ROWS)
#define EDGEMNV2_EPILOGUE_2_ONCE_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(2, ONCE, PIXELS)
#define EDGEMNV2_EPILOGUE_2_COMMON_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(2, COMMON, ROWS)
#define EDGEMNV2_EPILOGUE_2_COMMON_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(2, COMMON, PIXELS)
#define EDGEMNV2_EPILOGUE_3_PLAIN_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(3, PLAIN, ROWS)
#define EDGEMNV2_EPILOGUE_3_PLAIN_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(3, PLAIN, PIXELS)
#define EDGEMNV2_EPILOGUE_3_FIXED_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(3, FIXED, ROWS)
#define EDGEMNV2_EPILOGUE_3_FIXED_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(3, FIXED, PIXELS)
#define EDGEMNV2_EPILOGUE_3_ONCE_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(3, ONCE, ROWS)
#define EDGEMNV2_EPILOGUE_3_ONCE_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(3, ONCE, PIXELS)
#define EDGEMNV2_EPILOGUE_3_COMMON_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(3, COMMON, ROWS)
#define EDGEMNV2_EPILOGUE_3_COMMON_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(3, COMMON, PIXELS)
#define EDGEMNV2_EPILOGUE_4_PLAIN_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(4, PLAIN, ROWS)
#define EDGEMNV2_EPILOGUE_4_PLAIN_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(4, PLAIN, PIXELS)
#define EDGEMNV2_EPILOGUE_4_FIXED_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(4, FIXED, ROWS)
#define EDGEMNV2_EPILOGUE_4_FIXED_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(4, FIXED, PIXELS)
#define EDGEMNV2_EPILOGUE_4_ONCE_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(4, ONCE, ROWS)
#define EDGEMNV2_EPILOGUE_4_ONCE_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(4, ONCE, PIXELS)
#define EDGEMNV2_EPILOGUE_4_COMMON_SHORT_ROWS EDGEMNV2_SHORT_EPILOGUE(4, COMMON, ROWS)
#define EDGEMNV2_EPILOGUE_4_COMMON_SHORT_PIXELS EDGEMNV2_SHORT_EPILOGUE(4, COMMON, PIXELS)
/* clang-format on */

#else

/* The words of a channel as cortex_m_base.h takes them, from the end of a record. */
EDGEMNV2_FLAT static inline void edgemnv2_short_channel(const int32_t *end, int32_t which,
                                                        int32_t common, int32_t half,
                                                        int32_t *channel) {
    const int32_t own = end[2] >> (8 * which) & 255, twice = end[2] >> 16;
    channel[0] = end[which];
    channel[1] = common ? own + twice * 2048 : half + twice * (1 << own >> 1);
    channel[2] = common ? 12 : own;
}

EDGEMNV2_FLAT static inline void edgemnv2_tile_short(const void *x, const int32_t *stream,
                                                     int8_t *y, int32_t pixels, int32_t halves,
                                                     int32_t common, int32_t half) {
    const int32_t pairs = stream[0], stride = stream[2], flags = stream[3];
    const int32_t words = pairs * (halves ? 2 : 1);
    const int32_t rows = flags & EDGEMNV2_CHANNEL_ROWS, odd = flags & EDGEMNV2_ODD_CHANNELS;
    const int32_t pixel_step = rows ? 1 : stride, channel_step = rows ? stride : 1;
    const int32_t *record = stream + 4, *end = record + stream[1] / 4;
    for (int32_t channels = 2;; y += 2 * channel_step, record += words + 5) {
        if (record == end) {
            if (!odd || channels == 1) {
                return;
            }
            channels = 1;
            end += (flags >> 8) / 4;
        }
        int32_t channel[2][3];
        uint32_t sum[2][4];
        for (int32_t which = 0; which < 2; ++which) {
            edgemnv2_short_channel(record + 2 + words, which, common, half, channel[which]);
            for (int32_t pixel = 0; pixel < pixels; ++pixel) {
                sum[which][pixel] = (uint32_t)record[which];
            }
        }
        edgemnv2_tile_sums(x, record + 2, record + 2 + words, sum[0], sum[1], pixels, halves);
        for (int32_t pixel = 0; pixel < pixels; ++pixel) {
            int8_t *to = y + pixel * pixel_step;
            const uint32_t first = halves ? sum[0][pixel] : sum[0][pixel] << 8;
            const uint32_t second = sum[1][pixel] - (halves ? 0 : sum[0][pixel]);
            to[0] = (int8_t)edgemnv2_requantize((int32_t)first, channel[0], flags);
            if (channels == 2) {
                to[channel_step] = (int8_t)edgemnv2_requantize((int32_t)second, channel[1], flags);
            }
        }
    }
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_SHORT_COMMON_PLAIN 0, 64
#define EDGEMNV2_SHORT_COMMON_FIXED 0, 64
#define EDGEMNV2_SHORT_COMMON_ONCE 0, 0
#define EDGEMNV2_SHORT_COMMON_COMMON 1, 0
#define EDGEMNV2_SHORT_TILE(P, KIND, Q, ORDER)                                                     \
    __attribute__((noinline, unused)) static void                                                  \
        edgemnv2_tile_##P##_##KIND##_##Q##_SHORT_##ORDER(const void *x, const int32_t *stream,     \
                                                         int8_t *y)                                \
    {                                                                                              \
        edgemnv2_tile_short(x, stream, y, P, EDGEMNV2_HALVES_##KIND, EDGEMNV2_SHORT_COMMON_##Q);   \
    }
/* clang-format on */

#endif

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_SHORT_KIND(P, KIND, Q)                                                            \
    EDGEMNV2_SHORT_TILE(P, KIND, Q, ROWS) EDGEMNV2_SHORT_TILE(P, KIND, Q, PIXELS)
#define EDGEMNV2_SHORT_TILES(P)                                                                    \
    EDGEMNV2_SHORT_KIND(P, BYTES, PLAIN) EDGEMNV2_SHORT_KIND(P, HALVES, PLAIN)                     \
    EDGEMNV2_SHORT_KIND(P, BYTES, FIXED) EDGEMNV2_SHORT_KIND(P, HALVES, FIXED)                     \
    EDGEMNV2_SHORT_KIND(P, BYTES, ONCE) EDGEMNV2_SHORT_KIND(P, HALVES, ONCE)                       \
    EDGEMNV2_SHORT_KIND(P, HALVES, COMMON)
EDGEMNV2_SHORT_TILES(1)
EDGEMNV2_SHORT_TILES(2)
EDGEMNV2_SHORT_TILES(3)
EDGEMNV2_SHORT_TILES(4)
/* clang-format on */

/* The quads. Two more words at the start, 2 z + 1 and the half; at the end of every four channels
 * four multipliers and a byte of shift for each. */
#define EDGEMNV2_SHORT_QUADS_HEADER 7

__attribute__((noinline, unused)) static void
edgemnv2_quads_short(const void *x, const int32_t *stream, int8_t *y) {
    const int32_t groups = stream[0], flags = stream[2], scale = stream[3], step = stream[4];
    const int32_t twice = stream[5], half = stream[6];
    int32_t left = stream[1];
    const int32_t fix = (flags & EDGEMNV2_SIGN_FIX) ? 1 << (scale - 1) : 0;
    stream += EDGEMNV2_SHORT_QUADS_HEADER;
    for (; left > 0; left -= 4) {
        int32_t sums[4];
        memcpy(sums, stream, sizeof(sums));
        edgemnv2_quad_sums((const int32_t *)x, stream + 4, groups, sums);
        stream += 4 + 4 * groups;
        const uint8_t *shifts = (const uint8_t *)(const void *)(stream + 4);
        for (int32_t c = 0; c < 4 && c < left; ++c, y += step) {
            const int32_t scaled = (int32_t)((uint32_t)sums[c] << scale), shift = shifts[c];
            const int32_t offset = half + twice * (1 << shift >> 1) - (scaled < 0 ? fix : 0);
            const int32_t high = edgemnv2_high32(scaled, stream[c]);
            *y = (int8_t)edgemnv2_saturate8((high + offset) >> shift);
        }
        stream += 5;
    }
}

#endif
