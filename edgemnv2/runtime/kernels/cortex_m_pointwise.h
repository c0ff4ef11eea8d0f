/* Matrix product of 1 to 4 pixels with a layer's streamed weights, requantised and stored.
 *
 * Activations are widened once for a tile of P pixels into words[pair * P + pixel], each word two
 * int16 of channels (0, 2), (1, 3), (4, 6) ... (the order in which SXTB16 makes them). The stream:
 *
 *     pairs of input channels, bytes of all even records, output stride, flags | record bytes << 8
 *     then for every two output channels one record:
 *         bias 0, bias 1 | weights | multiplier, offset, shift | multiplier, offset, shift
 *
 * "bytes": a weight word is two int16, w0 + 256 * w1 for two input channels: SXTB16 gives the
 * first output channel's pair, the raw word accumulates both and a subtraction leaves 256 times
 * the second one's sum. "halves": int16 weights, channel after channel; activations are widened
 * times 256. Either way accumulators end up scaled by 256, as the requantisation wants them.
 *
 * Output: pixel by pixel (PIXELS, stride from pixel to pixel) or, with EDGEMNV2_CHANNEL_ROWS,
 * channel by channel (ROWS, stride from channel to channel). FIXED where EDGEMNV2_SIGN_FIX is set,
 * COMMON where all shifts are 12 ("halves" only; activations are then widened as they are, and the
 * weights carry each channel's scale), else PLAIN. An odd last channel has a record of its own,
 * with zeros for its missing neighbour, which is not stored.
 */
#ifndef EDGEMNV2_CORTEX_M_POINTWISE_H
#define EDGEMNV2_CORTEX_M_POINTWISE_H

#include "cortex_m_base.h"
#include "cortex_m_tiles.h"

/* Input channel pairs per trip of the inner loop, a power of two: speed against code size. */
#ifndef EDGEMNV2_PAIR_UNROLL
#define EDGEMNV2_PAIR_UNROLL 16
#endif

#define EDGEMNV2_NAKED __attribute__((naked, noinline, unused)) static
#define EDGEMNV2_UNUSED __attribute__((unused))

#if EDGEMNV2_DSP

/* Assembly by macros: laid out by hand. */
/* clang-format off */
/* r8 = r0 + pairs (r4) * pixels * 4 */
#define EDGEMNV2_END_4 "add r8, r0, r4, lsl #4\n"
#define EDGEMNV2_END_3 "add r8, r4, r4, lsl #1\n add r8, r0, r8, lsl #2\n"
#define EDGEMNV2_END_2 "add r8, r0, r4, lsl #3\n"
#define EDGEMNV2_END_1 "add r8, r0, r4, lsl #2\n"

/* "bytes": separate the two channels' sums, both times 256. "halves": the first multiplier. */
#define EDGEMNV2_SPLIT(a, b) "sub " #b ", " #b ", " #a "\n lsl " #a ", " #a ", #8\n"
#define EDGEMNV2_SCALE_4_BYTES                                                                     \
    EDGEMNV2_SPLIT(r2, r6) EDGEMNV2_SPLIT(r3, r7) EDGEMNV2_SPLIT(r4, r8) EDGEMNV2_SPLIT(r5, r9)
#define EDGEMNV2_SCALE_3_BYTES EDGEMNV2_SPLIT(r2, r6) EDGEMNV2_SPLIT(r3, r7) EDGEMNV2_SPLIT(r4, r8)
#define EDGEMNV2_SCALE_2_BYTES EDGEMNV2_SPLIT(r2, r6) EDGEMNV2_SPLIT(r3, r7)
#define EDGEMNV2_SCALE_1_BYTES EDGEMNV2_SPLIT(r2, r6)
#define EDGEMNV2_SCALE_3_HALVES "ldr r12, [r1], #4\n"
#define EDGEMNV2_SCALE_2_HALVES EDGEMNV2_SCALE_3_HALVES
#define EDGEMNV2_SCALE_1_HALVES EDGEMNV2_SCALE_3_HALVES

