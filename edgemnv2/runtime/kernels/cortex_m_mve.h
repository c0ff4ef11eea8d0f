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
 * two output channels 16 weights of the first, 16 of the second, ... (zeros complete the last
 * group), the biases of both, multipliers, -right shifts; but the first 16 weights stand in front
 * of the numbers of the channels before, so that they are loaded in time (behind the last channels
 * there are zeros). What is between two ends of such numbers is called a record.
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

/* The M55 begins an instruction a cycle; one of vectors keeps its unit (loads and stores;
 * multiplications; the rest) for two cycles, in which another unit can begin. So loads,
 * multiplications and additions alternate below.
 *
 * Registers: sums r0 r2 r4 r6 of channel 0, r8 r10 r12 lr of channel 1, pixels r1 r3 r5 r7,
 * weights r9, their end r11; q0 the next 16 weights of channel 0, q7 offsets; p0 the outputs that
 * exist. Stack: 0 output, 4 its advance, 8-23 pixels, 24 bytes of a record's weights, 28 entry
 * into the loop, 32 end of even records, 36 flags, 40 zero point, 48 predicate. */
#define EDGEMNV2_MVE_GROUP_3(MLA)                                                                  \
    "vldrb.8 q2, [r1], #16\n " MLA " r0, q0, q2\n vldrb.8 q1, [r9], #16\n " MLA " r8, q1, q2\n"    \
    "vldrb.8 q3, [r3], #16\n " MLA " r2, q0, q3\n vldrb.8 q2, [r5], #16\n " MLA " r10, q1, q3\n "  \
    MLA " r4, q0, q2\n vldrb.8 q0, [r9], #16\n " MLA " r12, q1, q2\n"
#define EDGEMNV2_MVE_GROUP_4(MLA)                                                                  \
    "vldrb.8 q2, [r1], #16\n " MLA " r0, q0, q2\n vldrb.8 q1, [r9], #16\n " MLA " r8, q1, q2\n"    \
    "vldrb.8 q3, [r3], #16\n " MLA " r2, q0, q3\n vldrb.8 q2, [r5], #16\n " MLA " r10, q1, q3\n"   \
    "vldrb.8 q3, [r7], #16\n " MLA " r4, q0, q2\n " MLA " r6, q0, q3\n vldrb.8 q0, [r9], #16\n "   \
    MLA " r12, q1, q2\n " MLA " lr, q1, q3\n"
#define EDGEMNV2_MVE_GROUP_BYTES_3 44
#define EDGEMNV2_MVE_GROUP_BYTES_4 56

/* The high multiplication, and the sign fix of a vector by another. */
#define EDGEMNV2_MVE_HIGH_PLAIN "vqrdmulh.s32 "
#define EDGEMNV2_MVE_HIGH_FIXED "vqrdmulh.s32 "
#define EDGEMNV2_MVE_HIGH_EVEN "vqdmulh.s32 "
#define EDGEMNV2_MVE_HIGH_FINE EDGEMNV2_MVE_HIGH_EVEN
#define EDGEMNV2_MVE_FIX_PLAIN(a, t)
#define EDGEMNV2_MVE_FIX_EVEN(a, t)
#define EDGEMNV2_MVE_FIX_FINE(a, t)
#define EDGEMNV2_MVE_FIX_FIXED(a, t)                                                               \
    "vshr.s32 " #t ", " #a ", #31\n vadd.i32 " #a ", " #a ", " #t "\n"

/* Sums in the steps of their biases. */
#define EDGEMNV2_MVE_STEP_PLAIN(a)
#define EDGEMNV2_MVE_STEP_FIXED(a)
#define EDGEMNV2_MVE_STEP_EVEN(a)
#define EDGEMNV2_MVE_STEP_FINE(a) "vshl.i32 " #a ", " #a ", #8\n"

/* Four sums of each channel, requantised, joined in q4, stored; what the next record begins with
 * is loaded meanwhile. */
