/* The matrix product of cortex_m_pointwise.h for P pixels, in the order in which a pipe takes it.
 *
 * Registers: r0 activations, r1 stream; sums of output channel 0 in r2.., of channel 1 in r6..;
 * two of lr, r12 and, where free, r9 the two channels' weights; r10, r11 (and r5 where free)
 * activations.
 *
 * The orders were searched for with LLVM's models of Cortex-M7 and M4 under what each instruction
 * needs of others. What they have in common: a load, an extension or a shift stands right before a
 * multiplication, since the M7 begins both in one cycle; nothing is used by the instruction behind
 * its load, for which an M4 would wait; a pointer moves once for two loads. So the words of "bytes"
 * are loaded one ahead, and behind the last weight that is the first multiplier.
 *
 * EDGEMNV2_DUAL_ISSUE: two instructions a cycle. A load of two words is begun alone, and two loads
 * are free beside multiplications; to an M4 they are one instruction more.
 */
#ifndef EDGEMNV2_CORTEX_M_TILES_H
#define EDGEMNV2_CORTEX_M_TILES_H

/* Assembly by macros: laid out by hand. */
/* clang-format off */
/* FIRST: four input channels, to which the biases (in the last sums' registers) are added. GROUP:
 * four more, and bytes of its code for the computed entry. */
#if defined(EDGEMNV2_DUAL_ISSUE)
#define EDGEMNV2_FIRST_4_HALVES                                                                    \
    "ldrd r12, lr, [r1, #8]\n ldrd r5, r9, [r1], #28\n ldrd r10, r11, [r0], #32\n"                 \
    "smlad r6, r10, lr, r9\n smlad r2, r10, r12, r5\n smlad r7, r11, lr, r9\n"                     \
    "smlad r3, r11, r12, r5\n ldrd r10, r11, [r0, #-24]\n smlad r8, r10, lr, r9\n"                 \
    "smlad r4, r10, r12, r5\n ldr r10, [r0, #-16]\n smlad r5, r11, r12, r5\n"                      \
    "ldr r12, [r1, #-12]\n smlad r9, r11, lr, r9\n ldr lr, [r1, #-8]\n smlad r2, r10, r12, r2\n"   \
    "ldr r11, [r0, #-12]\n smlad r6, r10, lr, r6\n ldr r10, [r0, #-8]\n smlad r7, r11, lr, r7\n"   \
    "smlad r3, r11, r12, r3\n ldr r11, [r0, #-4]\n smlad r8, r10, lr, r8\n"                        \
    "smlad r5, r11, r12, r5\n smlad r9, r11, lr, r9\n smlad r4, r10, r12, r4\n"                    \
    "ldr r12, [r1, #-4]\n"
#define EDGEMNV2_GROUP_4_HALVES                                                                    \
    "ldrd r10, r11, [r0], #32\n ldr lr, [r1], #16\n smlad r2, r10, r12, r2\n"                      \
    "smlad r6, r10, lr, r6\n smlad r7, r11, lr, r7\n ldr r10, [r0, #-24]\n"                        \
    "smlad r3, r11, r12, r3\n smlad r4, r10, r12, r4\n ldr r11, [r0, #-20]\n"                      \
    "smlad r8, r10, lr, r8\n ldr r10, [r0, #-12]\n smlad r5, r11, r12, r5\n ldr r12, [r1, #-12]\n" \
    "smlad r9, r11, lr, r9\n ldr lr, [r1, #-8]\n smlad r3, r10, r12, r3\n ldr r11, [r0, #-16]\n"   \
    "smlad r7, r10, lr, r7\n ldr r10, [r0, #-8]\n smlad r2, r11, r12, r2\n"                        \
    "smlad r6, r11, lr, r6\n ldr r11, [r0, #-4]\n smlad r4, r10, r12, r4\n"                        \
    "smlad r5, r11, r12, r5\n ldr r12, [r1, #-4]\n smlad r8, r10, lr, r8\n"                        \
    "smlad r9, r11, lr, r9\n"
#define EDGEMNV2_GROUP_BYTES_4_HALVES 108
#define EDGEMNV2_FIRST_3_BYTES                                                                     \
    "ldr r11, [r0, #8]\n ldr r12, [r1, #8]\n ldrd r5, r10, [r0], #24\n ldrd r4, r8, [r1], #20\n"   \
    "sxtb16 lr, r12\n smlad r7, r10, r12, r8\n smlad r6, r5, r12, r8\n smlad r8, r11, r12, r8\n"   \
    "smlad r3, r10, lr, r4\n smlad r2, r5, lr, r4\n ldr r12, [r1, #-8]\n smlad r4, r11, lr, r4\n"  \
    "ldrd r5, r10, [r0, #-12]\n ldr r11, [r0, #-4]\n smlad r6, r5, r12, r6\n sxtb16 lr, r12\n"     \
    "smlad r7, r10, r12, r7\n smlad r3, r10, lr, r3\n smlad r8, r11, r12, r8\n"                    \
    "ldr r12, [r1, #-4]\n smlad r2, r5, lr, r2\n smlad r4, r11, lr, r4\n"
#define EDGEMNV2_GROUP_3_BYTES                                                                     \
    "ldrd r5, r10, [r0], #24\n ldr r9, [r1], #8\n smlad r6, r5, r12, r6\n sxtb16 lr, r12\n"        \
    "smlad r7, r10, r12, r7\n smlad r2, r5, lr, r2\n ldr r11, [r0, #-16]\n"                        \
    "smlad r3, r10, lr, r3\n ldr r5, [r0, #-12]\n smlad r4, r11, lr, r4\n ldr r10, [r0, #-8]\n"    \
    "smlad r8, r11, r12, r8\n sxtb16 lr, r9\n smlad r6, r5, r9, r6\n ldr r11, [r0, #-4]\n"         \
    "smlad r3, r10, lr, r3\n smlad r4, r11, lr, r4\n smlad r7, r10, r9, r7\n ldr r12, [r1, #-4]\n" \
    "smlad r2, r5, lr, r2\n smlad r8, r11, r9, r8\n"
