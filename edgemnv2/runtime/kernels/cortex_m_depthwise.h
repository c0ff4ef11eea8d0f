/* 3x3 depthwise convolution of one row, int8, from three channel-major rows to one NHWC row.
 *
 * The stream: channels, output width / 4, two-pixel tail, advance of the rows from the end of one
 * channel to the start of the next, advance of the output, flags, width of the output, bytes of a
 * channel's row (padding columns included); then eight words for every channel:
 *
 *     bias | (w00, w02) | (w01, w11) | (w10, w12) | (w20, w22) | (w21, shift) | multiplier | offset
 *
 * Weights are int16 and, like the bias, scaled by 256. A word of four neighbouring columns becomes
 * the pairs (0, 2) and (1, 3): one SMLAD for the outer taps, one SMLAxy for the middle one.
 */
#ifndef EDGEMNV2_CORTEX_M_DEPTHWISE_H
#define EDGEMNV2_CORTEX_M_DEPTHWISE_H

#include "cortex_m_base.h"
#include "cortex_m_windows.h"

#define EDGEMNV2_DEPTHWISE_HEADER 8

static inline void edgemnv2_depthwise_portable(const int8_t *row0, const int8_t *row1,
                                               const int8_t *row2, int8_t *y, const int32_t *stream,
                                               int32_t step) {
    const int32_t channels = stream[0], flags = stream[5], width = stream[6], pitch = stream[7];
    stream += EDGEMNV2_DEPTHWISE_HEADER;
    for (int32_t c = 0; c < channels; ++c, stream += 8) {
        const int16_t *taps = (const int16_t *)(const void *)(stream + 1);
        const int32_t channel[3] = {stream[6], stream[7], taps[9]};
        for (int32_t i = 0; i < width; ++i) {
            const int8_t *r0 = row0 + c * pitch + i * step, *r1 = row1 + c * pitch + i * step;
            const int8_t *r2 = row2 + c * pitch + i * step;
            const int32_t sum = stream[0] + r0[0] * taps[0] + r0[2] * taps[1] + r0[1] * taps[2] +
                                r1[1] * taps[3] + r1[0] * taps[4] + r1[2] * taps[5] +
                                r2[0] * taps[6] + r2[2] * taps[7] + r2[1] * taps[8];
            y[i * channels + c] = (int8_t)edgemnv2_requantize(sum, channel, flags);
        }
    }
}

#if EDGEMNV2_DSP

/* Assembly by macros: laid out by hand. */
/* clang-format off */
/* Registers: r0 r1 r2 rows, r3 output, r4 channels, r5 tiles left, r6-r9 sums, r10 r11 weights,
 * r12 lr activations. Stack: 0-31 the channel's record, 32 stream, 36 channels, 40 tiles,
 * 44 tail, 48 advance of rows, 52 advance of output, 56 end of stream. */

/* Four columns: outer taps of `We` (r10), middle tap in the B or T half of r11. */
#define EDGEMNV2_COLUMNS(row, move)                                                                \
    "ldr lr, [" #row "], #" #move "\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n"
#define EDGEMNV2_PAIR_OUT(a, b, ia, ib, H)                                                         \
    "smlad " #a ", r12, r10, " #ia "\n smlab" #H " " #a ", lr, r11, " #a "\n"                      \
    "smlad " #b ", lr, r10, " #ib "\n smlat" #H " " #b ", r12, r11, " #b "\n"

#define EDGEMNV2_ROW_1_4_INIT(row, H)                                                              \
    EDGEMNV2_COLUMNS(row, 2) EDGEMNV2_PAIR_OUT(r6, r7, r9, r9, H)                                  \
    EDGEMNV2_COLUMNS(row, 2) EDGEMNV2_PAIR_OUT(r8, r9, r9, r9, H)
#define EDGEMNV2_ROW_1_4(row, H)                                                                   \
    EDGEMNV2_COLUMNS(row, 2) EDGEMNV2_PAIR_OUT(r6, r7, r6, r7, H)                                  \
    EDGEMNV2_COLUMNS(row, 2) EDGEMNV2_PAIR_OUT(r8, r9, r8, r9, H)
