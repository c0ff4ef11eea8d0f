/* Row kernels for MVE (Helium; M55, M85), int8: matrix product and 3x3 depthwise convolution.
 *
 * Dot products of 16 bytes (VMLADAV) end in general registers; four pixels of a channel are one
 * vector for the requantisation, which is TFLite's as it is written down: VQRDMULH is
 * SaturatingRoundingDoublingHighMul, VRSHL rounds halves up, so where results below the zero point
 * survive the clamp negative values are made one smaller first ("sign fix"; shifts are >= 1). The
 * kernels _EVEN round once, as ONNX does where no sum meets a half: VQDMULH cuts off, and shifts
 * are >= 1. So do the kernels _FINE, whose biases are in 256ths of a sum's step.
 *
 * Stream of a product, int32: groups of 16 input channels - 1, bytes of all even records, bytes
 * from pixel to pixel of the input, zero point, advance of the output for two channels, input
 * channels, flags | record bytes << 8, output step from pixel to pixel, eight uint16 offsets of a
 * tile's outputs (pixel 0 channel 0, pixel 0 channel 1, pixel 1 channel 0, ...). Then for every
 * two output channels a record: 16 weights of the first, 16 of the second, ... (zeros complete the
 * last group), bias, multiplier, -right shift of the first, of the second.
 */
#ifndef EDGEMNV2_CORTEX_M_MVE_H
#define EDGEMNV2_CORTEX_M_MVE_H

#include "cortex_m_base.h"

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define EDGEMNV2_MVE 1
#else
#define EDGEMNV2_MVE 0
#endif

#define EDGEMNV2_MVE_HEADER 12

#if EDGEMNV2_MVE

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_MVE_NAKED __attribute__((naked, noinline, unused)) static
#define EDGEMNV2_MVE_UNUSED __attribute__((unused))

/* Registers: sums r0 r2 r4 r6 of channel 0, r8 r10 r12 lr of channel 1, pixels r1 r3 r5 r7,
 * weights r9, their end r11; q7 offsets; p0 the outputs that exist. Stack: 0 output, 4 its
 * advance, 8-23 pixels, 24 bytes of a record's weights, 28 entry into the loop, 32 end of even
 * records, 36 flags, 40 zero point, 44 sign fix, 48 predicate. */
#define EDGEMNV2_MVE_PIXEL(MLA, Q, x, a, b)                                                        \
    "vldrb.8 " #Q ", [" #x "], #16\n " MLA " " #a ", q0, " #Q "\n " MLA " " #b ", q1, " #Q "\n"
#define EDGEMNV2_MVE_GROUP_3(MLA)                                                                  \
    "vldrb.8 q0, [r9], #16\n vldrb.8 q1, [r9], #16\n" EDGEMNV2_MVE_PIXEL(MLA, q2, r1, r0, r8)      \
        EDGEMNV2_MVE_PIXEL(MLA, q3, r3, r2, r10) EDGEMNV2_MVE_PIXEL(MLA, q2, r5, r4, r12)
#define EDGEMNV2_MVE_GROUP_4(MLA)                                                                  \
    EDGEMNV2_MVE_GROUP_3(MLA) EDGEMNV2_MVE_PIXEL(MLA, q3, r7, r6, lr)
#define EDGEMNV2_MVE_GROUP_BYTES_3 44
#define EDGEMNV2_MVE_GROUP_BYTES_4 56

/* Four sums of each channel, by multipliers r1 and r4 and shifts r2 and r5. */
#define EDGEMNV2_MVE_RESCALE_TFLITE(a, b)                                                          \
    "vqrdmulh.s32 " #a ", " #a ", r1\n vqrdmulh.s32 " #b ", " #b ", r4\n"                          \
    "ldr r6, [sp, #44]\n cbz r6, 4f\n"                                                             \
    "vshr.s32 q6, " #a ", #31\n vadd.i32 " #a ", " #a ", q6\n"                                     \
    "vshr.s32 q6, " #b ", #31\n vadd.i32 " #b ", " #b ", q6\n"                                     \
    "4:\n vrshl.s32 " #a ", r2\n vrshl.s32 " #b ", r5\n"