#define EDGEMNV2_GROUP_BYTES_3_BYTES 84
#define EDGEMNV2_GROUP_4_BYTES                                                                     \
    "ldrd r10, r11, [r0], #32\n sxtb16 lr, r12\n smlad r6, r10, r12, r6\n"                         \
    "smlad r7, r11, r12, r7\n smlad r3, r11, lr, r3\n ldr r11, [r0, #-24]\n"                       \
    "smlad r2, r10, lr, r2\n ldr r10, [r0, #-20]\n smlad r8, r11, r12, r8\n"                       \
    "smlad r4, r11, lr, r4\n ldr r11, [r0, #-16]\n smlad r9, r10, r12, r9\n ldr r12, [r1]\n"       \
    "smlad r5, r10, lr, r5\n ldr r10, [r0, #-12]\n smlad r6, r11, r12, r6\n sxtb16 lr, r12\n"      \
    "smlad r7, r10, r12, r7\n smlad r3, r10, lr, r3\n ldr r10, [r0, #-8]\n"                        \
    "smlad r2, r11, lr, r2\n add r1, r1, #8\n smlad r4, r10, lr, r4\n ldr r11, [r0, #-4]\n"        \
    "smlad r8, r10, r12, r8\n smlad r9, r11, r12, r9\n ldr r12, [r1, #-4]\n"                       \
    "smlad r5, r11, lr, r5\n"
#define EDGEMNV2_GROUP_BYTES_4_BYTES 112
#define EDGEMNV2_SCALE_4_HALVES ""
#else
#define EDGEMNV2_FIRST_4_HALVES                                                                    \
    "ldrd r5, r9, [r1], #8\n ldrd r10, r11, [r0], #32\n ldrd lr, r12, [r1], #8\n"                  \
    "smlad r6, r10, r12, r9\n smlad r3, r11, lr, r5\n smlad r2, r10, lr, r5\n"                     \
    "smlad r7, r11, r12, r9\n ldrd r10, r11, [r0, #-24]\n smlad r4, r10, lr, r5\n"                 \
    "smlad r8, r10, r12, r9\n smlad r5, r11, lr, r5\n smlad r9, r11, r12, r9\n"                    \
    "ldrd lr, r12, [r1], #8\n ldrd r10, r11, [r0, #-16]\n smlad r2, r10, lr, r2\n"                 \
    "smlad r6, r10, r12, r6\n smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n"                    \
    "ldrd r10, r11, [r0, #-8]\n smlad r4, r10, lr, r4\n smlad r8, r10, r12, r8\n"                  \
    "smlad r5, r11, lr, r5\n smlad r9, r11, r12, r9\n"
#define EDGEMNV2_GROUP_4_HALVES                                                                    \
    "ldrd lr, r12, [r1], #8\n ldrd r10, r11, [r0], #32\n smlad r2, r10, lr, r2\n"                  \
    "smlad r6, r10, r12, r6\n smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n"                    \
    "ldrd r10, r11, [r0, #-24]\n smlad r4, r10, lr, r4\n smlad r8, r10, r12, r8\n"                 \
    "smlad r5, r11, lr, r5\n smlad r9, r11, r12, r9\n ldrd lr, r12, [r1], #8\n"                    \
    "ldrd r10, r11, [r0, #-16]\n smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n"                 \
    "smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n ldrd r10, r11, [r0, #-8]\n"                  \
    "smlad r4, r10, lr, r4\n smlad r8, r10, r12, r8\n smlad r5, r11, lr, r5\n"                     \
    "smlad r9, r11, r12, r9\n"
#define EDGEMNV2_GROUP_BYTES_4_HALVES 88
#define EDGEMNV2_FIRST_3_BYTES                                                                     \
    "ldrd r4, r8, [r1], #12\n ldm.w r0!, {r5, r10, r11}\n ldr r12, [r1, #-4]\n"                    \
    "sxtb16 lr, r12\n smlad r6, r5, r12, r8\n smlad r3, r10, lr, r4\n"                             \
    "smlad r7, r10, r12, r8\n smlad r2, r5, lr, r4\n smlad r4, r11, lr, r4\n"                      \
    "smlad r8, r11, r12, r8\n ldr r12, [r1], #8\n ldm.w r0!, {r5, r10, r11}\n"                     \
    "sxtb16 lr, r12\n smlad r6, r5, r12, r6\n smlad r2, r5, lr, r2\n smlad r7, r10, r12, r7\n"     \
    "smlad r4, r11, lr, r4\n smlad r8, r11, r12, r8\n ldr r12, [r1, #-4]\n"                        \
    "smlad r3, r10, lr, r3\n"
#define EDGEMNV2_GROUP_3_BYTES                                                                     \
    "sxtb16 lr, r12\n ldm.w r0!, {r5, r10, r11}\n smlad r6, r5, r12, r6\n"                         \
    "smlad r3, r10, lr, r3\n smlad r2, r5, lr, r2\n smlad r8, r11, r12, r8\n"                      \
    "smlad r7, r10, r12, r7\n ldr r12, [r1], #8\n smlad r4, r11, lr, r4\n sxtb16 lr, r12\n"        \
    "ldm.w r0!, {r5, r10, r11}\n smlad r2, r5, lr, r2\n smlad r6, r5, r12, r6\n"                   \
    "smlad r3, r10, lr, r3\n smlad r7, r10, r12, r7\n smlad r8, r11, r12, r8\n"                    \
    "ldr r12, [r1, #-4]\n smlad r4, r11, lr, r4\n"
#define EDGEMNV2_GROUP_BYTES_3_BYTES 72
#define EDGEMNV2_GROUP_4_BYTES                                                                     \
    "ldrd r10, r11, [r0], #32\n sxtb16 lr, r12\n smlad r6, r10, r12, r6\n"                         \
    "smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n smlad r2, r10, lr, r2\n"                     \
    "ldrd r10, r11, [r0, #-24]\n smlad r9, r11, r12, r9\n smlad r4, r10, lr, r4\n"                 \
    "smlad r8, r10, r12, r8\n ldr r12, [r1], #8\n smlad r5, r11, lr, r5\n"                         \
    "ldrd r10, r11, [r0, #-16]\n sxtb16 lr, r12\n smlad r7, r11, r12, r7\n"                        \
    "smlad r2, r10, lr, r2\n smlad r3, r11, lr, r3\n smlad r6, r10, r12, r6\n"                     \
    "ldrd r10, r11, [r0, #-8]\n smlad r9, r11, r12, r9\n smlad r4, r10, lr, r4\n"                  \
    "smlad r8, r10, r12, r8\n ldr r12, [r1, #-4]\n smlad r5, r11, lr, r5\n"