#define EDGEMNV2_ROW_1_2_INIT(row, H) EDGEMNV2_COLUMNS(row, 2) EDGEMNV2_PAIR_OUT(r6, r7, r9, r9, H)
#define EDGEMNV2_ROW_1_2(row, H) EDGEMNV2_COLUMNS(row, 2) EDGEMNV2_PAIR_OUT(r6, r7, r6, r7, H)

/* Stride 2: output b straddles two words; c, the next one's first, follows. */
#define EDGEMNV2_STEP_A(a, b, ia, ib, H)                                                           \
    "smlad " #a ", r12, r10, " #ia "\n smlab" #H " " #a ", lr, r11, " #a "\n"                      \
    "smlatb " #b ", r12, r10, " #ib "\n smlat" #H " " #b ", lr, r11, " #b "\n"
#define EDGEMNV2_LAST(row, b) "ldrsb r12, [" #row "]\n smlabt " #b ", r12, r10, " #b "\n"
#define EDGEMNV2_ROW_2_4_INIT(row, H)                                                              \
    EDGEMNV2_COLUMNS(row, 4) EDGEMNV2_STEP_A(r6, r7, r9, r9, H)                                    \
    EDGEMNV2_COLUMNS(row, 4) "smlabt r7, r12, r10, r7\n" EDGEMNV2_STEP_A(r8, r9, r9, r9, H)        \
    EDGEMNV2_LAST(row, r9)
#define EDGEMNV2_ROW_2_4(row, H)                                                                   \
    EDGEMNV2_COLUMNS(row, 4) EDGEMNV2_STEP_A(r6, r7, r6, r7, H)                                    \
    EDGEMNV2_COLUMNS(row, 4) "smlabt r7, r12, r10, r7\n" EDGEMNV2_STEP_A(r8, r9, r8, r9, H)        \
    EDGEMNV2_LAST(row, r9)
#define EDGEMNV2_ROW_2_2_INIT(row, H)                                                              \
    EDGEMNV2_COLUMNS(row, 4) EDGEMNV2_STEP_A(r6, r7, r9, r9, H) EDGEMNV2_LAST(row, r7)
#define EDGEMNV2_ROW_2_2(row, H)                                                                   \
    EDGEMNV2_COLUMNS(row, 4) EDGEMNV2_STEP_A(r6, r7, r6, r7, H) EDGEMNV2_LAST(row, r7)

#define EDGEMNV2_ROWS(S, N)                                                                        \
    "ldrd r10, r11, [sp, #4]\n ldr r9, [sp]\n" EDGEMNV2_ROW_##S##_##N##_INIT(r0, b)                \
    "ldr r10, [sp, #12]\n" EDGEMNV2_ROW_##S##_##N(r1, t)                                           \
    "ldrd r10, r11, [sp, #16]\n" EDGEMNV2_ROW_##S##_##N(r2, b)                                     \
    "ldrd r10, r11, [sp, #24]\n ldrh r12, [sp, #22]\n"

#define EDGEMNV2_OUT_PLAIN(a)                                                                      \
    "smmla " #a ", " #a ", r10, r11\n asr " #a ", " #a ", r12\n ssat " #a ", #8, " #a "\n"
#define EDGEMNV2_OUT_FIXED(a)                                                                      \
    "asr lr, " #a ", #31\n add lr, r11, lr, lsl #7\n smmla " #a ", " #a                            \
    ", r10, lr\n asr " #a ", " #a ", r12\n ssat " #a ", #8, " #a "\n"