#define EDGEMNV2_MVE_FINISH(R)                                                                     \
    "vmov q4[2], q4[0], r0, r4\n vmov q4[3], q4[1], r2, r6\n"                                      \
    "vmov q5[2], q5[0], r8, r12\n vmov q5[3], q5[1], r10, lr\n"                                    \
    "ldm r9!, {r0, r2, r4, r6, r8, r10}\n" EDGEMNV2_MVE_STEP_##R(q4) EDGEMNV2_MVE_STEP_##R(q5)     \
    "vadd.i32 q4, q4, r0\n ldrd r1, r3, [sp, #8]\n vadd.i32 q5, q5, r2\n"                          \
    EDGEMNV2_MVE_HIGH_##R "q4, q4, r4\n ldrd r5, r7, [sp, #16]\n"                                  \
    EDGEMNV2_MVE_HIGH_##R "q5, q5, r6\n" EDGEMNV2_MVE_FIX_##R(q4, q6)                              \
    "vrshl.s32 q4, r8\n ldrd r12, lr, [sp]\n" EDGEMNV2_MVE_FIX_##R(q5, q6)                         \
    "vrshl.s32 q5, r10\n ldr r2, [sp, #40]\n vqmovnb.s32 q4, q4\n ldr r0, [sp, #32]\n"             \
    "vqmovnt.s32 q4, q5\n add lr, lr, r12\n vqadd.s16 q4, q4, r2\n ldr r11, [sp, #24]\n"           \
    "vqmovnb.s16 q4, q4\n add r11, r11, r9\n vpst\n vstrbt.16 q4, [r12, q7]\n str lr, [sp]\n"      \
    "cmp r9, r0\n"

/* At the end of the even records: the odd last channel, if any, under a predicate of its own. */
#define EDGEMNV2_MVE_NEXT                                                                          \
    "8:\n bne.w 1b\n"                                                                              \
    "ldr r0, [sp, #36]\n tst r0, #4\n beq 9f\n bic r2, r0, #4\n str r2, [sp, #36]\n"               \
    "add r2, r9, r0, lsr #8\n str r2, [sp, #32]\n ldr r0, [sp, #48]\n movw r2, #0x3333\n"          \
    "and r0, r0, r2\n vmsr p0, r0\n b.w 1b\n"                                                      \
    "9:\n add sp, #52\n vpop {d8-d15}\n pop {r4-r11, pc}\n"

/* r0 pixels, r1 stream, r2 output, r3 predicate. Pixels beyond the tile are read again from its
 * first pixel, their results not stored. `W` takes the first 16 weights. */
#define EDGEMNV2_MVE_START(W)                                                                      \
    "push {r4-r11, lr}\n vpush {d8-d15}\n sub sp, #52\n"                                           \
    "ldm r1!, {r4, r5, r6, r7, r8, r9, r10, r11}\n vldrh.16 q7, [r1], #16\n"                       \
    "vldrb.8 " #W ", [r1], #16\n"                                                                  \
    "vmsr p0, r3\n str r3, [sp, #48]\n strd r2, r8, [sp]\n str r7, [sp, #40]\n"                    \
    "add r5, r5, r1\n strd r5, r10, [sp, #32]\n"                                                   \
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
            EDGEMNV2_MVE_START(q0)                                                                 \
            "mov r9, r1\n add r5, r4, #1\n lsl r5, r5, #5\n str r5, [sp, #24]\n"                   \
            "add r11, r5, r9\n and r4, r4, #7\n"                                                   \
            "mov r5, #" EDGEMNV2_TEXT(EDGEMNV2_MVE_GROUP_BYTES_##P) "\n"                           \
            "mul r4, r4, r5\n adr.w r5, 3f\n sub r5, r5, r4\n"                                     \
            "orr r5, r5, #1\n str r5, [sp, #28]\n"                                                 \
            "ldrd r1, r3, [sp, #8]\n ldrd r5, r7, [sp, #16]\n ldr r0, [sp, #32]\n"                 \
            "cmp r9, r0\n b.w 8f\n"                                                                \
            "1:\n" EDGEMNV2_MVE_GROUP_##P("vmladav.s8") "ldr pc, [sp, #28]\n"                      \
            "2:\n .rept 8\n" EDGEMNV2_MVE_GROUP_##P("vmladava.s8") ".endr\n"                       \
            "3:\n cmp r9, r11\n bne.w 2b\n" EDGEMNV2_MVE_FINISH(R) EDGEMNV2_MVE_NEXT);             \
    }