/* An odd last channel's record is stored on the stack, with its neighbour that there is none of,
 * in rows or pixels side by side; the channel's own bytes go from there to where they belong. */
#define EDGEMNV2_ODD_STRIDE_PIXELS(P) "2"
#define EDGEMNV2_ODD_STRIDE_ROWS(P) #P
#define EDGEMNV2_ODD_1_PIXELS "ldrb r2, [sp, #48]\n strb r2, [r10]\n"
#define EDGEMNV2_ODD_2_PIXELS EDGEMNV2_ODD_1_PIXELS "ldrb r2, [sp, #50]\n strb r2, [r10, r11]\n"
#define EDGEMNV2_ODD_3_PIXELS                                                                      \
    EDGEMNV2_ODD_2_PIXELS "ldrb r2, [sp, #52]\n strb r2, [r10, r11, lsl #1]\n"
#define EDGEMNV2_ODD_4_PIXELS                                                                      \
    EDGEMNV2_ODD_3_PIXELS "add r10, r10, r11\n ldrb r2, [sp, #54]\n"                               \
    "strb r2, [r10, r11, lsl #1]\n"
#define EDGEMNV2_ODD_1_ROWS "ldrb r2, [sp, #48]\n strb r2, [r10]\n"
#define EDGEMNV2_ODD_2_ROWS EDGEMNV2_ODD_1_ROWS "ldrb r2, [sp, #49]\n strb r2, [r10, #1]\n"
#define EDGEMNV2_ODD_3_ROWS EDGEMNV2_ODD_2_ROWS "ldrb r2, [sp, #50]\n strb r2, [r10, #2]\n"
#define EDGEMNV2_ODD_4_ROWS EDGEMNV2_ODD_3_ROWS "ldrb r2, [sp, #51]\n strb r2, [r10, #3]\n"

/* Stack: 0 output, 4 stride, 8 activations, 12 end of records, 16 entry into the unrolled loop,
 * 20 end of activations, 28 whether the odd channel is under way, 32 flags, 40 output and stride
 * of the odd channel, 48 its bytes. */
#define EDGEMNV2_TILE(P, KIND, Q, ORDER)                                                           \
    EDGEMNV2_NAKED void edgemnv2_tile_##P##_##KIND##_##Q##_##ORDER(                                \
        EDGEMNV2_UNUSED const void *x, EDGEMNV2_UNUSED const int32_t *stream,                      \
        EDGEMNV2_UNUSED int8_t *y)                                                                 \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "push {r4-r11, lr}\n sub sp, #60\n"                                                    \
            "ldm r1!, {r4, r5, r6, r7}\n add r5, r5, r1\n" EDGEMNV2_END_##P                        \
            "strd r2, r6, [sp]\n strd r0, r5, [sp, #8]\n"                                          \
            "lsrs r4, r4, #1\n sub r4, r4, #1\n"                                                   \
            "and r4, r4, #(" EDGEMNV2_TEXT(EDGEMNV2_PAIR_UNROLL) " / 2 - 1)\n"                     \
            "mov r9, #" EDGEMNV2_TEXT(EDGEMNV2_GROUP_BYTES_##P##_##KIND) "\n mul r4, r4, r9\n"     \
            "adr.w r9, 3f\n sub r9, r9, r4\n orr r9, r9, #1\n strd r9, r8, [sp, #16]\n"            \
            "movs r4, #0\n strd r4, r7, [sp, #28]\n cmp r1, r5\n beq.w 7f\n"                       \
            "1:\n" EDGEMNV2_FIRST_##P##_##KIND "ldr pc, [sp, #16]\n"                               \
            "2:\n .rept " EDGEMNV2_TEXT(EDGEMNV2_PAIR_UNROLL) " / 2\n"                             \
            EDGEMNV2_GROUP_##P##_##KIND ".endr\n"                                                  \
            "3:\n ldr r10, [sp, #20]\n cmp r0, r10\n bne.w 2b\n"                                   \
            EDGEMNV2_SCALE_##P##_##KIND EDGEMNV2_EPILOGUE_##P##_##Q##_##ORDER "bne.w 1b\n"         \
            "7:\n ldrd r2, r12, [sp, #28]\n tst r12, #4\n beq.w 9f\n cbnz r2, 8f\n"                \
            "movs r2, #1\n str r2, [sp, #28]\n add r11, r1, r12, lsr #8\n str r11, [sp, #12]\n"    \
            "ldrd r10, r11, [sp]\n strd r10, r11, [sp, #40]\n add r10, sp, #48\n"                  \
            "mov r11, #" EDGEMNV2_ODD_STRIDE_##ORDER(P) "\n strd r10, r11, [sp]\n b.w 1b\n"        \
            "8:\n ldrd r10, r11, [sp, #40]\n" EDGEMNV2_ODD_##P##_##ORDER                           \
            "9:\n add sp, #60\n pop {r4-r11, pc}\n");                                              \
    }