#define EDGEMNV2_DEPTHWISE(S, Q)                                                                   \
    __attribute__((naked, noinline, unused)) static void edgemnv2_depthwise_##S##_##Q(             \
        __attribute__((unused)) const int8_t *row0, __attribute__((unused)) const int8_t *row1,    \
        __attribute__((unused)) const int8_t *row2, __attribute__((unused)) int8_t *y,             \
        __attribute__((unused)) const int32_t *stream)                                             \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "push {r4-r11, lr}\n sub sp, #60\n ldr r12, [sp, #96]\n"                               \
            "ldm r12!, {r4, r5, r6, r7, r8, r9, r10, r11}\n str r12, [sp, #32]\n"                  \
            "strd r4, r5, [sp, #36]\n strd r6, r7, [sp, #44]\n add r4, r12, r4, lsl #5\n"          \
            "strd r8, r4, [sp, #52]\n"                                                             \
            "1:\n ldr r12, [sp, #32]\n ldm r12!, {r4, r5, r6, r7, r8, r9, r10, r11}\n"             \
            "stm sp, {r4, r5, r6, r7, r8, r9, r10, r11}\n str r12, [sp, #32]\n"                    \
            "ldrd r4, r5, [sp, #36]\n cmp r5, #0\n beq.w 3f\n"                                     \
            "2:\n" EDGEMNV2_ROWS(S, 4) EDGEMNV2_OUT_##Q(r6) EDGEMNV2_OUT_##Q(r7)                   \
            EDGEMNV2_OUT_##Q(r8) EDGEMNV2_OUT_##Q(r9)                                              \
            "strb r6, [r3]\n strb r7, [r3, r4]\n strb r8, [r3, r4, lsl #1]\n add r3, r3, r4\n"     \
            "strb r9, [r3, r4, lsl #1]\n add r3, r3, r4\n add r3, r3, r4, lsl #1\n"                \
            "subs r5, #1\n bne.w 2b\n"                                                             \
            "3:\n ldr r5, [sp, #44]\n"                                                             \
            "4:\n cmp r5, #0\n beq 6f\n subs r5, #2\n bpl 5f\n"                                    \
            /* An odd width: once more over the last but one pixel. */                             \
            "sub r0, #" #S "\n sub r1, #" #S "\n sub r2, #" #S "\n sub r3, r3, r4\n"               \
            "mov r5, #0\n"                                                                         \
            "5:\n" EDGEMNV2_ROWS(S, 2) EDGEMNV2_OUT_##Q(r6)                                        \
            EDGEMNV2_OUT_##Q(r7)                                                                   \
            "strb r6, [r3]\n strb r7, [r3, r4]\n add r3, r3, r4, lsl #1\n b.w 4b\n"                \
            "6:\n ldrd r10, r11, [sp, #48]\n add r0, r10\n add r1, r10\n add r2, r10\n"            \
            "add r3, r11\n ldr r12, [sp, #32]\n ldr r10, [sp, #56]\n cmp r12, r10\n bne.w 1b\n"    \
            "add sp, #60\n pop {r4-r11, pc}\n");                                                   \
    }

/* clang-format on */

#else

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_DEPTHWISE(S, Q)                                                                   \
    static inline void edgemnv2_depthwise_##S##_##Q(const int8_t *row0, const int8_t *row1,        \
                                                    const int8_t *row2, int8_t *y,                 \
                                                    const int32_t *stream)                         \
    {                                                                                              \
        edgemnv2_depthwise_portable(row0, row1, row2, y, stream, S);                               \
    }

#endif

EDGEMNV2_DEPTHWISE(1, PLAIN)
EDGEMNV2_DEPTHWISE(1, FIXED)
EDGEMNV2_DEPTHWISE(2, PLAIN)
EDGEMNV2_DEPTHWISE(2, FIXED)

/* clang-format on */

/* The same for a tile of P output pixels, widened as the matrix product wants them: `count`
 * channels from `rows` (first column of the tile) to every second int16 of `words`; a word holds
 * two channels that lie half of all channels apart. `records` as in the stream above. */
EDGEMNV2_FLAT static inline void edgemnv2_window_row(const int8_t *row, int32_t left,
                                                     int32_t middle, int32_t right, int32_t *sums,
                                                     int32_t step, int32_t pixels) {
    for (int32_t i = 0; i < pixels; ++i) {
        const int8_t *x = row + i * step;
        sums[i] += x[0] * left + x[1] * middle + x[2] * right;
    }
}