#define EDGEMNV2_GROUP_BYTES_4_BYTES 96
#define EDGEMNV2_SCALE_4_HALVES "ldr r12, [r1], #4\n"
#endif
#define EDGEMNV2_FIRST_4_BYTES                                                                     \
    "ldrd r10, r11, [r0], #32\n ldr r12, [r1, #8]\n ldrd r5, r9, [r1], #20\n sxtb16 lr, r12\n"     \
    "smlad r6, r10, r12, r9\n smlad r7, r11, r12, r9\n smlad r2, r10, lr, r5\n"                    \
    "smlad r3, r11, lr, r5\n ldrd r10, r11, [r0, #-24]\n smlad r8, r10, r12, r9\n"                 \
    "smlad r9, r11, r12, r9\n ldr r12, [r1, #-8]\n smlad r4, r10, lr, r5\n"                        \
    "smlad r5, r11, lr, r5\n ldrd r10, r11, [r0, #-16]\n sxtb16 lr, r12\n"                         \
    "smlad r6, r10, r12, r6\n smlad r7, r11, r12, r7\n smlad r2, r10, lr, r2\n"                    \
    "smlad r3, r11, lr, r3\n ldrd r10, r11, [r0, #-8]\n smlad r9, r11, r12, r9\n"                  \
    "smlad r8, r10, r12, r8\n ldr r12, [r1, #-4]\n smlad r5, r11, lr, r5\n"                        \
    "smlad r4, r10, lr, r4\n"
#define EDGEMNV2_FIRST_3_HALVES                                                                    \
    "ldrd r4, r8, [r1], #8\n ldm r0!, {r5, r10, r11}\n ldrd lr, r12, [r1], #8\n"                   \
    "smlad r2, r5, lr, r4\n smlad r6, r5, r12, r8\n smlad r7, r10, r12, r8\n"                      \
    "smlad r3, r10, lr, r4\n smlad r4, r11, lr, r4\n smlad r8, r11, r12, r8\n"                     \
    "ldrd lr, r12, [r1], #8\n ldm r0!, {r5, r10, r11}\n smlad r2, r5, lr, r2\n"                    \
    "smlad r8, r11, r12, r8\n smlad r6, r5, r12, r6\n smlad r3, r10, lr, r3\n"                     \
    "smlad r4, r11, lr, r4\n smlad r7, r10, r12, r7\n"
#define EDGEMNV2_GROUP_3_HALVES                                                                    \
    "ldrd lr, r12, [r1], #8\n ldm.w r0!, {r5, r10, r11}\n smlad r2, r5, lr, r2\n"                  \
    "smlad r6, r5, r12, r6\n smlad r3, r10, lr, r3\n smlad r7, r10, r12, r7\n"                     \
    "smlad r4, r11, lr, r4\n smlad r8, r11, r12, r8\n ldrd lr, r12, [r1], #8\n"                    \
    "ldm.w r0!, {r5, r10, r11}\n smlad r2, r5, lr, r2\n smlad r6, r5, r12, r6\n"                   \
    "smlad r3, r10, lr, r3\n smlad r7, r10, r12, r7\n smlad r4, r11, lr, r4\n"                     \
    "smlad r8, r11, r12, r8\n"
#define EDGEMNV2_GROUP_BYTES_3_HALVES 64
#define EDGEMNV2_FIRST_2_BYTES                                                                     \
    "ldrd r3, r7, [r1], #12\n ldr r12, [r1, #-4]\n sxtb16 lr, r12\n"                               \
    "ldrd r10, r11, [r0], #16\n smlad r2, r10, lr, r3\n smlad r6, r10, r12, r7\n"                  \
    "smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n ldr r12, [r1], #8\n sxtb16 lr, r12\n"        \
    "ldrd r10, r11, [r0, #-8]\n smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n"                  \
    "smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n ldr r12, [r1, #-4]\n"
#define EDGEMNV2_GROUP_2_BYTES                                                                     \
    "sxtb16 lr, r12\n ldrd r10, r11, [r0], #16\n smlad r2, r10, lr, r2\n"                          \
    "smlad r6, r10, r12, r6\n smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n"                    \
    "ldr r12, [r1], #8\n sxtb16 lr, r12\n ldrd r10, r11, [r0, #-8]\n smlad r2, r10, lr, r2\n"      \
    "smlad r6, r10, r12, r6\n smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n"                    \
    "ldr r12, [r1, #-4]\n"
#define EDGEMNV2_GROUP_BYTES_2_BYTES 56
#define EDGEMNV2_FIRST_2_HALVES                                                                    \
    "ldrd r3, r7, [r1], #8\n ldrd lr, r12, [r1], #8\n ldrd r10, r11, [r0], #16\n"                  \
    "smlad r2, r10, lr, r3\n smlad r6, r10, r12, r7\n smlad r3, r11, lr, r3\n"                     \
    "smlad r7, r11, r12, r7\n ldrd lr, r12, [r1], #8\n ldrd r10, r11, [r0, #-8]\n"                 \
    "smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n smlad r3, r11, lr, r3\n"                     \
    "smlad r7, r11, r12, r7\n"
#define EDGEMNV2_GROUP_2_HALVES                                                                    \
    "ldrd lr, r12, [r1], #8\n ldrd r10, r11, [r0], #16\n smlad r2, r10, lr, r2\n"                  \
    "smlad r6, r10, r12, r6\n smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n"                    \
    "ldrd lr, r12, [r1], #8\n ldrd r10, r11, [r0, #-8]\n smlad r2, r10, lr, r2\n"                  \
    "smlad r6, r10, r12, r6\n smlad r3, r11, lr, r3\n smlad r7, r11, r12, r7\n"
#define EDGEMNV2_GROUP_BYTES_2_HALVES 48
#define EDGEMNV2_FIRST_1_BYTES                                                                     \
    "ldrd r2, r6, [r1], #12\n ldr r12, [r1, #-4]\n sxtb16 lr, r12\n ldr r10, [r0], #8\n"           \
    "smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n ldr r12, [r1], #8\n sxtb16 lr, r12\n"        \
    "ldr r10, [r0, #-4]\n smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n"                        \
    "ldr r12, [r1, #-4]\n"
