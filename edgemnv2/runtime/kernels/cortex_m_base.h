/* What the Cortex-M row kernels share: the one-multiplication form of TFLite's requantisation.
 *
 * Accumulators arrive scaled by 256. Every output channel has three words (multiplier, offset,
 * shift) such that
 *
 *     saturate8((high32(accumulator * multiplier) + offset [+ sign fix]) >> shift)
 *
 * is SaturatingRoundingDoublingHighMul, RoundingDivideByPOT and "+ zero point", to the bit: two
 * nested floors are one floor, so both rounding constants and the zero point fit into `offset`.
 * RoundingDivideByPOT rounds halves away from zero; the sign fix (-1 before the shift, that is
 * -128 at our scale) is needed only where outputs below the zero point survive the clamp.
 */
#ifndef EDGEMNV2_CORTEX_M_BASE_H
#define EDGEMNV2_CORTEX_M_BASE_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__) &&          \
    defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define EDGEMNV2_DSP 1
#else
#define EDGEMNV2_DSP 0
#endif

#define EDGEMNV2_TEXT_(x) #x
#define EDGEMNV2_TEXT(x) EDGEMNV2_TEXT_(x)

/* Flags in the first words of a layer's constant stream. */
#define EDGEMNV2_SIGN_FIX 1
#define EDGEMNV2_CHANNEL_ROWS 2
#define EDGEMNV2_ODD_CHANNELS 4

static inline int32_t edgemnv2_load32(const void *p) {
    int32_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

/* Portable loops whose bounds are known where they are called: unrolled, sums in registers. */
#if defined(__GNUC__)
#define EDGEMNV2_FLAT __attribute__((always_inline, unused))
#else
#define EDGEMNV2_FLAT
#endif

/* The upper half of a product. Armv6-M multiplies 32 bits to 32: of halves, in four parts, each of
 * which fits; the compiler's own function takes twice as long. */
EDGEMNV2_FLAT static inline int32_t edgemnv2_high32(int32_t a, int32_t b) {
#if defined(__ARM_ARCH_6M__)
    const int32_t low_a = a & 0xffff, high_a = a >> 16, low_b = b & 0xffff, high_b = b >> 16;
    const int32_t middle = high_a * low_b + (int32_t)((uint32_t)low_a * (uint32_t)low_b >> 16);
    const int32_t other = low_a * high_b + (middle & 0xffff);
    return high_a * high_b + (middle >> 16) + (other >> 16);
#else
    return (int32_t)(((int64_t)a * b) >> 32);
#endif
}

static inline int32_t edgemnv2_saturate8(int32_t value) {
    return value < -128 ? -128 : value > 127 ? 127 : value;
}

static inline int32_t edgemnv2_requantize(int32_t scaled, const int32_t *channel, int32_t flags) {
    /* Right shifts of negative numbers are arithmetic in every compiler that we meet. */
    int32_t high = edgemnv2_high32(scaled, channel[0]);
    int32_t offset = channel[1];
    if ((flags & EDGEMNV2_SIGN_FIX) && scaled < 0) {
        offset -= 128;
    }
    return edgemnv2_saturate8((high + offset) >> channel[2]);
}

/* Clamp to less than the whole int8 range, in place, after a row is complete. */
__attribute__((noinline, unused)) static void edgemnv2_clamp_row(int8_t *row, int32_t count,
                                                                 int32_t low, int32_t high) {
#if EDGEMNV2_DSP
    const uint32_t lows = (uint32_t)(low & 255) * 0x01010101U;
    const uint32_t highs = (uint32_t)(high & 255) * 0x01010101U;
    for (; count >= 4; count -= 4, row += 4) {
        int32_t word = edgemnv2_load32(row), difference;
        __asm__("ssub8 %1, %0, %2\n sel %0, %0, %2\n ssub8 %1, %3, %0\n sel %0, %0, %3"
                : "+r"(word), "=&r"(difference)
                : "r"(lows), "r"(highs)
                : "cc");
        memcpy(row, &word, sizeof(word));
    }
#endif
    for (int32_t i = 0; i < count; ++i) {
        const int32_t value = row[i];
        row[i] = (int8_t)(value < low ? low : value > high ? high : value);
    }
}

/* The same for `count` words of two int16. */
__attribute__((noinline, unused)) static void edgemnv2_clamp_words(int16_t *words, int32_t count,
                                                                   int32_t low, int32_t high) {
#if EDGEMNV2_DSP
    const uint32_t lows = (uint32_t)(low & 0xffff) * 0x00010001U;
    const uint32_t highs = (uint32_t)(high & 0xffff) * 0x00010001U;
    for (; count > 0; --count, words += 2) {
        int32_t word = edgemnv2_load32(words), difference;
        __asm__("ssub16 %1, %0, %2\n sel %0, %0, %2\n ssub16 %1, %3, %0\n sel %0, %0, %3"
                : "+r"(word), "=&r"(difference)
                : "r"(lows), "r"(highs)
                : "cc");
        memcpy(words, &word, sizeof(word));
    }
#else
    for (int32_t i = 0; i < 2 * count; ++i) {
        words[i] = (int16_t)(words[i] < low ? low : words[i] > high ? high : words[i]);
    }
#endif
}

/* `count` words of two int16 in the range of int8, times 256. */
__attribute__((noinline, unused)) static void edgemnv2_scale_words(int16_t *words, int32_t count) {
    for (int32_t i = 0; i < count; ++i, words += 2) {
        const uint32_t word = ((uint32_t)edgemnv2_load32(words) << 8) & 0xff00ff00U;
        memcpy(words, &word, sizeof(word));
    }
}

/* The padding columns of a channel-major row; a channel's right columns and the next one's left
 * columns are neighbours. */
__attribute__((noinline, unused)) static void edgemnv2_pad_columns(int8_t *row, int32_t channels,
                                                                   int32_t pitch, int32_t left,
                                                                   int32_t right, int32_t zero) {
    const int32_t both = left + right;
    memset(row, zero, (size_t)left);
    row += pitch - right;
    if (both == 2) {
        const uint8_t byte = (uint8_t)zero;
        const uint16_t pair = (uint16_t)(byte * 257U);
        for (int32_t c = 1; c < channels; ++c, row += pitch) {
            memcpy(row, &pair, sizeof(pair));
        }
    } else {
        for (int32_t c = 1; c < channels; ++c, row += pitch) {
            for (int32_t i = 0; i < both; ++i) {
                row[i] = (int8_t)zero;
            }
        }
    }
    memset(row, zero, (size_t)right);
}

#endif