EDGEMNV2_FLAT static inline void edgemnv2_window_portable(const int8_t *row0, const int8_t *row1,
                                                          const int8_t *row2, int16_t *words,
                                                          const int32_t *records, int32_t pitch,
                                                          int32_t count, int32_t step,
                                                          int32_t pixels, int32_t flags) {
    for (int32_t c = 0; c < count; ++c, records += 8) {
        const int16_t *taps = (const int16_t *)(const void *)(records + 1);
        const int32_t channel[3] = {records[6], records[7], taps[9]};
        int32_t sums[4];
        for (int32_t i = 0; i < pixels; ++i) {
            sums[i] = records[0];
        }
        edgemnv2_window_row(row0, taps[0], taps[2], taps[1], sums, step, pixels);
        edgemnv2_window_row(row1, taps[4], taps[3], taps[5], sums, step, pixels);
        edgemnv2_window_row(row2, taps[6], taps[8], taps[7], sums, step, pixels);
        for (int32_t i = 0; i < pixels; ++i, words += 2) {
            *words = (int16_t)edgemnv2_requantize(sums[i], channel, flags);
        }
        row0 += pitch;
        row1 += pitch;
        row2 += pitch;
    }
}

#define EDGEMNV2_WINDOW_FLAGS_PLAIN 0
#define EDGEMNV2_WINDOW_FLAGS_COMMON 0
#define EDGEMNV2_WINDOW_FLAGS_FIXED EDGEMNV2_SIGN_FIX

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_WINDOW_C(S, P, Q)                                                                 \
    __attribute__((noinline, unused)) static void edgemnv2_window_##S##_##P##_##Q(                 \
        const int8_t *row0, const int8_t *row1, const int8_t *row2, int16_t *words,                \
        const int32_t *records, int32_t pitch, int32_t count)                                      \
    {                                                                                              \
        edgemnv2_window_portable(row0, row1, row2, words, records, pitch, count, S, P,             \
                                 EDGEMNV2_WINDOW_FLAGS_##Q);                                       \
    }

/* clang-format on */

#if EDGEMNV2_DSP

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_WINDOW(S, P, Q)                                                                   \
    __attribute__((naked, noinline, unused)) static void edgemnv2_window_##S##_##P##_##Q(          \
        __attribute__((unused)) const int8_t *row0, __attribute__((unused)) const int8_t *row1,    \
        __attribute__((unused)) const int8_t *row2, __attribute__((unused)) int16_t *words,        \
        __attribute__((unused)) const int32_t *records, __attribute__((unused)) int32_t pitch,     \
        __attribute__((unused)) int32_t count)                                                     \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "push {r4-r11, lr}\n ldrd r4, r5, [sp, #36]\n ldr r6, [sp, #44]\n"                     \
            "add r6, r4, r6, lsl #5\n str r6, [sp, #44]\n"                                         \
            "1:\n" EDGEMNV2_WINDOW_##S##_##P##_##Q "bne.w 1b\n pop {r4-r11, pc}\n");               \
    }

/* clang-format on */

#else

#define EDGEMNV2_WINDOW(S, P, Q) EDGEMNV2_WINDOW_C(S, P, Q)

#endif

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_WINDOWS(S, Q)                                                                     \
    EDGEMNV2_WINDOW_C(S, 1, Q)                                                                     \
    EDGEMNV2_WINDOW(S, 2, Q) EDGEMNV2_WINDOW(S, 3, Q) EDGEMNV2_WINDOW(S, 4, Q)
/* clang-format on */

EDGEMNV2_WINDOWS(1, PLAIN)
EDGEMNV2_WINDOWS(1, FIXED)
EDGEMNV2_WINDOWS(2, PLAIN)
EDGEMNV2_WINDOWS(2, FIXED)
EDGEMNV2_WINDOWS(1, COMMON)
EDGEMNV2_WINDOWS(2, COMMON)

#endif