#define EDGEMNV2_GROUP_1_BYTES                                                                     \
    "sxtb16 lr, r12\n ldr r10, [r0], #8\n smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n"        \
    "ldr r12, [r1], #8\n sxtb16 lr, r12\n ldr r10, [r0, #-4]\n smlad r2, r10, lr, r2\n"            \
    "smlad r6, r10, r12, r6\n ldr r12, [r1, #-4]\n"
#define EDGEMNV2_GROUP_BYTES_1_BYTES 40
#define EDGEMNV2_FIRST_1_HALVES                                                                    \
    "ldrd r2, r6, [r1], #8\n ldrd lr, r12, [r1], #8\n ldr r10, [r0], #8\n"                         \
    "smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n ldrd lr, r12, [r1], #8\n"                    \
    "ldr r10, [r0, #-4]\n smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n"
#define EDGEMNV2_GROUP_1_HALVES                                                                    \
    "ldrd lr, r12, [r1], #8\n ldr r10, [r0], #8\n smlad r2, r10, lr, r2\n"                         \
    "smlad r6, r10, r12, r6\n ldrd lr, r12, [r1], #8\n ldr r10, [r0, #-4]\n"                       \
    "smlad r2, r10, lr, r2\n smlad r6, r10, r12, r6\n"
#define EDGEMNV2_GROUP_BYTES_1_HALVES 32
/* EPILOGUE: requantise, store, and come to whether records are left. r12 is the first multiplier;
 * stack: 0 output, 4 stride, 8 activations, 12 end of records. ROWS: channel by channel. */
#define EDGEMNV2_EPILOGUE_4_PLAIN_ROWS                                                             \
    "ldrd r10, r11, [r1], #8\n smmla r3, r3, r12, r10\n smmla r2, r2, r12, r10\n"                  \
    "asr r3, r3, r11\n smmla r5, r5, r12, r10\n asr r2, r2, r11\n smmla r4, r4, r12, r10\n"        \
    "asr r5, r5, r11\n ldm r1!, {r0, r10, r12}\n asr r4, r4, r11\n smmla r7, r7, r0, r10\n"        \
    "ssat r5, #8, r5\n smmla r9, r9, r0, r10\n ldrd r11, lr, [sp]\n asr r7, r7, r12\n"             \
    "smmla r8, r8, r0, r10\n ssat r3, #8, r3\n smmla r6, r6, r0, r10\n asr r8, r8, r12\n"          \
    "add r10, r11, lr\n ssat r8, #8, r8\n strb r3, [r11, #1]\n asr r6, r6, r12\n"                  \
    "add lr, r10, lr\n asr r9, r9, r12\n str lr, [sp]\n ssat r9, #8, r9\n strb r5, [r11, #3]\n"    \
    "ldrd r0, r12, [sp, #8]\n ssat r7, #8, r7\n strb r8, [r10, #2]\n ssat r6, #8, r6\n"            \
    "strb r9, [r10, #3]\n ssat r2, #8, r2\n strb r7, [r10, #1]\n ssat r4, #8, r4\n"                \
    "strb r2, [r11]\n cmp r1, r12\n strb r4, [r11, #2]\n strb r6, [r10]\n"
#define EDGEMNV2_EPILOGUE_3_PLAIN_ROWS                                                             \
    "ldrd r10, r11, [r1], #8\n smmla r2, r2, r12, r10\n ldrd r5, lr, [sp]\n asr r2, r2, r11\n"     \
    "smmla r3, r3, r12, r10\n ssat r2, #8, r2\n smmla r4, r4, r12, r10\n asr r3, r3, r11\n"        \
    "strb r2, [r5]\n asr r4, r4, r11\n add r10, r5, lr\n ldm r1!, {r0, r11, r12}\n"                \
    "add lr, r10, lr\n smmla r8, r8, r0, r11\n ssat r3, #8, r3\n str lr, [sp]\n ssat r4, #8, r4\n" \
    "smmla r7, r7, r0, r11\n asr r8, r8, r12\n smmla r6, r6, r0, r11\n ldrd r0, r11, [sp, #8]\n"   \
    "ssat r8, #8, r8\n strb r3, [r5, #1]\n asr r7, r7, r12\n strb r8, [r10, #2]\n cmp r1, r11\n"   \
    "asr r6, r6, r12\n ssat r7, #8, r7\n strb r4, [r5, #2]\n ssat r6, #8, r6\n"                    \
    "strb r7, [r10, #1]\n strb r6, [r10]\n"
#define EDGEMNV2_EPILOGUE_2_PLAIN_ROWS                                                             \
    "ldrd r10, r11, [r1], #8\n smmla r2, r2, r12, r10\n smmla r3, r3, r12, r10\n"                  \
    "asr r2, r2, r11\n asr r3, r3, r11\n ldm r1!, {r0, r10, r12}\n ssat r3, #8, r3\n"              \
    "smmla r6, r6, r0, r10\n ssat r2, #8, r2\n smmla r7, r7, r0, r10\n asr r6, r6, r12\n"          \
    "ldrd r10, r11, [sp]\n asr r7, r7, r12\n ssat r7, #8, r7\n strb r3, [r10, #1]\n"               \
    "ssat r6, #8, r6\n strb r2, [r10, #0]\n add r10, r10, r11\n strb r7, [r10, #1]\n"              \
    "strb r6, [r10, #0]\n add r10, r10, r11\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n"            \
    "cmp r1, r12\n"
#define EDGEMNV2_EPILOGUE_1_PLAIN_ROWS                                                             \
    "ldrd r10, r11, [r1], #8\n smmla r2, r2, r12, r10\n asr r2, r2, r11\n"                         \
    "ldm r1!, {r0, r10, r12}\n smmla r6, r6, r0, r10\n ssat r2, #8, r2\n asr r6, r6, r12\n"        \
    "ldrd r10, r11, [sp]\n ssat r6, #8, r6\n strb r2, [r10, #0]\n add r10, r10, r11\n"             \
    "strb r6, [r10, #0]\n add r10, r10, r11\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n"            \
    "cmp r1, r12\n"
