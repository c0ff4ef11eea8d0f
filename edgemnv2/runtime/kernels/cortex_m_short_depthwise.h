/* The kernels of cortex_m_depthwise.h with five words a channel instead of eight:
 *
 *     bias | multiplier | w00 w01 w02 w11 | w10 w20 w12 w22 | w21, shift, 2 z + 1 as int16
 *
 * of the output's zero point z; offsets are `(2 z + 1 << shift) / 2` + half (cortex_m_short.h). A
 * record is made into one of cortex_m_depthwise.h on the stack, which costs 20 instructions: once
 * for a channel's row, or for its window of a tile.
 */
#ifndef EDGEMNV2_CORTEX_M_SHORT_DEPTHWISE_H
#define EDGEMNV2_CORTEX_M_SHORT_DEPTHWISE_H

#include "cortex_m_depthwise.h"

#define EDGEMNV2_SHORT_HALF_PLAIN "64"
#define EDGEMNV2_SHORT_HALF_FIXED "64"
#define EDGEMNV2_SHORT_HALF_ONCE "0"

#if EDGEMNV2_DSP

/* Assembly by macros: laid out by hand. */
/* clang-format off */
/* From the stream's next record, at 32 of the stack, to words at its start. r4, r6-r12, lr. */
#define EDGEMNV2_SHORT_RECORD(HALF)                                                                \
    "ldr r12, [sp, #32]\n mov r11, #0xff00ff00\n ldm r12!, {r4, r6, r7, r9, r10}\n"                \
    "and r8, r11, r7, lsl #8\n str r12, [sp, #32]\n and r7, r7, r11\n str r4, [sp]\n"              \
    "ubfx r12, r10, #8, #8\n strd r8, r7, [sp, #4]\n asr lr, r10, #16\n"                           \
    "and r8, r11, r9, lsl #8\n lsl lr, lr, r12\n and r9, r9, r11\n lsl r10, r10, #8\n"             \
    "strd r8, r9, [sp, #12]\n asr lr, lr, #1\n pkhbt r10, r10, r12, lsl #16\n"                     \
    "add lr, lr, #" HALF "\n str r10, [sp, #20]\n strd r6, lr, [sp, #24]\n"
#define EDGEMNV2_OUT_ONCE(a) EDGEMNV2_OUT_PLAIN(a)

/* The stack as in cortex_m_depthwise.h, behind the channel's words of which the rows are made. */
#define EDGEMNV2_DEPTHWISE_SHORT(S, Q)                                                             \
    __attribute__((naked, noinline, unused)) static void edgemnv2_depthwise_short_##S##_##Q(       \
        __attribute__((unused)) const int8_t *row0, __attribute__((unused)) const int8_t *row1,    \
        __attribute__((unused)) const int8_t *row2, __attribute__((unused)) int8_t *y,             \
        __attribute__((unused)) const int32_t *stream)                                             \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "push {r4-r11, lr}\n sub sp, #60\n ldr r12, [sp, #96]\n"                               \
            "ldm r12!, {r4, r5, r6, r7, r8, r9, r10, r11}\n strd r12, r4, [sp, #32]\n"             \
            "strd r5, r6, [sp, #40]\n strd r7, r8, [sp, #48]\n"                                    \
            "add r4, r4, r4, lsl #2\n add r4, r12, r4, lsl #2\n str r4, [sp, #56]\n"               \
            "1:\n" EDGEMNV2_SHORT_RECORD(EDGEMNV2_SHORT_HALF_##Q)                                  \
            "ldrd r4, r5, [sp, #36]\n cmp r5, #0\n beq.w 5f\n"                                     \
            "2:\n" EDGEMNV2_ROWS(S, 4) EDGEMNV2_OUT_##Q(r6) EDGEMNV2_OUT_##Q(r7)                   \
            EDGEMNV2_OUT_##Q(r8) EDGEMNV2_OUT_##Q(r9)                                              \
            "strb r6, [r3]\n strb r7, [r3, r4]\n add r3, r3, r4, lsl #1\n strb r8, [r3]\n"         \
            "strb r9, [r3, r4]\n add r3, r3, r4, lsl #1\n subs r5, #1\n bne.w 2b\n"                \
            "5:\n ldr r5, [sp, #44]\n"                                                             \
            "6:\n cmp r5, #0\n beq 8f\n subs r5, #2\n bpl 7f\n"                                    \
            /* An odd width: the last but one pixel is made again. */                              \
            "mov r5, #0\n sub r3, r3, r4\n"                                                        \
            "sub r0, #" #S "\n sub r1, #" #S "\n sub r2, #" #S "\n"                                \
            "7:\n" EDGEMNV2_ROWS(S, 2) EDGEMNV2_OUT_##Q(r6) EDGEMNV2_OUT_##Q(r7)                   \
            "strb r6, [r3]\n strb r7, [r3, r4]\n add r3, r3, r4, lsl #1\n b.w 6b\n"                \
            "8:\n ldrd r10, r11, [sp, #48]\n add r3, r11\n add r0, r10\n add r1, r10\n"            \
            "add r2, r10\n ldr r12, [sp, #32]\n ldr r10, [sp, #56]\n cmp r12, r10\n"               \
            "bne.w 1b\n add sp, #60\n pop {r4-r11, pc}\n");                                        \
    }