/* Up to 16 input channels: the pixels stay in q0 ... q3. While a record is multiplied, the sums
 * before it (q5, q6) are requantised. Registers: scale r1 r5, output r3, zero point r7, the last
 * record's scale r11; q4 weights. */
#define EDGEMNV2_MVE_SUMS                                                                          \
    "vmov q5[2], q5[0], r0, r4\n vmov q5[3], q5[1], r2, r6\n"                                      \
    "vmov q6[2], q6[0], r8, r12\n vmov q6[3], q6[1], r10, lr\n"
#define EDGEMNV2_MVE_SMALL(NAME, R)                                                                \
    EDGEMNV2_MVE_NAKED void edgemnv2_mve_##NAME(                                                   \
        EDGEMNV2_MVE_UNUSED const int8_t *x, EDGEMNV2_MVE_UNUSED const int32_t *stream,            \
        EDGEMNV2_MVE_UNUSED int8_t *y, EDGEMNV2_MVE_UNUSED int32_t predicate)                      \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            EDGEMNV2_MVE_START(q4)                                                                 \
            "vctp.8 r9\n vpstttt\n vldrbt.u8 q0, [r0]\n vldrbt.u8 q1, [r5]\n"                      \
            "vldrbt.u8 q2, [r7]\n vldrbt.u8 q3, [r8]\n vmsr p0, r3\n mov r9, r1\n"                 \
            "ldrd r11, r12, [sp, #32]\n tst r12, #4\n ittt ne\n addne r11, r11, r12, lsr #8\n"     \
            "movwne r2, #0x3333\n andne r3, r3, r2\n str r3, [sp, #48]\n sub r11, #24\n"           \
            "ldr r3, [sp]\n ldr r7, [sp, #40]\n"                                                   \
            "vmladav.s8 r0, q0, q4\n vmladav.s8 r2, q1, q4\n vmladav.s8 r4, q2, q4\n"              \
            "vmladav.s8 r6, q3, q4\n vldrb.8 q4, [r9], #16\n vmladav.s8 r8, q0, q4\n"              \
            "vmladav.s8 r10, q1, q4\n vmladav.s8 r12, q2, q4\n vmladav.s8 lr, q3, q4\n"            \
            "vldrb.8 q4, [r9], #16\n" EDGEMNV2_MVE_SUMS "cmp r9, r11\n beq.w 2f\n"                 \
            "1:\n ldrd r1, r5, [r9], #8\n" EDGEMNV2_MVE_STEP_##R(q5) EDGEMNV2_MVE_STEP_##R(q6)     \
            "vmladav.s8 r0, q0, q4\n vadd.i32 q5, q5, r1\n"                                        \
            "vmladav.s8 r2, q1, q4\n vadd.i32 q6, q6, r5\n ldrd r1, r5, [r9], #8\n"                \
            EDGEMNV2_MVE_HIGH_##R "q5, q5, r1\n vmladav.s8 r4, q2, q4\n"                           \
            EDGEMNV2_MVE_HIGH_##R "q6, q6, r5\n vmladav.s8 r6, q3, q4\n"                           \
            EDGEMNV2_MVE_FIX_##R(q5, q4) EDGEMNV2_MVE_FIX_##R(q6, q4)                              \
            "ldrd r1, r5, [r9], #8\n vrshl.s32 q5, r1\n vldrb.8 q4, [r9], #16\n"                   \
            "vrshl.s32 q6, r5\n vmladav.s8 r8, q0, q4\n vqmovnb.s32 q5, q5\n"                      \
            "vmladav.s8 r10, q1, q4\n vqmovnt.s32 q5, q6\n vmladav.s8 r12, q2, q4\n"               \
            "vqadd.s16 q5, q5, r7\n vmladav.s8 lr, q3, q4\n vqmovnb.s16 q5, q5\n"                  \
            "vldrb.8 q4, [r9], #16\n ldr r1, [sp, #4]\n cmp r9, r11\n vpst\n"                      \
            "vstrbt.16 q5, [r3, q7]\n add r3, r3, r1\n" EDGEMNV2_MVE_SUMS "bne.w 1b\n"             \
            "2:\n ldr r0, [sp, #48]\n vmsr p0, r0\n ldm r9!, {r0, r1, r2, r4, r5, r6}\n"           \
            EDGEMNV2_MVE_STEP_##R(q5) EDGEMNV2_MVE_STEP_##R(q6)                                    \
            "vadd.i32 q5, q5, r0\n vadd.i32 q6, q6, r1\n"                                          \
            EDGEMNV2_MVE_HIGH_##R "q5, q5, r2\n " EDGEMNV2_MVE_HIGH_##R "q6, q6, r4\n"             \
            EDGEMNV2_MVE_FIX_##R(q5, q4) EDGEMNV2_MVE_FIX_##R(q6, q4)                              \
            "vrshl.s32 q5, r5\n vrshl.s32 q6, r6\n vqmovnb.s32 q5, q5\n vqmovnt.s32 q5, q6\n"      \
            "vqadd.s16 q5, q5, r7\n vqmovnb.s16 q5, q5\n vpst\n vstrbt.16 q5, [r3, q7]\n"          \
            "add sp, #52\n vpop {d8-d15}\n pop {r4-r11, pc}\n");                                   \
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