#define EDGEMNV2_MVE_RESCALE_EVEN(a, b)                                                            \
    "vqdmulh.s32 " #a ", " #a ", r1\n vqdmulh.s32 " #b ", " #b ", r4\n"                            \
    "vrshl.s32 " #a ", r2\n vrshl.s32 " #b ", r5\n"
#define EDGEMNV2_MVE_RESCALE_FINE(a, b) EDGEMNV2_MVE_RESCALE_EVEN(a, b)
#define EDGEMNV2_MVE_STEPS_TFLITE(a, b)
#define EDGEMNV2_MVE_STEPS_EVEN(a, b)
#define EDGEMNV2_MVE_STEPS_FINE(a, b)                                                              \
    "vshl.i32 " #a ", " #a ", #8\n vshl.i32 " #b ", " #b ", #8\n"

/* Four sums of each channel to q0 and q1, requantised, joined in q2, stored. */
#define EDGEMNV2_MVE_FINISH(R, a, b)                                                               \
    "vmov " #a "[2], " #a "[0], r0, r4\n vmov " #a "[3], " #a "[1], r2, r6\n"                      \
    "vmov " #b "[2], " #b "[0], r8, r12\n vmov " #b "[3], " #b "[1], r10, lr\n"                    \
    "ldm r9!, {r0, r1, r2, r3, r4, r5}\n" EDGEMNV2_MVE_STEPS_##R(a, b)                             \
    "vadd.i32 " #a ", " #a ", r0\n vadd.i32 " #b ", " #b ", r3\n"                                  \
    EDGEMNV2_MVE_RESCALE_##R(a, b)                                                                 \
    "vqmovnb.s32 q6, " #a "\n vqmovnt.s32 q6, " #b "\n"                                            \
    "ldr r2, [sp, #40]\n ldrd r0, r1, [sp]\n vqadd.s16 q6, q6, r2\n vqmovnb.s16 q6, q6\n"          \
    "vpst\n vstrbt.16 q6, [r0, q7]\n add r0, r0, r1\n str r0, [sp]\n"

/* At the end of the even records: the odd last channel, if any, under a predicate of its own. */
#define EDGEMNV2_MVE_NEXT                                                                          \
    "8:\n ldr r0, [sp, #32]\n cmp r9, r0\n bne.w 1b\n"                                             \
    "ldr r0, [sp, #36]\n tst r0, #4\n beq 9f\n bic r1, r0, #4\n str r1, [sp, #36]\n"               \
    "add r1, r9, r0, lsr #8\n str r1, [sp, #32]\n ldr r0, [sp, #48]\n movw r1, #0x3333\n"          \
    "and r0, r0, r1\n vmsr p0, r0\n b.w 1b\n"                                                      \
    "9:\n add sp, #52\n vpop {d8-d15}\n pop {r4-r11, pc}\n"

/* r0 pixels, r1 stream, r2 output, r3 predicate. Pixels beyond the tile are read again from its
 * first pixel, their results not stored. */
#define EDGEMNV2_MVE_START                                                                         \
    "push {r4-r11, lr}\n vpush {d8-d15}\n sub sp, #52\n"                                           \
    "ldm r1!, {r4, r5, r6, r7, r8, r9, r10, r11}\n vldrh.16 q7, [r1], #16\n"                       \
    "vmsr p0, r3\n str r3, [sp, #48]\n strd r2, r8, [sp]\n str r7, [sp, #40]\n"                    \
    "add r5, r5, r1\n strd r5, r10, [sp, #32]\n and r7, r10, #1\n str r7, [sp, #44]\n"             \
    "add r5, r0, r6\n tst r3, #0x00f0\n it eq\n moveq r5, r0\n"                                    \
    "add r7, r0, r6, lsl #1\n tst r3, #0x0f00\n it eq\n moveq r7, r0\n"                            \
    "add r8, r6, r6, lsl #1\n add r8, r8, r0\n tst r3, #0xf000\n it eq\n moveq r8, r0\n"           \
    "strd r0, r5, [sp, #8]\n strd r7, r8, [sp, #16]\n"