/* A window's code counts records up to the end at 44 of its stack: there it finds just one. The
 * stack besides: 32 the stream, 36 its end. */
#define EDGEMNV2_WINDOW_1_4_ONCE EDGEMNV2_WINDOW_1_4_PLAIN
#define EDGEMNV2_WINDOW_1_2_ONCE EDGEMNV2_WINDOW_1_2_PLAIN
#define EDGEMNV2_WINDOW_1_3_ONCE EDGEMNV2_WINDOW_1_3_PLAIN
#define EDGEMNV2_WINDOW_2_2_ONCE EDGEMNV2_WINDOW_2_2_PLAIN
#define EDGEMNV2_WINDOW_2_3_ONCE EDGEMNV2_WINDOW_2_3_PLAIN
#define EDGEMNV2_WINDOW_2_4_ONCE EDGEMNV2_WINDOW_2_4_PLAIN
#define EDGEMNV2_WINDOW_SHORT(S, P, Q)                                                             \
    __attribute__((naked, noinline, unused)) static void edgemnv2_window_short_##S##_##P##_##Q(    \
        __attribute__((unused)) const int8_t *row0, __attribute__((unused)) const int8_t *row1,    \
        __attribute__((unused)) const int8_t *row2, __attribute__((unused)) int16_t *words,        \
        __attribute__((unused)) const int32_t *records, __attribute__((unused)) int32_t pitch,     \
        __attribute__((unused)) int32_t count)                                                     \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "push {r4-r11, lr}\n sub sp, #48\n ldrd r4, r5, [sp, #84]\n ldr r6, [sp, #92]\n"       \
            "add r6, r6, r6, lsl #2\n add r6, r4, r6, lsl #2\n strd r4, r6, [sp, #32]\n"           \
            "1:\n" EDGEMNV2_SHORT_RECORD(EDGEMNV2_SHORT_HALF_##Q) "mov r4, sp\n"                   \
            EDGEMNV2_WINDOW_##S##_##P##_##Q                                                        \
            "ldrd r6, r7, [sp, #32]\n cmp r6, r7\n bne.w 1b\n add sp, #48\n pop {r4-r11, pc}\n");  \
    }
/* clang-format on */

#endif