#define EDGEMNV2_EPILOGUE_4_PLAIN_PIXELS                                                           \
    "ldrd r10, r11, [r1], #8\n smmla r3, r3, r12, r10\n smmla r5, r5, r12, r10\n"                  \
    "asr r3, r3, r11\n smmla r4, r4, r12, r10\n ssat r3, #8, r3\n smmla r2, r2, r12, r10\n"        \
    "asr r4, r4, r11\n ldm r1!, {r0, r10, r12}\n asr r2, r2, r11\n ssat r2, #8, r2\n"              \
    "smmla r6, r6, r0, r10\n asr r5, r5, r11\n smmla r7, r7, r0, r10\n asr r6, r6, r12\n"          \
    "smmla r9, r9, r0, r10\n ldrd r11, lr, [sp]\n ssat r4, #8, r4\n smmla r8, r8, r0, r10\n"       \
    "asr r7, r7, r12\n add r10, r11, #2\n ssat r5, #8, r5\n str r10, [sp]\n asr r9, r9, r12\n"     \
    "ssat r9, #8, r9\n ssat r6, #8, r6\n ssat r7, #8, r7\n add r10, r11, lr\n asr r8, r8, r12\n"   \
    "bfi r2, r6, #8, #24\n strh r2, [r11]\n bfi r5, r9, #8, #24\n ssat r8, #8, r8\n"               \
    "strh r5, [r10, lr, lsl #1]\n ldrd r0, r12, [sp, #8]\n bfi r4, r8, #8, #24\n cmp r1, r12\n"    \
    "bfi r3, r7, #8, #24\n strh r3, [r11, lr]\n strh r4, [r11, lr, lsl #1]\n"
#define EDGEMNV2_EPILOGUE_3_PLAIN_PIXELS                                                           \
    "ldrd r10, r11, [r1], #8\n smmla r2, r2, r12, r10\n ldrd r5, lr, [sp]\n asr r2, r2, r11\n"     \
    "smmla r4, r4, r12, r10\n ssat r2, #8, r2\n smmla r3, r3, r12, r10\n asr r4, r4, r11\n"        \
    "ldm r1!, {r0, r10, r12}\n ssat r4, #8, r4\n smmla r7, r7, r0, r10\n asr r3, r3, r11\n"        \
    "smmla r6, r6, r0, r10\n add r11, r5, #2\n asr r7, r7, r12\n ssat r3, #8, r3\n"                \
    "smmla r8, r8, r0, r10\n asr r6, r6, r12\n str r11, [sp]\n ssat r6, #8, r6\n"                  \
    "ldrd r0, r10, [sp, #8]\n asr r8, r8, r12\n cmp r1, r10\n ssat r8, #8, r8\n ssat r7, #8, r7\n" \
    "bfi r2, r6, #8, #24\n strh r2, [r5]\n bfi r4, r8, #8, #24\n bfi r3, r7, #8, #24\n"            \
    "strh r4, [r5, lr, lsl #1]\n strh r3, [r5, lr]\n"
#define EDGEMNV2_EPILOGUE_2_PLAIN_PIXELS                                                           \
    "ldrd r10, r11, [r1], #8\n smmla r2, r2, r12, r10\n asr r2, r2, r11\n"                         \
    "smmla r3, r3, r12, r10\n ldm r1!, {r0, r10, r12}\n asr r3, r3, r11\n"                         \
    "smmla r6, r6, r0, r10\n ssat r3, #8, r3\n asr r6, r6, r12\n ssat r6, #8, r6\n"                \
    "smmla r7, r7, r0, r10\n asr r7, r7, r12\n ssat r7, #8, r7\n ldrd r10, r11, [sp]\n"            \
    "ssat r2, #8, r2\n bfi r3, r7, #8, #24\n strh r3, [r10, r11]\n bfi r2, r6, #8, #24\n"          \
    "strh r2, [r10]\n add r10, r10, #2\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n"                 \
    "cmp r1, r12\n"
#define EDGEMNV2_EPILOGUE_1_PLAIN_PIXELS                                                           \
    "ldrd r10, r11, [r1], #8\n smmla r2, r2, r12, r10\n asr r2, r2, r11\n"                         \
    "ldm r1!, {r0, r10, r12}\n smmla r6, r6, r0, r10\n asr r6, r6, r12\n ssat r6, #8, r6\n"        \
    "ldrd r10, r11, [sp]\n ssat r2, #8, r2\n bfi r2, r6, #8, #24\n strh r2, [r10]\n"               \
    "add r10, r10, #2\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n cmp r1, r12\n"
#define EDGEMNV2_EPILOGUE_4_FIXED_ROWS                                                             \
    "ldrd r10, r11, [r1], #8\n asr lr, r2, #31\n add lr, r10, lr, lsl #7\n"                        \
    "smmla r2, r2, r12, lr\n asr lr, r3, #31\n asr r2, r2, r11\n add lr, r10, lr, lsl #7\n"        \
    "smmla r3, r3, r12, lr\n asr lr, r4, #31\n asr r3, r3, r11\n add lr, r10, lr, lsl #7\n"        \
    "smmla r4, r4, r12, lr\n asr lr, r5, #31\n asr r4, r4, r11\n add lr, r10, lr, lsl #7\n"        \
    "smmla r5, r5, r12, lr\n asr lr, r8, #31\n ldm r1!, {r0, r10, r12}\n asr r5, r5, r11\n"        \
    "asr r11, r9, #31\n add lr, r10, lr, lsl #7\n add r11, r10, r11, lsl #7\n"                     \
    "smmla r9, r9, r0, r11\n asr r11, r6, #31\n smmla r8, r8, r0, lr\n asr lr, r7, #31\n"          \
    "add r11, r10, r11, lsl #7\n smmla r6, r6, r0, r11\n add lr, r10, lr, lsl #7\n"                \
    "smmla r7, r7, r0, lr\n ldrd r10, r11, [sp]\n asr r9, r9, r12\n add lr, r10, r11\n"            \
    "ssat r5, #8, r5\n asr r8, r8, r12\n add r11, lr, r11\n ssat r8, #8, r8\n"                     \
    "strb r5, [r10, #3]\n ssat r4, #8, r4\n str r11, [sp]\n asr r7, r7, r12\n strb r8, [lr, #2]\n" \
    "ldrd r0, r11, [sp, #8]\n ssat r3, #8, r3\n strb r4, [r10, #2]\n ssat r7, #8, r7\n"            \
    "strb r3, [r10, #1]\n ssat r9, #8, r9\n strb r7, [lr, #1]\n asr r6, r6, r12\n cmp r1, r11\n"   \
    "ssat r2, #8, r2\n strb r9, [lr, #3]\n ssat r6, #8, r6\n strb r2, [r10]\n strb r6, [lr]\n"