#define EDGEMNV2_MVE_TILE(P, NAME, R)                                                              \
    EDGEMNV2_MVE_NAKED void edgemnv2_mve_tile_##NAME(                                              \
        EDGEMNV2_MVE_UNUSED const int8_t *x, EDGEMNV2_MVE_UNUSED const int32_t *stream,            \
        EDGEMNV2_MVE_UNUSED int8_t *y, EDGEMNV2_MVE_UNUSED int32_t predicate)                      \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            EDGEMNV2_MVE_START                                                                     \
            "mov r9, r1\n add r5, r4, #1\n lsl r5, r5, #5\n str r5, [sp, #24]\n"                   \
            "and r4, r4, #7\n mov r5, #" EDGEMNV2_TEXT(EDGEMNV2_MVE_GROUP_BYTES_##P) "\n"          \
            "mul r4, r4, r5\n adr.w r5, 3f\n sub r5, r5, r4\n"                                     \
            "orr r5, r5, #1\n str r5, [sp, #28]\n b.w 8f\n"                                        \
            "1:\n ldrd r1, r3, [sp, #8]\n ldrd r5, r7, [sp, #16]\n ldr r11, [sp, #24]\n"           \
            "add r11, r11, r9\n" EDGEMNV2_MVE_GROUP_##P("vmladav.s8") "ldr pc, [sp, #28]\n"        \
            "2:\n .rept 8\n" EDGEMNV2_MVE_GROUP_##P("vmladava.s8") ".endr\n"                       \
            "3:\n cmp r9, r11\n bne.w 2b\n" EDGEMNV2_MVE_FINISH(R, q0, q1) EDGEMNV2_MVE_NEXT);     \
    }

/* Up to 16 input channels: the pixels stay in q0 ... q3. */
#define EDGEMNV2_MVE_SMALL(NAME, R)                                                                \
    EDGEMNV2_MVE_NAKED void edgemnv2_mve_##NAME(                                                   \
        EDGEMNV2_MVE_UNUSED const int8_t *x, EDGEMNV2_MVE_UNUSED const int32_t *stream,            \
        EDGEMNV2_MVE_UNUSED int8_t *y, EDGEMNV2_MVE_UNUSED int32_t predicate)                      \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            EDGEMNV2_MVE_START                                                                     \
            "vctp.8 r9\n vpstttt\n vldrbt.u8 q0, [r0]\n vldrbt.u8 q1, [r5]\n"                      \
            "vldrbt.u8 q2, [r7]\n vldrbt.u8 q3, [r8]\n vmsr p0, r3\n mov r9, r1\n b.w 8f\n"        \
            "1:\n vldrb.8 q4, [r9], #16\n vldrb.8 q5, [r9], #16\n"                                 \
            "vmladav.s8 r0, q0, q4\n vmladav.s8 r2, q1, q4\n vmladav.s8 r4, q2, q4\n"              \
            "vmladav.s8 r6, q3, q4\n vmladav.s8 r8, q0, q5\n vmladav.s8 r10, q1, q5\n"             \
            "vmladav.s8 r12, q2, q5\n vmladav.s8 lr, q3, q5\n"                                     \
            EDGEMNV2_MVE_FINISH(R, q4, q5) EDGEMNV2_MVE_NEXT);                                     \
    }

/* One pixel, four output channels at a time. The stream: groups of 16 input channels, output
 * channels, scale bits, sign fix; per four channels 16 weights of each, group after group, then
 * four biases, multipliers, offsets, -right shifts. The requantisation is that of
 * cortex_m_base.h, which can also round once. */