/* One channel's words as in cortex_m_depthwise.h. */
EDGEMNV2_FLAT static inline void edgemnv2_short_record(const int32_t *record, int32_t half,
                                                       int32_t *words) {
    const int8_t *bytes = (const int8_t *)(const void *)(record + 2);
    static const uint8_t order[9] = {0, 2, 1, 3, 4, 6, 5, 7, 8};
    int16_t taps[10];
    for (int32_t i = 0; i < 9; ++i) {
        taps[i] = (int16_t)(bytes[order[i]] * 256);
    }
    taps[9] = (uint8_t)bytes[9];
    words[0] = record[0];
    memcpy(words + 1, taps, sizeof(taps));
    words[6] = record[1];
    words[7] = half + (record[4] >> 16) * (1 << taps[9] >> 1);
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_SHORT_C_PLAIN 64, 0
#define EDGEMNV2_SHORT_C_FIXED 64, EDGEMNV2_SIGN_FIX
#define EDGEMNV2_SHORT_C_ONCE 0, 0
#define EDGEMNV2_WINDOW_SHORT_C(S, P, Q)                                                           \
    __attribute__((noinline, unused)) static void edgemnv2_window_short_##S##_##P##_##Q(           \
        const int8_t *row0, const int8_t *row1, const int8_t *row2, int16_t *words,                \
        const int32_t *records, int32_t pitch, int32_t count)                                      \
    {                                                                                              \
        edgemnv2_window_short(row0, row1, row2, words, records, pitch, count, S, P,                \
                              EDGEMNV2_SHORT_C_##Q);                                               \
    }
/* clang-format on */

EDGEMNV2_FLAT static inline void edgemnv2_window_short(const int8_t *row0, const int8_t *row1,
                                                       const int8_t *row2, int16_t *words,
                                                       const int32_t *records, int32_t pitch,
                                                       int32_t count, int32_t step, int32_t pixels,
                                                       int32_t half, int32_t flags) {
    for (int32_t c = 0; c < count; ++c, records += 5, words += 2 * pixels) {
        int32_t record[8];
        edgemnv2_short_record(records, half, record);
        edgemnv2_window_portable(row0 + c * pitch, row1 + c * pitch, row2 + c * pitch, words,
                                 record, pitch, 1, step, pixels, flags);
    }
}

#if !EDGEMNV2_DSP

EDGEMNV2_FLAT static inline void edgemnv2_depthwise_short(const int8_t *row0, const int8_t *row1,
                                                          const int8_t *row2, int8_t *y,
                                                          const int32_t *stream, int32_t step,
                                                          int32_t half, int32_t flags) {
    const int32_t channels = stream[0], width = stream[6], pitch = stream[7];
    for (int32_t c = 0; c < channels; ++c) {
        int32_t record[8];
        edgemnv2_short_record(stream + EDGEMNV2_DEPTHWISE_HEADER + 5 * c, half, record);
        for (int32_t i = 0; i < width; ++i) {
            const int32_t at = c * pitch + i * step;
            int16_t word[2];
            edgemnv2_window_portable(row0 + at, row1 + at, row2 + at, word, record, pitch, 1, step,
                                     1, flags);
            y[i * channels + c] = (int8_t)word[0];
        }
    }
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_WINDOW_SHORT(S, P, Q) EDGEMNV2_WINDOW_SHORT_C(S, P, Q)
#define EDGEMNV2_DEPTHWISE_SHORT(S, Q)                                                             \
    static inline void edgemnv2_depthwise_short_##S##_##Q(const int8_t *row0, const int8_t *row1,  \
                                                          const int8_t *row2, int8_t *y,           \
                                                          const int32_t *stream)                   \
    {                                                                                              \
        edgemnv2_depthwise_short(row0, row1, row2, y, stream, S, EDGEMNV2_SHORT_C_##Q);            \
    }
/* clang-format on */

#endif

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_SHORT_DEPTHWISE(S, Q)                                                             \
    EDGEMNV2_DEPTHWISE_SHORT(S, Q) EDGEMNV2_WINDOW_SHORT_C(S, 1, Q)                                \
    EDGEMNV2_WINDOW_SHORT(S, 2, Q) EDGEMNV2_WINDOW_SHORT(S, 3, Q) EDGEMNV2_WINDOW_SHORT(S, 4, Q)
EDGEMNV2_SHORT_DEPTHWISE(1, PLAIN)
EDGEMNV2_SHORT_DEPTHWISE(1, FIXED)
EDGEMNV2_SHORT_DEPTHWISE(1, ONCE)
EDGEMNV2_SHORT_DEPTHWISE(2, PLAIN)
EDGEMNV2_SHORT_DEPTHWISE(2, FIXED)
EDGEMNV2_SHORT_DEPTHWISE(2, ONCE)
/* clang-format on */

#endif