/* While four windows are multiplied, the four sums before them (q0) are requantised. Registers:
 * columns r1, output r3, sums r0 r2 r4 r6, bias r5, multiplier r7, shift r8, records r9, zero point
 * r10, advance r11; q4 weights, q5 q6 clamp, q7 offsets; p0 the last outputs of a row. */
#define EDGEMNV2_MVE_WINDOWS(S)                                                                    \
    "vldrb.8 q1, [r1, #4 * " #S "]\n vmladav.s8 r2, q1, q4\n"                                      \
    "vldrb.8 q2, [r1, #8 * " #S "]\n vmladav.s8 r4, q2, q4\n"                                      \
    "vldrb.8 q3, [r1, #12 * " #S "]\n vmladav.s8 r6, q3, q4\n"                                     \
    "vldrb.8 q1, [r1], #16 * " #S "\n vmladav.s8 r0, q1, q4\n"                                     \
    "vmov q0[3], q0[1], r2, r6\n vmov q0[2], q0[0], r0, r4\n"
#define EDGEMNV2_MVE_FOUR(S, Q)                                                                    \
    "vldrb.8 q1, [r1, #4 * " #S "]\n" EDGEMNV2_MVE_STEP_##Q(q0)                                    \
    "vadd.i32 q0, q0, r5\n vmladav.s8 r2, q1, q4\n"                                                \
    "vldrb.8 q1, [r1, #8 * " #S "]\n" EDGEMNV2_MVE_HIGH_##Q "q0, q0, r7\n"                         \
    "vldrb.8 q2, [r1, #12 * " #S "]\n vmladav.s8 r4, q1, q4\n" EDGEMNV2_MVE_FIX_##Q(q0, q3)        \
    "vrshl.s32 q0, r8\n vmladav.s8 r6, q2, q4\n vadd.i32 q0, q0, r10\n"                            \
    "vldrb.8 q1, [r1], #16 * " #S "\n vmax.s32 q0, q0, q5\n vmladav.s8 r0, q1, q4\n"               \
    "vmin.s32 q0, q0, q6\n vstrb.32 q0, [r3, q7]\n vmov q0[3], q0[1], r2, r6\n"                    \
    "add r3, r3, r11\n vmov q0[2], q0[0], r0, r4\n"