/* clang-format on */

#else

#if defined(__ARM_ARCH_6M__) && defined(__ARMEL__) && defined(__GNUC__)

/* Assembly by macros: laid out by hand. */
/* clang-format off */
/* One output channel of P pixels: sums[] += activations x weights, a pair of input channels a trip.
 * Registers: r0 activations, lr weights, r12 their end, r2 r3 the pair's weights, r4... activations,
 * r1 product; sums in r8 to r11, which Armv6-M can add to: with eight registers, compilers keep them
 * on the stack. 2 loads, 8 multiplications, 8 additions and 15 others for 8 products of 4 pixels. */
#define EDGEMNV2_V6M_PIXEL(x, sum)                                                                 \
    "sxth r1, " #x "\n asrs " #x ", " #x ", #16\n muls r1, r2, r1\n"                               \
    "muls " #x ", r3, " #x "\n add " #sum ", r1\n add " #sum ", " #x "\n"
#define EDGEMNV2_V6M_1 "ldm r0!, {r4}\n" EDGEMNV2_V6M_PIXEL(r4, r8)
#define EDGEMNV2_V6M_2                                                                             \
    "ldm r0!, {r4, r5}\n" EDGEMNV2_V6M_PIXEL(r4, r8) EDGEMNV2_V6M_PIXEL(r5, r9)
#define EDGEMNV2_V6M_3                                                                             \
    "ldm r0!, {r4, r5, r6}\n" EDGEMNV2_V6M_PIXEL(r4, r8) EDGEMNV2_V6M_PIXEL(r5, r9)               \
    EDGEMNV2_V6M_PIXEL(r6, r10)
#define EDGEMNV2_V6M_4                                                                             \
    "ldm r0!, {r4, r5, r6, r7}\n" EDGEMNV2_V6M_PIXEL(r4, r8) EDGEMNV2_V6M_PIXEL(r5, r9)           \
    EDGEMNV2_V6M_PIXEL(r6, r10) EDGEMNV2_V6M_PIXEL(r7, r11)
#define EDGEMNV2_V6M_HALVES "#8\n mov lr, r1\n sxth r2, r3\n asrs r3, r3, #16\n"
#define EDGEMNV2_V6M_SECOND "#4\n mov lr, r1\n sxth r2, r3\n asrs r3, r3, #16\n"
#define EDGEMNV2_V6M_FIRST                                                                         \
    "#4\n mov lr, r1\n sxtb r2, r3\n asrs r3, r3, #16\n sxtb r3, r3\n"