EDGEMNV2_MVE_NAKED void edgemnv2_mve_dense(EDGEMNV2_MVE_UNUSED const int8_t *x,
                                           EDGEMNV2_MVE_UNUSED const int32_t *stream,
                                           EDGEMNV2_MVE_UNUSED int8_t *y)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n mov r9, r1\n mov r11, r2\n mov r12, r0\n"
        "ldm r9!, {r3, r5, r7, r8}\n sub r10, r7, #1\n"
        "1:\n mov r1, r12\n mov r0, #0\n mov r2, #0\n mov r4, #0\n mov r6, #0\n dls lr, r3\n"
        "2:\n vldrb.8 q0, [r1], #16\n vldrb.8 q1, [r9], #16\n vmladava.s8 r0, q0, q1\n"
        "vldrb.8 q2, [r9], #16\n vmladava.s8 r2, q0, q2\n vldrb.8 q1, [r9], #16\n"
        "vmladava.s8 r4, q0, q1\n vldrb.8 q2, [r9], #16\n vmladava.s8 r6, q0, q2\n le lr, 2b\n"
        "vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"
        "vldrw.32 q1, [r9], #16\n vldrw.32 q2, [r9], #16\n vldrw.32 q3, [r9], #16\n"
        "vadd.i32 q0, q0, q1\n vshl.s32 q0, r7\n vmulh.s32 q1, q0, q2\n vadd.i32 q1, q1, q3\n"
        "cmp r8, #0\n beq 4f\n vshr.s32 q0, q0, #31\n vshl.s32 q0, r10\n vadd.i32 q1, q1, q0\n"
        "4:\n vldrw.32 q3, [r9], #16\n vshl.s32 q0, q1, q3\n"
        "vmov.i32 q1, #127\n vmin.s32 q0, q0, q1\n vmvn.i32 q1, #127\n vmax.s32 q0, q0, q1\n"
        "mov r0, r11\n vctp.32 r5\n vpst\n vstrbt.32 q0, [r0]\n add r11, #4\n"
        "subs r5, #4\n bgt.w 1b\n"
        "pop {r4-r11, pc}\n");
}

/* Three rows side by side, four bytes a column, for the dot products below. */
EDGEMNV2_MVE_NAKED void edgemnv2_mve_interleave(EDGEMNV2_MVE_UNUSED const int8_t *row0,
                                                EDGEMNV2_MVE_UNUSED const int8_t *row1,
                                                EDGEMNV2_MVE_UNUSED const int8_t *row2,
                                                EDGEMNV2_MVE_UNUSED int8_t *columns,
                                                EDGEMNV2_MVE_UNUSED int32_t count)
{
    __asm__ volatile(
        "ldr r12, [sp]\n"
        "1:\n vctp.8 r12\n vpsttt\n vldrbt.u8 q0, [r0], #16\n vldrbt.u8 q1, [r1], #16\n"
        "vldrbt.u8 q2, [r2], #16\n vst40.8 {q0, q1, q2, q3}, [r3]\n"
        "vst41.8 {q0, q1, q2, q3}, [r3]\n vst42.8 {q0, q1, q2, q3}, [r3]\n"
        "vst43.8 {q0, q1, q2, q3}, [r3]!\n subs r12, #16\n bgt 1b\n bx lr\n");
}

/* Registers: columns r1, output r3, sums r0 r2 r4 r6, bias r5, multiplier r7, shift r8, records
 * r9, zero point r10, advance r11; q4 weights, q5 q6 clamp, q7 offsets. */
#define EDGEMNV2_MVE_OUT_PLAIN "vqrdmulh.s32 q0, q0, r7\n"
#define EDGEMNV2_MVE_OUT_FIXED                                                                     \
    "vqrdmulh.s32 q0, q0, r7\n vshr.s32 q1, q0, #31\n vadd.i32 q0, q0, q1\n"
#define EDGEMNV2_MVE_OUT_EVEN "vqdmulh.s32 q0, q0, r7\n"
#define EDGEMNV2_MVE_OUT_FINE EDGEMNV2_MVE_OUT_EVEN
#define EDGEMNV2_MVE_STEP_PLAIN
#define EDGEMNV2_MVE_STEP_FIXED
#define EDGEMNV2_MVE_STEP_EVEN
#define EDGEMNV2_MVE_STEP_FINE "vshl.i32 q0, q0, #8\n"
#define EDGEMNV2_MVE_WINDOWS_1                                                                     \
    "vldrb.8 q1, [r1, #4]\n vldrb.8 q2, [r1, #8]\n vldrb.8 q3, [r1, #12]\n vldrb.8 q0, [r1], #16\n"