/* `channels` channels of a group; `setup`: output channels, (width - 1) / 4, outputs of the last
 * four, bytes of a channel's columns, zero point, least and greatest output, 0. `records`, seven
 * words a channel: 16 taps (column by column, 0 in every fourth place and the last four), bias,
 * multiplier, -right shift. */
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
            "lsl r11, r4, #2\n str r5, [sp]\n strd r0, r7, [sp, #8]\n"                             \
            "ldr r12, [sp, #124]\n strd r3, r12, [sp, #16]\n"                                      \
            "1:\n ldr r1, [sp, #8]\n ldr r3, [sp, #16]\n vldrb.8 q4, [r9], #16\n"                  \
            "ldm r9!, {r5, r7, r8}\n ldr lr, [sp]\n" EDGEMNV2_MVE_WINDOWS(S) "wls lr, lr, 3f\n"    \
            "2:\n" EDGEMNV2_MVE_FOUR(S, Q) "le lr, 2b\n"                                           \
            "3:\n" EDGEMNV2_MVE_STEP_##Q(q0) "vadd.i32 q0, q0, r5\n ldrd r1, r2, [sp, #8]\n"       \
            EDGEMNV2_MVE_HIGH_##Q "q0, q0, r7\n add r1, r1, r2\n"                                  \
            EDGEMNV2_MVE_FIX_##Q(q0, q3) "vrshl.s32 q0, r8\n str r1, [sp, #8]\n"                   \
            "vadd.i32 q0, q0, r10\n ldrd r4, r12, [sp, #16]\n vmax.s32 q0, q0, q5\n"               \
            "add r4, #1\n vmin.s32 q0, q0, q6\n subs r12, #1\n vpst\n vstrbt.32 q0, [r3, q7]\n"    \
            "strd r4, r12, [sp, #16]\n"                                                            \
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
                                              int32_t predicate, int32_t fix) {
    const int32_t groups = stream[0] + 1, depth = stream[5], flags = stream[6];
    uint16_t offsets[8];
    memcpy(offsets, stream + 8, sizeof(offsets));
    const int8_t *record = (const int8_t *)(stream + EDGEMNV2_MVE_HEADER) + 16;
    const int8_t *end = record + stream[1], *first = record - 16;
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
                    const int8_t *weights =
                        c == 0 && k < 16 ? first : record + (k >> 4) * 32 + c * 16 - 16;
                    sum += (uint32_t)(x[pixel * stream[2] + k] * weights[k & 15]);
                }
                for (int32_t i = 0; i < 3; ++i) {
                    channel[i] = edgemnv2_load32(record + groups * 32 + 8 * i + 4 * c);
                }
                y[offsets[2 * pixel + c]] =
                    (int8_t)edgemnv2_mve_requantize(sum, channel, fix, stream[3]);
            }
        }
        first = record + groups * 32 - 16;
        record += groups * 32 + 24;
        y += stream[4];
    }
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_MVE_SMALL(NAME, R)                                                                \
    static inline void edgemnv2_mve_##NAME(const int8_t *x, const int32_t *stream, int8_t *y,      \
                                           int32_t predicate)                                      \
    {                                                                                              \
        edgemnv2_mve_tile_portable(x, stream, y, predicate, EDGEMNV2_MVE_FIX_##R);                \
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

EDGEMNV2_MVE_TILE(3, 3_PLAIN, PLAIN)
EDGEMNV2_MVE_TILE(4, 4_PLAIN, PLAIN)
EDGEMNV2_MVE_SMALL(small_PLAIN, PLAIN)
EDGEMNV2_MVE_TILE(3, 3_FIXED, FIXED)
EDGEMNV2_MVE_TILE(4, 4_FIXED, FIXED)
EDGEMNV2_MVE_SMALL(small_FIXED, FIXED)
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