#define EDGEMNV2_V6M_SUMS(P, KIND)                                                                 \
    EDGEMNV2_NAKED void edgemnv2_sums_##P##_##KIND(                                                \
        EDGEMNV2_UNUSED const void *x, EDGEMNV2_UNUSED const int32_t *weights,                     \
        EDGEMNV2_UNUSED const int32_t *end, EDGEMNV2_UNUSED uint32_t *sums)                        \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            ".syntax unified\n push {r4, r5, r6, r7, lr}\n"                                        \
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r3, r4, r5, r6, r7}\n"     \
            "mov r12, r2\n mov lr, r1\n ldm r3!, {r4, r5, r6, r7}\n"                               \
            "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"                                \
            "1: mov r1, lr\n ldr r3, [r1]\n adds r1, " EDGEMNV2_V6M_##KIND EDGEMNV2_V6M_##P       \
            "cmp lr, r12\n bne 1b\n"                                                               \
            "mov r0, r8\n mov r1, r9\n mov r2, r10\n pop {r3}\n stm r3!, {r0, r1, r2}\n"           \
            "mov r0, r11\n str r0, [r3]\n pop {r4, r5, r6, r7}\n"                                  \
            "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4, r5, r6, r7, pc}\n");    \
    }
#define EDGEMNV2_V6M(P)                                                                            \
    EDGEMNV2_V6M_SUMS(P, HALVES) EDGEMNV2_V6M_SUMS(P, FIRST) EDGEMNV2_V6M_SUMS(P, SECOND)
EDGEMNV2_V6M(1)
EDGEMNV2_V6M(2)
EDGEMNV2_V6M(3)
EDGEMNV2_V6M(4)
#define EDGEMNV2_V6M_CALL(P)                                                                       \
    if (halves) {                                                                                  \
        edgemnv2_sums_##P##_HALVES(x, weights, end, sum0);                                         \
        edgemnv2_sums_##P##_HALVES(x, weights + 1, end + 1, sum1);                                 \
    } else {                                                                                       \
        edgemnv2_sums_##P##_FIRST(x, weights, end, sum0);                                          \
        edgemnv2_sums_##P##_SECOND(x, weights, end, sum1);                                         \
    }

/* clang-format on */

EDGEMNV2_FLAT static inline void edgemnv2_tile_sums(const void *x, const int32_t *weights,
                                                    const int32_t *end, uint32_t *sum0,
                                                    uint32_t *sum1, int32_t pixels,
                                                    int32_t halves) {
    if (pixels == 4) {
        EDGEMNV2_V6M_CALL(4)
    } else if (pixels == 3) {
        EDGEMNV2_V6M_CALL(3)
    } else if (pixels == 2) {
        EDGEMNV2_V6M_CALL(2)
    } else {
        EDGEMNV2_V6M_CALL(1)
    }
}

#else

/* Two output channels of all pixels: each weight is read once, each activation meets both. With
 * enough registers for the sums, 12 loads, 16 multiplications and 16 additions for 16 products of 4
 * pixels; signs of bytes take 2 shifts each. */
EDGEMNV2_FLAT static inline void edgemnv2_tile_sums(const void *x, const int32_t *weights,
                                                    const int32_t *end, uint32_t *sum0,
                                                    uint32_t *sum1, int32_t pixels,
                                                    int32_t halves) {
    const int16_t *activations = (const int16_t *)x;
    for (; weights != end; weights += halves ? 2 : 1, activations += 2 * pixels) {
        const int16_t *pair = (const int16_t *)(const void *)weights;
        for (int32_t i = 0; i < 2; ++i) {
            const int32_t second = pair[halves ? 2 + i : i];
            const int32_t first = halves ? pair[i] : (int8_t)(second & 255);
            for (int32_t pixel = 0; pixel < pixels; ++pixel) {
                const int32_t value = activations[2 * pixel + i];
                sum0[pixel] += (uint32_t)(value * first);
                sum1[pixel] += (uint32_t)(value * second);
            }
        }
    }
}

#endif