#define EDGEMNV2_MVE_WINDOWS_2                                                                     \
    "vldrb.8 q1, [r1, #8]\n vldrb.8 q2, [r1, #16]\n vldrb.8 q3, [r1, #24]\n"                       \
    "vldrb.8 q0, [r1], #32\n"
#define EDGEMNV2_MVE_FOUR(S, Q)                                                                    \
    EDGEMNV2_MVE_WINDOWS_##S                                                                       \
    "vmladav.s8 r0, q0, q4\n vmladav.s8 r2, q1, q4\n vmladav.s8 r4, q2, q4\n"                      \
    "vmladav.s8 r6, q3, q4\n vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"              \
    EDGEMNV2_MVE_STEP_##Q "vadd.i32 q0, q0, r5\n" EDGEMNV2_MVE_OUT_##Q "vrshl.s32 q0, r8\n"        \
    "vadd.i32 q0, q0, r10\n vmax.s32 q0, q0, q5\n vmin.s32 q0, q0, q6\n"

/* `channels` channels of a group; `setup`: output channels, width / 4, width % 4, bytes of a
 * channel's columns, zero point, least and greatest output, 0. `records`, seven words a channel:
 * 16 taps (column by column, 0 in every fourth place and the last four), bias, multiplier,
 * -right shift. */
#define EDGEMNV2_MVE_DEPTHWISE(S, Q)                                                               \
    EDGEMNV2_MVE_NAKED void edgemnv2_mve_depthwise_##S##_##Q(                                      \
        EDGEMNV2_MVE_UNUSED const int8_t *columns, EDGEMNV2_MVE_UNUSED const int32_t *setup,       \
        EDGEMNV2_MVE_UNUSED int8_t *y, EDGEMNV2_MVE_UNUSED const int32_t *records,                 \
        EDGEMNV2_MVE_UNUSED int32_t channels)                                                      \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "push {r4-r11, lr}\n vpush {d8-d15}\n sub sp, #24\n mov r9, r3\n mov r3, r2\n"         \
            "ldm r1!, {r4, r5, r6, r7, r10, r11, r12}\n vdup.32 q5, r11\n vdup.32 q6, r12\n"       \
            "mov r12, #0\n vidup.u32 q7, r12, #1\n vmul.i32 q7, q7, r4\n vctp.32 r6\n"             \
            "lsl r11, r4, #2\n strd r5, r6, [sp]\n strd r0, r7, [sp, #8]\n"                        \
            "ldr r12, [sp, #124]\n strd r3, r12, [sp, #16]\n"                                      \
            "1:\n ldr r1, [sp, #8]\n ldr r3, [sp, #16]\n vldrb.8 q4, [r9], #16\n"                  \
            "ldm r9!, {r5, r7, r8}\n ldr lr, [sp]\n wls lr, lr, 3f\n"                              \
            "2:\n" EDGEMNV2_MVE_FOUR(S, Q) "vstrb.32 q0, [r3, q7]\n add r3, r3, r11\n le lr, 2b\n" \
            "3:\n ldr r0, [sp, #4]\n cbz r0, 4f\n b 5f\n"                                          \
            "4:\n b 6f\n"                                                                          \
            "5:\n" EDGEMNV2_MVE_FOUR(S, Q) "vpst\n vstrbt.32 q0, [r3, q7]\n"                       \
            "6:\n ldrd r1, r2, [sp, #8]\n add r1, r1, r2\n str r1, [sp, #8]\n"                     \
            "ldrd r3, r12, [sp, #16]\n add r3, #1\n subs r12, #1\n strd r3, r12, [sp, #16]\n"      \
            "bne.w 1b\n add sp, #24\n vpop {d8-d15}\n pop {r4-r11, pc}\n");                        \
    }

/* clang-format on */

#else