#define EDGEMNV2_EPILOGUE_3_FIXED_ROWS                                                             \
    "asr lr, r2, #31\n ldrd r10, r11, [r1], #8\n asr r5, r4, #31\n add lr, r10, lr, lsl #7\n"      \
    "add r5, r10, r5, lsl #7\n smmla r4, r4, r12, r5\n asr r5, r3, #31\n smmla r2, r2, r12, lr\n"  \
    "asr lr, r8, #31\n add r5, r10, r5, lsl #7\n smmla r3, r3, r12, r5\n asr r5, r6, #31\n"        \
    "ldm r1!, {r0, r10, r12}\n asr r3, r3, r11\n add lr, r10, lr, lsl #7\n smmla r8, r8, r0, lr\n" \
    "asr lr, r7, #31\n ssat r3, #8, r3\n add r5, r10, r5, lsl #7\n smmla r6, r6, r0, r5\n"         \
    "add lr, r10, lr, lsl #7\n smmla r7, r7, r0, lr\n ldrd r10, r5, [sp]\n asr r7, r7, r12\n"      \
    "add lr, r10, r5\n asr r4, r4, r11\n add r5, lr, r5\n asr r8, r8, r12\n strb r3, [r10, #1]\n"  \
    "ssat r8, #8, r8\n str r5, [sp]\n ldrd r0, r5, [sp, #8]\n ssat r7, #8, r7\n asr r2, r2, r11\n" \
    "cmp r1, r5\n asr r6, r6, r12\n strb r7, [lr, #1]\n ssat r4, #8, r4\n strb r8, [lr, #2]\n"     \
    "ssat r6, #8, r6\n strb r4, [r10, #2]\n ssat r2, #8, r2\n strb r6, [lr]\n strb r2, [r10]\n"
#define EDGEMNV2_EPILOGUE_2_FIXED_ROWS                                                             \
    "asr lr, r2, #31\n ldrd r10, r11, [r1], #8\n add lr, r10, lr, lsl #7\n"                        \
    "smmla r2, r2, r12, lr\n asr lr, r3, #31\n asr r2, r2, r11\n add lr, r10, lr, lsl #7\n"        \
    "smmla r3, r3, r12, lr\n asr r3, r3, r11\n ssat r2, #8, r2\n ldm r1!, {r0, r10, r12}\n"        \
    "asr lr, r6, #31\n add lr, r10, lr, lsl #7\n smmla r6, r6, r0, lr\n asr lr, r7, #31\n"         \
    "ssat r3, #8, r3\n add lr, r10, lr, lsl #7\n smmla r7, r7, r0, lr\n asr r7, r7, r12\n"         \
    "ldrd r10, r11, [sp]\n asr r6, r6, r12\n strb r2, [r10, #0]\n ssat r7, #8, r7\n"               \
    "strb r3, [r10, #1]\n ssat r6, #8, r6\n add r10, r10, r11\n strb r6, [r10, #0]\n"              \
    "strb r7, [r10, #1]\n add r10, r10, r11\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n"            \
    "cmp r1, r12\n"
#define EDGEMNV2_EPILOGUE_1_FIXED_ROWS                                                             \
    "asr lr, r2, #31\n ldrd r10, r11, [r1], #8\n add lr, r10, lr, lsl #7\n"                        \
    "smmla r2, r2, r12, lr\n asr r2, r2, r11\n ssat r2, #8, r2\n ldm r1!, {r0, r10, r12}\n"        \
    "asr lr, r6, #31\n add lr, r10, lr, lsl #7\n smmla r6, r6, r0, lr\n ldrd r10, r11, [sp]\n"     \
    "asr r6, r6, r12\n strb r2, [r10, #0]\n ssat r6, #8, r6\n add r10, r10, r11\n"                 \
    "strb r6, [r10, #0]\n add r10, r10, r11\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n"            \
    "cmp r1, r12\n"
#define EDGEMNV2_EPILOGUE_4_FIXED_PIXELS                                                           \
    "ldrd r10, r11, [r1], #8\n asr lr, r2, #31\n add lr, r10, lr, lsl #7\n"                        \
    "smmla r2, r2, r12, lr\n asr lr, r3, #31\n asr r2, r2, r11\n add lr, r10, lr, lsl #7\n"        \
    "smmla r3, r3, r12, lr\n asr lr, r4, #31\n asr r3, r3, r11\n add lr, r10, lr, lsl #7\n"        \
    "smmla r4, r4, r12, lr\n asr lr, r5, #31\n asr r4, r4, r11\n add lr, r10, lr, lsl #7\n"        \
    "smmla r5, r5, r12, lr\n asr lr, r8, #31\n ldm r1!, {r0, r10, r12}\n asr r5, r5, r11\n"        \
    "asr r11, r6, #31\n add lr, r10, lr, lsl #7\n smmla r8, r8, r0, lr\n asr lr, r7, #31\n"        \
    "add r11, r10, r11, lsl #7\n smmla r6, r6, r0, r11\n asr r11, r9, #31\n"                       \
    "add lr, r10, lr, lsl #7\n add r10, r10, r11, lsl #7\n smmla r7, r7, r0, lr\n"                 \
    "ldrd lr, r11, [sp]\n asr r6, r6, r12\n ssat r5, #8, r5\n asr r8, r8, r12\n ssat r4, #8, r4\n" \
    "smmla r9, r9, r0, r10\n ssat r2, #8, r2\n asr r9, r9, r12\n add r10, lr, #2\n"                \
    "ssat r3, #8, r3\n str r10, [sp]\n ssat r8, #8, r8\n add r10, lr, r11\n asr r7, r7, r12\n"     \
    "ssat r6, #8, r6\n ldrd r0, r12, [sp, #8]\n ssat r9, #8, r9\n ssat r7, #8, r7\n"               \
    "bfi r2, r6, #8, #24\n cmp r1, r12\n bfi r3, r7, #8, #24\n strh r2, [lr]\n"                    \
    "bfi r4, r8, #8, #24\n strh r4, [lr, r11, lsl #1]\n bfi r5, r9, #8, #24\n"                     \
    "strh r3, [lr, r11]\n strh r5, [r10, r11, lsl #1]\n"