EDGEMNV2_FLAT static inline void edgemnv2_tile_portable(const void *x, const int32_t *stream,
                                                        int8_t *y, int32_t pixels, int32_t halves) {
    const int32_t pairs = stream[0], stride = stream[2], flags = stream[3];
    const int32_t *record = stream + 4;
    const int32_t *end = record + stream[1] / 4;
    const int32_t pixel_step = (flags & EDGEMNV2_CHANNEL_ROWS) ? 1 : stride;
    const int32_t channel_step = (flags & EDGEMNV2_CHANNEL_ROWS) ? stride : 1;
    int32_t channels = 2;
    for (;;) {
        if (record == end) {
            if (!(flags & EDGEMNV2_ODD_CHANNELS) || channels == 1) {
                return;
            }
            channels = 1;
            end += (flags >> 8) / 4;
        }
        const int32_t *channel = record + 2 + pairs * (halves ? 2 : 1);
        uint32_t sum0[4] = {0}, sum1[4] = {0};
        for (int32_t pixel = 0; pixel < pixels; ++pixel) {
            sum0[pixel] = (uint32_t)record[0];
            sum1[pixel] = (uint32_t)record[1];
        }
        edgemnv2_tile_sums(x, record + 2, channel, sum0, sum1, pixels, halves);
        for (int32_t pixel = 0; pixel < pixels; ++pixel) {
            int8_t *to = y + pixel * pixel_step;
            const uint32_t first = halves ? sum0[pixel] : sum0[pixel] << 8;
            const uint32_t second = halves ? sum1[pixel] : sum1[pixel] - sum0[pixel];
            to[0] = (int8_t)edgemnv2_requantize((int32_t)first, channel, flags);
            if (channels == 2) {
                to[channel_step] = (int8_t)edgemnv2_requantize((int32_t)second, channel + 3, flags);
            }
        }
        record = channel + 6;
        y += 2 * channel_step;
    }
}

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_HALVES_BYTES 0
#define EDGEMNV2_HALVES_HALVES 1
#define EDGEMNV2_TILE(P, KIND, Q, ORDER)                                                           \
    __attribute__((noinline, unused)) static void edgemnv2_tile_##P##_##KIND##_##Q##_##ORDER(      \
        const void *x, const int32_t *stream, int8_t *y)                                           \
    {                                                                                              \
        edgemnv2_tile_portable(x, stream, y, P, EDGEMNV2_HALVES_##KIND);                           \
    }

/* clang-format on */

#endif

/* Two channels' pairs of one group of four bytes, into words[0] and words[pixels]. */
static inline void edgemnv2_widen_group_BYTES(int32_t group, int32_t *words, int32_t pixels) {
    int8_t bytes[4];
    memcpy(bytes, &group, 4);
    const int16_t even[2] = {bytes[0], bytes[2]}, odd[2] = {bytes[1], bytes[3]};
    memcpy(words, even, 4);
    memcpy(words + pixels, odd, 4);
}

static inline void edgemnv2_widen_group_HALVES(int32_t group, int32_t *words, int32_t pixels) {
    const uint32_t bits = (uint32_t)group;
    words[0] = (int32_t)((bits << 8) & 0xff00ff00U);
    words[pixels] = (int32_t)(bits & 0xff00ff00U);
}

#if EDGEMNV2_DSP

/* Assembly by macros: laid out by hand. */
/* clang-format off */
/* r0 ... r6 pixels, r1 words, r2 end of pixel 0, r3 mask. */
#define EDGEMNV2_EVEN_BYTES(to, from) "sxtb16 " #to ", " #from "\n"
#define EDGEMNV2_ODD_BYTES(to) "sxtb16 " #to ", " #to ", ror #8\n"
#define EDGEMNV2_EVEN_HALVES(to, from) "and " #to ", r3, " #from ", lsl #8\n"
#define EDGEMNV2_ODD_HALVES(to) "and " #to ", " #to ", r3\n"
#define EDGEMNV2_ROWS_1
#define EDGEMNV2_ROWS_2 "add r4, r0, r3\n"
#define EDGEMNV2_ROWS_3 EDGEMNV2_ROWS_2 "add r5, r4, r3\n"
#define EDGEMNV2_ROWS_4 EDGEMNV2_ROWS_3 "add r6, r5, r3\n"
#define EDGEMNV2_GROUP_1(K)                                                                        \
    "ldr r7, [r0], #4\n" EDGEMNV2_EVEN_##K(r11, r7) EDGEMNV2_ODD_##K(r7)                           \
    "strd r11, r7, [r1], #8\n"
#define EDGEMNV2_GROUP_2(K)                                                                        \
    "ldr r7, [r0], #4\n ldr r8, [r4], #4\n" EDGEMNV2_EVEN_##K(r11, r7) EDGEMNV2_EVEN_##K(r12, r8)  \
    EDGEMNV2_ODD_##K(r7) EDGEMNV2_ODD_##K(r8) "strd r11, r12, [r1], #8\n strd r7, r8, [r1], #8\n"
#define EDGEMNV2_GROUP_3(K)                                                                        \
    "ldr r7, [r0], #4\n ldr r8, [r4], #4\n ldr r9, [r5], #4\n" EDGEMNV2_EVEN_##K(r11, r7)          \
    EDGEMNV2_EVEN_##K(r12, r8) EDGEMNV2_EVEN_##K(lr, r9) "stm r1!, {r11, r12, lr}\n"               \
    EDGEMNV2_ODD_##K(r7) EDGEMNV2_ODD_##K(r8) EDGEMNV2_ODD_##K(r9) "stm r1!, {r7, r8, r9}\n"
#define EDGEMNV2_GROUP_4(K)                                                                        \
    "ldr r7, [r0], #4\n ldr r8, [r4], #4\n ldr r9, [r5], #4\n ldr r10, [r6], #4\n"                 \
    EDGEMNV2_EVEN_##K(r11, r7) EDGEMNV2_EVEN_##K(r12, r8) "strd r11, r12, [r1], #8\n"              \
    EDGEMNV2_EVEN_##K(r11, r9) EDGEMNV2_EVEN_##K(r12, r10) "strd r11, r12, [r1], #8\n"             \
    EDGEMNV2_ODD_##K(r7) EDGEMNV2_ODD_##K(r8) EDGEMNV2_ODD_##K(r9) EDGEMNV2_ODD_##K(r10)           \
    "stm r1!, {r7, r8, r9, r10}\n"

#define EDGEMNV2_WIDEN_GROUPS(P, KIND)                                                             \
    EDGEMNV2_NAKED void edgemnv2_widen_groups_##P##_##KIND(                                        \
        EDGEMNV2_UNUSED const int8_t *x, EDGEMNV2_UNUSED int32_t *words,                           \
        EDGEMNV2_UNUSED int32_t bytes, EDGEMNV2_UNUSED int32_t step)                               \
    {                                                                                              \
        __asm__ volatile("push {r4-r11, lr}\n add r2, r2, r0\n" EDGEMNV2_ROWS_##P                  \
                         "mov r3, #0xff00ff00\n cmp r0, r2\n beq 2f\n"                             \
                         "1:\n" EDGEMNV2_GROUP_##P(KIND) "cmp r0, r2\n bne 1b\n"                   \
                         "2:\n pop {r4-r11, pc}\n");                                               \
    }