/* How results below zero are rounded: as they are, one smaller first, or once (_EVEN, _FINE). */
#define EDGEMNV2_MVE_FIX_PLAIN 0
#define EDGEMNV2_MVE_FIX_FIXED 1
#define EDGEMNV2_MVE_FIX_EVEN 2
#define EDGEMNV2_MVE_FIX_FINE 3

static inline int32_t edgemnv2_mve_requantize(uint32_t sum, const int32_t *channel, int32_t fix,
                                              int32_t zero_point) {
    const uint32_t steps = fix == EDGEMNV2_MVE_FIX_FINE ? sum << 8 : sum;
    const int64_t product = (int64_t)(int32_t)(steps + (uint32_t)channel[0]) * channel[1];
    const int64_t half = fix >= EDGEMNV2_MVE_FIX_EVEN ? 0 : (int64_t)1 << 30;
    int64_t high = (product + half) >> 31;
    const int32_t right = -channel[2];
    if (fix == EDGEMNV2_MVE_FIX_FIXED && high < 0) {
        --high;
    }
    if (right > 0) {
        high = (high + ((int64_t)1 << (right - 1))) >> right;
    }
    high += zero_point;
    return high < -128 ? -128 : high > 127 ? 127 : (int32_t)high;
}

static inline void edgemnv2_mve_tile_portable(const int8_t *x, const int32_t *stream, int8_t *y,
                                              int32_t predicate, int32_t rounding) {
    const int32_t groups = stream[0] + 1, depth = stream[5], flags = stream[6];
    const int32_t fix = rounding ? rounding : flags & 1;
    uint16_t offsets[8];
    memcpy(offsets, stream + 8, sizeof(offsets));
    const int8_t *record = (const int8_t *)(stream + EDGEMNV2_MVE_HEADER);
    const int8_t *end = record + stream[1];
    int32_t channels = 2;
    for (;;) {
        if (record == end) {
            if (!(flags & EDGEMNV2_ODD_CHANNELS) || channels == 1) {
                return;
            }
            channels = 1;
            end += flags >> 8;
        }
        for (int32_t pixel = 0; pixel < 4; ++pixel) {
            if (!(predicate >> (4 * pixel) & 1)) {
                continue;
            }
            for (int32_t c = 0; c < channels; ++c) {
                uint32_t sum = 0;
                int32_t channel[3];
                for (int32_t k = 0; k < depth; ++k) {
                    sum += (uint32_t)(x[pixel * stream[2] + k] *
                                      record[(k >> 4) * 32 + c * 16 + (k & 15)]);
                }
                memcpy(channel, record + groups * 32 + c * 12, sizeof(channel));
                y[offsets[2 * pixel + c]] =
                    (int8_t)edgemnv2_mve_requantize(sum, channel, fix, stream[3]);
            }
        }
        record += groups * 32 + 24;
        y += stream[4];
    }
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_MVE_ROUNDING_TFLITE 0
#define EDGEMNV2_MVE_ROUNDING_EVEN EDGEMNV2_MVE_FIX_EVEN
#define EDGEMNV2_MVE_ROUNDING_FINE EDGEMNV2_MVE_FIX_FINE
#define EDGEMNV2_MVE_SMALL(NAME, R)                                                                \
    static inline void edgemnv2_mve_##NAME(const int8_t *x, const int32_t *stream, int8_t *y,      \
                                           int32_t predicate)                                      \
    {                                                                                              \
        edgemnv2_mve_tile_portable(x, stream, y, predicate, EDGEMNV2_MVE_ROUNDING_##R);            \
    }
#define EDGEMNV2_MVE_TILE(P, NAME, R) EDGEMNV2_MVE_SMALL(tile_##NAME, R)

/* clang-format on */

static inline void edgemnv2_mve_dense(const int8_t *x, const int32_t *stream, int8_t *y) {
    const int32_t groups = stream[0], channels = stream[1], scale = stream[2];
    const int8_t *record = (const int8_t *)(stream + 4);
    for (int32_t c = 0; c < channels; ++c) {
        const int8_t *quad = record + (c >> 2) * (groups * 64 + 64);
        const int8_t *words = quad + groups * 64 + (c & 3) * 4;
        uint32_t sum = (uint32_t)edgemnv2_load32(words);
        for (int32_t k = 0; k < groups * 16; ++k) {
            sum += (uint32_t)(x[k] * quad[(k >> 4) * 64 + (c & 3) * 16 + (k & 15)]);
        }
        const int32_t scaled = (int32_t)(sum << scale);
        int32_t high = (int32_t)(((int64_t)scaled * edgemnv2_load32(words + 16)) >> 32);
        high += edgemnv2_load32(words + 32) - (stream[3] && scaled < 0 ? 1 << (scale - 1) : 0);
        y[c] = (int8_t)edgemnv2_saturate8(high >> -edgemnv2_load32(words + 48));
    }
}

static inline void edgemnv2_mve_interleave(const int8_t *row0, const int8_t *row1,
                                           const int8_t *row2, int8_t *columns, int32_t count) {
    for (int32_t i = 0; i < count; ++i) {
        columns[4 * i] = row0[i];
        columns[4 * i + 1] = row1[i];
        columns[4 * i + 2] = row2[i];
    }
}

static inline void edgemnv2_mve_depthwise_portable(const int8_t *columns, const int32_t *setup,
                                                   int8_t *y, const int32_t *records,
                                                   int32_t channels, int32_t step, int32_t fix) {
    const int32_t width = 4 * setup[1] + setup[2];
    for (int32_t c = 0; c < channels; ++c, records += 7, columns += setup[3], ++y) {
        int8_t taps[16];
        memcpy(taps, records, sizeof(taps));
        for (int32_t i = 0; i < width; ++i) {
            uint32_t sum = 0;
            for (int32_t k = 0; k < 12; ++k) {
                if ((k & 3) != 3) {
                    sum += (uint32_t)(columns[4 * step * i + k] * taps[k]);
                }
            }
            const int32_t value = edgemnv2_mve_requantize(sum, records + 4, fix, setup[4]);
            y[i * setup[0]] = (int8_t)(value < setup[5]   ? setup[5]
                                       : value > setup[6] ? setup[6]
                                                          : value);
        }
    }
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_MVE_DEPTHWISE(S, Q)                                                               \
    static inline void edgemnv2_mve_depthwise_##S##_##Q(const int8_t *columns,                     \
                                                        const int32_t *setup, int8_t *y,           \
                                                        const int32_t *records, int32_t channels)  \
    {                                                                                              \
        edgemnv2_mve_depthwise_portable(columns, setup, y, records, channels, S,                   \
                                        EDGEMNV2_MVE_FIX_##Q);                                     \
    }

/* clang-format on */

#endif

EDGEMNV2_MVE_TILE(3, 3, TFLITE)
EDGEMNV2_MVE_TILE(4, 4, TFLITE)
EDGEMNV2_MVE_SMALL(small, TFLITE)
EDGEMNV2_MVE_TILE(3, 3_EVEN, EVEN)
EDGEMNV2_MVE_TILE(4, 4_EVEN, EVEN)
EDGEMNV2_MVE_SMALL(small_EVEN, EVEN)
EDGEMNV2_MVE_TILE(3, 3_FINE, FINE)
EDGEMNV2_MVE_TILE(4, 4_FINE, FINE)
EDGEMNV2_MVE_SMALL(small_FINE, FINE)
EDGEMNV2_MVE_DEPTHWISE(1, PLAIN)
EDGEMNV2_MVE_DEPTHWISE(1, FIXED)
EDGEMNV2_MVE_DEPTHWISE(2, PLAIN)
EDGEMNV2_MVE_DEPTHWISE(2, FIXED)
EDGEMNV2_MVE_DEPTHWISE(1, EVEN)
EDGEMNV2_MVE_DEPTHWISE(2, EVEN)
EDGEMNV2_MVE_DEPTHWISE(1, FINE)
EDGEMNV2_MVE_DEPTHWISE(2, FINE)

#endif