#define EDGEMNV2_EPILOGUE_3_FIXED_PIXELS                                                           \
    "asr lr, r3, #31\n ldrd r10, r11, [r1], #8\n asr r5, r2, #31\n add lr, r10, lr, lsl #7\n"      \
    "smmla r3, r3, r12, lr\n asr lr, r4, #31\n add r5, r10, r5, lsl #7\n smmla r2, r2, r12, r5\n"  \
    "add lr, r10, lr, lsl #7\n smmla r4, r4, r12, lr\n asr lr, r8, #31\n asr r5, r6, #31\n"        \
    "ldm r1!, {r0, r10, r12}\n asr r3, r3, r11\n add r5, r10, r5, lsl #7\n"                        \
    "add lr, r10, lr, lsl #7\n asr r4, r4, r11\n smmla r6, r6, r0, r5\n asr r2, r2, r11\n"         \
    "smmla r8, r8, r0, lr\n asr lr, r7, #31\n ldrd r5, r11, [sp]\n asr r6, r6, r12\n"              \
    "add lr, r10, lr, lsl #7\n smmla r7, r7, r0, lr\n add r10, r5, #2\n asr r8, r8, r12\n"         \
    "ssat r2, #8, r2\n asr r7, r7, r12\n str r10, [sp]\n ssat r7, #8, r7\n ssat r6, #8, r6\n"      \
    "ssat r4, #8, r4\n ssat r3, #8, r3\n bfi r2, r6, #8, #24\n strh r2, [r5]\n"                    \
    "ldrd r0, r12, [sp, #8]\n ssat r8, #8, r8\n bfi r3, r7, #8, #24\n cmp r1, r12\n"               \
    "bfi r4, r8, #8, #24\n strh r3, [r5, r11]\n strh r4, [r5, r11, lsl #1]\n"
#define EDGEMNV2_EPILOGUE_2_FIXED_PIXELS                                                           \
    "asr lr, r2, #31\n ldrd r10, r11, [r1], #8\n add lr, r10, lr, lsl #7\n"                        \
    "smmla r2, r2, r12, lr\n asr lr, r3, #31\n asr r2, r2, r11\n ssat r2, #8, r2\n"                \
    "add lr, r10, lr, lsl #7\n smmla r3, r3, r12, lr\n asr r3, r3, r11\n asr lr, r6, #31\n"        \
    "ldm r1!, {r0, r10, r12}\n ssat r3, #8, r3\n add lr, r10, lr, lsl #7\n"                        \
    "smmla r6, r6, r0, lr\n asr lr, r7, #31\n asr r6, r6, r12\n add lr, r10, lr, lsl #7\n"         \
    "smmla r7, r7, r0, lr\n asr r7, r7, r12\n ssat r7, #8, r7\n ssat r6, #8, r6\n"                 \
    "ldrd r10, r11, [sp]\n bfi r2, r6, #8, #24\n bfi r3, r7, #8, #24\n strh r2, [r10]\n"           \
    "strh r3, [r10, r11]\n add r10, r10, #2\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n"            \
    "cmp r1, r12\n"
#define EDGEMNV2_EPILOGUE_1_FIXED_PIXELS                                                           \
    "asr lr, r2, #31\n ldrd r10, r11, [r1], #8\n add lr, r10, lr, lsl #7\n"                        \
    "smmla r2, r2, r12, lr\n asr r2, r2, r11\n ssat r2, #8, r2\n asr lr, r6, #31\n"                \
    "ldm r1!, {r0, r10, r12}\n add lr, r10, lr, lsl #7\n smmla r6, r6, r0, lr\n"                   \
    "asr r6, r6, r12\n ssat r6, #8, r6\n ldrd r10, r11, [sp]\n bfi r2, r6, #8, #24\n"              \
    "strh r2, [r10]\n add r10, r10, #2\n str r10, [sp]\n ldrd r0, r12, [sp, #8]\n"                 \
    "cmp r1, r12\n"
/* COMMON: every channel shifts by 12 (`COMMON_SHIFT`), so that saturation does it. */
#define EDGEMNV2_EPILOGUE_4_COMMON_ROWS                                                            \
    "ldr r10, [r1], #20\n smmla r5, r5, r12, r10\n ldrd r11, lr, [sp]\n"                           \
    "ssat r5, #8, r5, asr #12\n smmla r4, r4, r12, r10\n strb r5, [r11, #3]\n"                     \
    "smmla r3, r3, r12, r10\n ssat r4, #8, r4, asr #12\n smmla r2, r2, r12, r10\n"                 \
    "ldrd r0, r10, [r1, #-12]\n ssat r2, #8, r2, asr #12\n smmla r6, r6, r0, r10\n"                \
    "add r12, r11, lr\n strb r4, [r11, #2]\n add lr, r12, lr\n smmla r9, r9, r0, r10\n"            \
    "ssat r3, #8, r3, asr #12\n smmla r8, r8, r0, r10\n strb r3, [r11, #1]\n"                      \
    "smmla r7, r7, r0, r10\n ssat r8, #8, r8, asr #12\n str lr, [sp]\n ldrd r0, r10, [sp, #8]\n"   \
    "ssat r6, #8, r6, asr #12\n strb r2, [r11]\n ssat r9, #8, r9, asr #12\n strb r8, [r12, #2]\n"  \
    "ssat r7, #8, r7, asr #12\n strb r9, [r12, #3]\n cmp r1, r10\n strb r7, [r12, #1]\n"           \
    "strb r6, [r12]\n"
#define EDGEMNV2_EPILOGUE_3_COMMON_ROWS                                                            \
    "ldrd r11, r5, [sp]\n ldr r10, [r1], #20\n add lr, r11, r5\n add r5, lr, r5\n"                 \
    "smmla r2, r2, r12, r10\n smmla r4, r4, r12, r10\n str r5, [sp]\n ldrd r0, r5, [r1, #-12]\n"   \
    "ssat r2, #8, r2, asr #12\n smmla r6, r6, r0, r5\n strb r2, [r11]\n smmla r3, r3, r12, r10\n"  \
    "ssat r6, #8, r6, asr #12\n smmla r8, r8, r0, r5\n ssat r3, #8, r3, asr #12\n"                 \
    "smmla r7, r7, r0, r5\n ssat r8, #8, r8, asr #12\n strb r6, [lr]\n ldrd r0, r10, [sp, #8]\n"   \
    "ssat r7, #8, r7, asr #12\n strb r8, [lr, #2]\n cmp r1, r10\n strb r7, [lr, #1]\n"             \
    "ssat r4, #8, r4, asr #12\n strb r3, [r11, #1]\n strb r4, [r11, #2]\n"