/* clang-format on */

#else

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_WIDEN_GROUPS(P, KIND)                                                             \
    static inline void edgemnv2_widen_groups_##P##_##KIND(const int8_t *x, int32_t *words,         \
                                                          int32_t bytes, int32_t step)             \
    {                                                                                              \
        for (int32_t i = 0; i < bytes; i += 4, words += 2 * P) {                                   \
            for (int32_t pixel = 0; pixel < P; ++pixel) {                                          \
                edgemnv2_widen_group_##KIND(edgemnv2_load32(x + pixel * step + i), words + pixel,  \
                                            P);                                                    \
            }                                                                                      \
        }                                                                                          \
    }

/* clang-format on */

#endif

/* `count` input channels of P pixels (`step` bytes apart), widened; the last group is completed
 * with zeros, which meet zero weights. */
/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_WIDEN(P, KIND)                                                                    \
    static inline void edgemnv2_widen_##P##_##KIND(const void *from, void *to, int32_t count,      \
                                                   int32_t step)                                   \
    {                                                                                              \
        const int8_t *x = (const int8_t *)from;                                                    \
        int32_t *words = (int32_t *)to;                                                            \
        edgemnv2_widen_groups_##P##_##KIND(x, words, count & ~3, step);                            \
        if (count & 3) {                                                                           \
            x += count & ~3;                                                                       \
            words += (count >> 2) * (2 * P);                                                       \
            for (int32_t pixel = 0; pixel < P; ++pixel, x += step) {                               \
                int32_t group = 0;                                                                 \
                memcpy(&group, x, (size_t)(count & 3));                                            \
                edgemnv2_widen_group_##KIND(group, words + pixel, P);                              \
            }                                                                                      \
        }                                                                                          \
    }