#define EDGEMNV2_EPILOGUE_2_COMMON_ROWS                                                            \
    "ldr r10, [r1], #20\n smmla r2, r2, r12, r10\n smmla r3, r3, r12, r10\n"                       \
    "ldrd r0, lr, [r1, #-12]\n ssat r3, #8, r3, asr #12\n smmla r7, r7, r0, lr\n"                  \
    "ssat r2, #8, r2, asr #12\n smmla r6, r6, r0, lr\n ldrd r11, r12, [sp]\n"                      \
    "ssat r6, #8, r6, asr #12\n ssat r7, #8, r7, asr #12\n strb r3, [r11, #1]\n"                   \
    "strb r2, [r11, #0]\n add r11, r11, r12\n strb r7, [r11, #1]\n strb r6, [r11, #0]\n"           \
    "add r11, r11, r12\n str r11, [sp]\n ldrd r0, r10, [sp, #8]\n cmp r1, r10\n"
#define EDGEMNV2_EPILOGUE_1_COMMON_ROWS                                                            \
    "ldr r10, [r1], #20\n smmla r2, r2, r12, r10\n ldrd r0, lr, [r1, #-12]\n"                      \
    "ssat r2, #8, r2, asr #12\n smmla r6, r6, r0, lr\n ldrd r11, r12, [sp]\n"                      \
    "ssat r6, #8, r6, asr #12\n strb r2, [r11, #0]\n add r11, r11, r12\n strb r6, [r11, #0]\n"     \
    "add r11, r11, r12\n str r11, [sp]\n ldrd r0, r10, [sp, #8]\n cmp r1, r10\n"
#define EDGEMNV2_EPILOGUE_4_COMMON_PIXELS                                                          \
    "ldrd r0, lr, [r1, #8]\n ldr r10, [r1], #20\n smmla r9, r9, r0, lr\n smmla r3, r3, r12, r10\n" \
    "ssat r9, #8, r9, asr #12\n smmla r7, r7, r0, lr\n ssat r3, #8, r3, asr #12\n"                 \
    "smmla r8, r8, r0, lr\n ssat r7, #8, r7, asr #12\n smmla r6, r6, r0, lr\n"                     \
    "ldrd r11, lr, [sp]\n ssat r8, #8, r8, asr #12\n smmla r5, r5, r12, r10\n"                     \
    "ssat r6, #8, r6, asr #12\n smmla r4, r4, r12, r10\n bfi r3, r7, #8, #24\n"                    \
    "smmla r2, r2, r12, r10\n ssat r4, #8, r4, asr #12\n strh r3, [r11, lr]\n"                     \
    "ssat r5, #8, r5, asr #12\n add r10, r11, #2\n str r10, [sp]\n bfi r5, r9, #8, #24\n"          \
    "add r10, r11, lr\n ldrd r0, r12, [sp, #8]\n ssat r2, #8, r2, asr #12\n"                       \
    "strh r5, [r10, lr, lsl #1]\n bfi r4, r8, #8, #24\n cmp r1, r12\n bfi r2, r6, #8, #24\n"       \
    "strh r2, [r11]\n strh r4, [r11, lr, lsl #1]\n"
#define EDGEMNV2_EPILOGUE_3_COMMON_PIXELS                                                          \
    "ldr r10, [r1], #20\n smmla r2, r2, r12, r10\n ldrd r0, lr, [r1, #-12]\n"                      \
    "ssat r2, #8, r2, asr #12\n smmla r7, r7, r0, lr\n smmla r3, r3, r12, r10\n"                   \
    "ssat r7, #8, r7, asr #12\n smmla r4, r4, r12, r10\n ssat r3, #8, r3, asr #12\n"               \
    "ssat r4, #8, r4, asr #12\n smmla r6, r6, r0, lr\n ldrd r11, r12, [sp]\n"                      \
    "smmla r8, r8, r0, lr\n ssat r6, #8, r6, asr #12\n ssat r8, #8, r8, asr #12\n"                 \
    "bfi r2, r6, #8, #24\n strh r2, [r11]\n bfi r4, r8, #8, #24\n"                                 \
    "strh r4, [r11, r12, lsl #1]\n bfi r3, r7, #8, #24\n strh r3, [r11, r12]\n"                    \
    "add r11, r11, #2\n str r11, [sp]\n ldrd r0, r10, [sp, #8]\n cmp r1, r10\n"
#define EDGEMNV2_EPILOGUE_2_COMMON_PIXELS                                                          \
    "ldr r10, [r1], #20\n smmla r2, r2, r12, r10\n ldrd r0, lr, [r1, #-12]\n"                      \
    "ssat r2, #8, r2, asr #12\n smmla r7, r7, r0, lr\n smmla r3, r3, r12, r10\n"                   \
    "ssat r7, #8, r7, asr #12\n ssat r3, #8, r3, asr #12\n smmla r6, r6, r0, lr\n"                 \
    "ldrd r11, r12, [sp]\n ssat r6, #8, r6, asr #12\n bfi r2, r6, #8, #24\n strh r2, [r11]\n"      \
    "bfi r3, r7, #8, #24\n strh r3, [r11, r12]\n add r11, r11, #2\n str r11, [sp]\n"               \
    "ldrd r0, r10, [sp, #8]\n cmp r1, r10\n"
#define EDGEMNV2_EPILOGUE_1_COMMON_PIXELS                                                          \
    "ldr r10, [r1], #20\n smmla r2, r2, r12, r10\n ldrd r0, lr, [r1, #-12]\n"                      \
    "ssat r2, #8, r2, asr #12\n smmla r6, r6, r0, lr\n ldrd r11, r12, [sp]\n"                      \
    "ssat r6, #8, r6, asr #12\n bfi r2, r6, #8, #24\n strh r2, [r11]\n add r11, r11, #2\n"         \
    "str r11, [sp]\n ldrd r0, r10, [sp, #8]\n cmp r1, r10\n"
/* clang-format on */

#endif