#define EDGEMNV2_BOTH(P, KIND)                                                                     \
    EDGEMNV2_TILE(P, KIND, PLAIN, ROWS) EDGEMNV2_TILE(P, KIND, PLAIN, PIXELS)                      \
    EDGEMNV2_TILE(P, KIND, FIXED, ROWS) EDGEMNV2_TILE(P, KIND, FIXED, PIXELS)                      \
    EDGEMNV2_WIDEN_GROUPS(P, KIND) EDGEMNV2_WIDEN(P, KIND)
#define EDGEMNV2_COMMON(P)                                                                         \
    EDGEMNV2_TILE(P, HALVES, COMMON, ROWS) EDGEMNV2_TILE(P, HALVES, COMMON, PIXELS)
EDGEMNV2_BOTH(1, BYTES)
EDGEMNV2_BOTH(2, BYTES)
EDGEMNV2_BOTH(3, BYTES)
EDGEMNV2_BOTH(4, BYTES)
EDGEMNV2_BOTH(1, HALVES)
EDGEMNV2_BOTH(2, HALVES)
EDGEMNV2_BOTH(3, HALVES)
EDGEMNV2_BOTH(4, HALVES)
EDGEMNV2_COMMON(1)
EDGEMNV2_COMMON(2)
EDGEMNV2_COMMON(3)
EDGEMNV2_COMMON(4)

/* clang-format on */

/* One pixel, four output channels at a time, any weights and any scale of the sums. The stream:
 * groups of four input channels, output channels, flags, scale bits, output step; then for every
 * four channels (zeros complete the last ones) four biases, four bytes of each channel, group
 * after group, and four times multiplier, offset, shift. */
#define EDGEMNV2_QUADS_HEADER 5

#if EDGEMNV2_DSP

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_QUAD_GROUP                                                                        \
    "ldrd r8, r9, [r0], #8\n ldm r1!, {r3, r10, r11, lr}\n sxtb16 r12, r3\n"                       \
    "sxtb16 r3, r3, ror #8\n smlad r4, r8, r12, r4\n sxtb16 r12, lr\n smlad r4, r9, r3, r4\n"      \
    "sxtb16 lr, lr, ror #8\n smlad r7, r8, r12, r7\n sxtb16 r3, r11, ror #8\n"                     \
    "smlad r7, r9, lr, r7\n sxtb16 r12, r10\n smlad r6, r9, r3, r6\n sxtb16 r10, r10, ror #8\n"    \
    "smlad r5, r8, r12, r5\n sxtb16 r12, r11\n smlad r5, r9, r10, r5\n smlad r6, r8, r12, r6\n"
/* The last one of a trip also counts the trip. */
#define EDGEMNV2_QUAD_LAST                                                                         \
    "ldrd r8, r9, [r0], #8\n ldm r1!, {r3, r10, r11, r12}\n sxtb16 lr, r3\n subs r2, #1\n"         \
    "smlad r4, r8, lr, r4\n sxtb16 lr, r10\n sxtb16 r3, r3, ror #8\n smlad r5, r8, lr, r5\n"       \
    "sxtb16 lr, r11\n smlad r4, r9, r3, r4\n sxtb16 r11, r11, ror #8\n smlad r6, r8, lr, r6\n"     \
    "sxtb16 r10, r10, ror #8\n smlad r6, r9, r11, r6\n sxtb16 lr, r12, ror #8\n"                   \
    "smlad r5, r9, r10, r5\n sxtb16 r12, r12\n smlad r7, r9, lr, r7\n smlad r7, r8, r12, r7\n"

/* Adds to four sums in memory. */
EDGEMNV2_NAKED void edgemnv2_quad_sums(EDGEMNV2_UNUSED const int32_t *x,
                                       EDGEMNV2_UNUSED const int32_t *weights,
                                       EDGEMNV2_UNUSED int32_t groups,
                                       EDGEMNV2_UNUSED int32_t *sums)
{
    __asm__ volatile("push {r3-r11, lr}\n ldm r3, {r4, r5, r6, r7}\n"
                     "tst r2, #1\n beq 1f\n" EDGEMNV2_QUAD_GROUP "1:\n tst r2, #2\n beq 2f\n"
                     EDGEMNV2_QUAD_GROUP EDGEMNV2_QUAD_GROUP "2:\n lsrs r2, r2, #2\n beq 4f\n"
                     "3:\n" EDGEMNV2_QUAD_GROUP EDGEMNV2_QUAD_GROUP
                     EDGEMNV2_QUAD_GROUP EDGEMNV2_QUAD_LAST "bne 3b\n"
                     "4:\n pop {r3}\n stm r3, {r4, r5, r6, r7}\n pop {r4-r11, pc}\n");
}

/* clang-format on */

#else

static inline void edgemnv2_quad_sums(const int32_t *x, const int32_t *weights, int32_t groups,
                                      int32_t *sums) {
    const int16_t *pairs = (const int16_t *)(const void *)x;
    const int8_t *bytes = (const int8_t *)weights;
    for (int32_t group = 0; group < groups; ++group, pairs += 4, bytes += 16) {
        for (int32_t c = 0; c < 4; ++c) {
            const int8_t *w = bytes + 4 * c;
            sums[c] += pairs[0] * w[0] + pairs[1] * w[2] + pairs[2] * w[1] + pairs[3] * w[3];
        }
    }
}

#endif

__attribute__((noinline, unused)) static void edgemnv2_quads(const void *x, const int32_t *stream,
                                                             int8_t *y) {
    const int32_t groups = stream[0], flags = stream[2], scale = stream[3], step = stream[4];
    int32_t left = stream[1];
    const int32_t fix = (flags & EDGEMNV2_SIGN_FIX) ? 1 << (scale - 1) : 0;
    stream += EDGEMNV2_QUADS_HEADER;
    for (; left > 0; left -= 4) {
        int32_t sums[4];
        memcpy(sums, stream, sizeof(sums));
        edgemnv2_quad_sums((const int32_t *)x, stream + 4, groups, sums);
        stream += 4 + 4 * groups;
        for (int32_t c = 0; c < 4; ++c, stream += 3) {
            const int32_t scaled = (int32_t)((uint32_t)sums[c] << scale);
            const int32_t high = edgemnv2_high32(scaled, stream[0]);
            const int32_t offset = stream[1] - (scaled < 0 ? fix : 0);
            if (c < left) {
                *y = (int8_t)edgemnv2_saturate8((high + offset) >> stream[2]);
                y += step;
            }
        }
    }
}

#endif
