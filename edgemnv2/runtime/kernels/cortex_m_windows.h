/* The windows of cortex_m_depthwise.h, stride S and P pixels: one channel, in the order in which a
 * pipe takes it (cortex_m_tiles.h says what that is). It ends with whether channels are left.
 *
 * Registers: r0 r1 r2 rows, r3 words, r4 records, r5 pitch, r6-r9 sums, r10 r11 weights, r12 lr
 * activations; the end of the records at 44 of the stack. An unaligned word of four columns becomes
 * the pairs (0, 2) and (1, 3); the third output of three takes columns 1 to 3 of a word.
 */
#ifndef EDGEMNV2_CORTEX_M_WINDOWS_H
#define EDGEMNV2_CORTEX_M_WINDOWS_H

/* Assembly by macros: laid out by hand. */
/* clang-format off */
#define EDGEMNV2_WINDOW_1_4_PLAIN                                                                  \
    "ldr lr, [r0]\n ldr r9, [r4]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr, ror #8\n"             \
    "sxtb16 lr, lr\n smlad r7, r12, r10, r9\n smlad r6, lr, r10, r9\n smlabb r6, r12, r11, r6\n"   \
    "ldr r12, [r0, #2]\n smlatb r7, lr, r11, r7\n sxtb16 lr, r12\n sxtb16 r12, r12, ror #8\n"      \
    "smlad r8, lr, r10, r9\n smlad r9, r12, r10, r9\n ldr r10, [r1]\n smlatb r9, lr, r11, r9\n"    \
    "sxtb16 lr, r10, ror #8\n smlabb r8, r12, r11, r8\n ldr r12, [r4, #12]\n"                      \
    "smlabt r6, lr, r11, r6\n sxtb16 r10, r10\n smlad r7, lr, r12, r7\n ldr lr, [r1, #2]\n"        \
    "smlad r6, r10, r12, r6\n smlatt r7, r10, r11, r7\n sxtb16 r10, lr, ror #8\n sxtb16 lr, lr\n"  \
    "smlabt r8, r10, r11, r8\n smlatt r9, lr, r11, r9\n ldr r11, [r2]\n smlad r8, lr, r12, r8\n"   \
    "sxtb16 lr, r11, ror #8\n smlad r9, r10, r12, r9\n ldrd r12, r10, [r4, #16]\n"                 \
    "sxtb16 r11, r11\n smlabb r6, lr, r10, r6\n add r3, r3, #16\n smlad r7, lr, r12, r7\n"         \
    "add r0, r0, r5\n smlatb r7, r11, r10, r7\n ldr lr, [r2, #2]\n smlad r6, r11, r12, r6\n"       \
    "sxtb16 r11, lr\n smlatb r9, r11, r10, r9\n sxtb16 lr, lr, ror #8\n smlad r8, r11, r12, r8\n"  \
    "add r1, r1, r5\n smlabb r8, lr, r10, r8\n ldrd r10, r11, [r4, #24]\n smlad r9, lr, r12, r9\n" \
    "smmla r6, r6, r10, r11\n ldrh r12, [r4, #22]\n smmla r7, r7, r10, r11\n add r2, r2, r5\n"     \
    "asr r6, r6, r12\n asr r7, r7, r12\n smmla r9, r9, r10, r11\n ssat r7, #8, r7\n"               \
    "smmla r8, r8, r10, r11\n ssat r6, #8, r6\n add r4, r4, #32\n asr r8, r8, r12\n"               \
    "ssat r8, #8, r8\n strh r6, [r3, #-16]\n asr r9, r9, r12\n ldr r12, [sp, #44]\n"               \
    "ssat r9, #8, r9\n strh r7, [r3, #-12]\n cmp r4, r12\n strh r8, [r3, #-8]\n"                   \
    "strh r9, [r3, #-4]\n"
#define EDGEMNV2_WINDOW_1_4_FIXED                                                                  \
    "ldr r9, [r4]\n ldr lr, [r0, #0]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlad r7, lr, r10, r9\n"                     \
    "smlabb r6, lr, r11, r6\n ldr lr, [r0, #2]\n smlatb r7, r12, r11, r7\n sxtb16 r12, lr\n"       \
    "sxtb16 lr, lr, ror #8\n smlad r8, r12, r10, r9\n smlad r9, lr, r10, r9\n"                     \
    "smlabb r8, lr, r11, r8\n ldr lr, [r1, #0]\n smlatb r9, r12, r11, r9\n sxtb16 r12, lr\n"       \
    "ldr r10, [r4, #12]\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n"                        \
    "smlabt r6, lr, r11, r6\n smlad r7, lr, r10, r7\n ldr lr, [r1, #2]\n"                          \
    "smlatt r7, r12, r11, r7\n sxtb16 r12, lr\n add r1, r1, r5\n sxtb16 lr, lr, ror #8\n"          \
    "smlad r8, r12, r10, r8\n smlabt r8, lr, r11, r8\n smlad r9, lr, r10, r9\n"                    \
    "ldr lr, [r2, #0]\n smlatt r9, r12, r11, r9\n sxtb16 r12, lr\n ldrd r10, r11, [r4, #16]\n"     \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n"                    \
    "smlad r7, lr, r10, r7\n ldr lr, [r2, #2]\n smlatb r7, r12, r11, r7\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlad r8, r12, r10, r8\n smlabb r8, lr, r11, r8\n"                    \
    "smlad r9, lr, r10, r9\n asr lr, r6, #31\n smlatb r9, r12, r11, r9\n"                          \
    "ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n add lr, r11, lr, lsl #7\n"                   \
    "smmla r6, r6, r10, lr\n asr lr, r7, #31\n asr r6, r6, r12\n add lr, r11, lr, lsl #7\n"        \
    "smmla r7, r7, r10, lr\n asr lr, r8, #31\n asr r7, r7, r12\n ssat r7, #8, r7\n"                \
    "add lr, r11, lr, lsl #7\n smmla r8, r8, r10, lr\n ssat r6, #8, r6\n asr lr, r9, #31\n"        \
    "add r0, r0, r5\n asr r8, r8, r12\n add lr, r11, lr, lsl #7\n smmla r9, r9, r10, lr\n"         \
    "ssat r8, #8, r8\n strh r6, [r3, #0]\n asr r9, r9, r12\n strh r7, [r3, #4]\n"                  \
    "ssat r9, #8, r9\n strh r8, [r3, #8]\n add r2, r2, r5\n strh r9, [r3, #12]\n"                  \
    "ldr r12, [sp, #44]\n add r4, r4, #32\n cmp r4, r12\n add r3, r3, #16\n"
#define EDGEMNV2_WINDOW_1_3_PLAIN                                                                  \
    "ldrd r10, r11, [r4, #4]\n ldr lr, [r0, #0]\n ldr r9, [r4]\n sxtb16 r12, lr\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlad r7, lr, r10, r9\n"                     \
    "smlabb r6, lr, r11, r6\n ldr lr, [r0, #1]\n smlatb r7, r12, r11, r7\n sxtb16 r12, lr\n"       \
    "sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r9\n ldr lr, [r1, #0]\n"                           \
    "smlatb r8, r12, r11, r8\n sxtb16 r12, lr\n ldr r10, [r4, #12]\n sxtb16 lr, lr, ror #8\n"      \
    "smlad r6, r12, r10, r6\n smlabt r6, lr, r11, r6\n smlad r7, lr, r10, r7\n"                    \
    "ldr lr, [r1, #1]\n smlatt r7, r12, r11, r7\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n"        \
    "smlad r8, lr, r10, r8\n smlatt r8, r12, r11, r8\n ldrd r10, r11, [r4, #16]\n"                 \
    "ldr lr, [r2, #0]\n add r1, r1, r5\n sxtb16 r12, lr\n add r0, r0, r5\n"                        \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n"                    \
    "smlad r7, lr, r10, r7\n ldr lr, [r2, #1]\n smlatb r7, r12, r11, r7\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r8\n smlatb r8, r12, r11, r8\n"                    \
    "ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n smmla r6, r6, r10, r11\n"                    \
    "smmla r8, r8, r10, r11\n asr r6, r6, r12\n smmla r7, r7, r10, r11\n ssat r6, #8, r6\n"        \
    "add r2, r2, r5\n asr r7, r7, r12\n add r4, r4, #32\n asr r8, r8, r12\n ssat r7, #8, r7\n"     \
    "strh r6, [r3, #0]\n ssat r8, #8, r8\n strh r7, [r3, #4]\n ldr r12, [sp, #44]\n"               \
    "strh r8, [r3, #8]\n add r3, r3, #12\n cmp r4, r12\n"
#define EDGEMNV2_WINDOW_1_3_FIXED                                                                  \
    "ldr lr, [r0, #0]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n ldr r9, [r4]\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlabb r6, lr, r11, r6\n"                    \
    "smlad r7, lr, r10, r9\n ldr lr, [r0, #1]\n smlatb r7, r12, r11, r7\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r9\n ldr lr, [r1, #0]\n"                           \
    "smlatb r8, r12, r11, r8\n sxtb16 r12, lr\n ldr r10, [r4, #12]\n sxtb16 lr, lr, ror #8\n"      \
    "smlad r6, r12, r10, r6\n smlabt r6, lr, r11, r6\n smlad r7, lr, r10, r7\n"                    \
    "ldr lr, [r1, #1]\n smlatt r7, r12, r11, r7\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n"        \
    "add r1, r1, r5\n smlad r8, lr, r10, r8\n ldr lr, [r2, #0]\n smlatt r8, r12, r11, r8\n"        \
    "ldrd r10, r11, [r4, #16]\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n"                          \
    "smlad r6, r12, r10, r6\n add r0, r0, r5\n smlabb r6, lr, r11, r6\n"                           \
    "smlad r7, lr, r10, r7\n ldr lr, [r2, #1]\n smlatb r7, r12, r11, r7\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r8\n asr lr, r6, #31\n"                            \
    "smlatb r8, r12, r11, r8\n ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n"                   \
    "add lr, r11, lr, lsl #7\n smmla r6, r6, r10, lr\n asr lr, r7, #31\n asr r6, r6, r12\n"        \
    "add lr, r11, lr, lsl #7\n smmla r7, r7, r10, lr\n asr lr, r8, #31\n add r4, r4, #32\n"        \
    "asr r7, r7, r12\n add lr, r11, lr, lsl #7\n ssat r6, #8, r6\n smmla r8, r8, r10, lr\n"        \
    "ssat r7, #8, r7\n asr r8, r8, r12\n strh r6, [r3, #0]\n ssat r8, #8, r8\n"                    \
    "strh r7, [r3, #4]\n ldr r12, [sp, #44]\n strh r8, [r3, #8]\n add r3, r3, #12\n"               \
    "add r2, r2, r5\n cmp r4, r12\n"
#define EDGEMNV2_WINDOW_1_2_PLAIN                                                                  \
    "ldr lr, [r0, #0]\n ldr r9, [r4]\n sxtb16 r12, lr\n ldrd r10, r11, [r4, #4]\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlabb r6, lr, r11, r6\n"                    \
    "add r0, r0, r5\n smlad r7, lr, r10, r9\n ldr lr, [r1, #0]\n smlatb r7, r12, r11, r7\n"        \
    "sxtb16 r12, lr\n ldr r10, [r4, #12]\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n"       \
    "add r1, r1, r5\n smlabt r6, lr, r11, r6\n smlad r7, lr, r10, r7\n ldr lr, [r2, #0]\n"         \
    "smlatt r7, r12, r11, r7\n ldrd r10, r11, [r4, #16]\n sxtb16 r12, lr\n"                        \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n"                    \
    "smlad r7, lr, r10, r7\n smlatb r7, r12, r11, r7\n ldrd r10, r11, [r4, #24]\n"                 \
    "ldrh r12, [r4, #22]\n smmla r6, r6, r10, r11\n add r4, r4, #32\n"                             \
    "smmla r7, r7, r10, r11\n asr r6, r6, r12\n ssat r6, #8, r6\n asr r7, r7, r12\n"               \
    "ldr r12, [sp, #44]\n ssat r7, #8, r7\n strh r6, [r3, #0]\n add r2, r2, r5\n"                  \
    "strh r7, [r3, #4]\n cmp r4, r12\n add r3, r3, #8\n"
#define EDGEMNV2_WINDOW_1_2_FIXED                                                                  \
    "ldr lr, [r0, #0]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n ldr r9, [r4]\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlad r7, lr, r10, r9\n"                     \
    "ldr r10, [r4, #12]\n smlabb r6, lr, r11, r6\n ldr lr, [r1, #0]\n"                             \
    "smlatb r7, r12, r11, r7\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n"                           \
    "smlad r6, r12, r10, r6\n smlad r7, lr, r10, r7\n smlabt r6, lr, r11, r6\n"                    \
    "ldr lr, [r2, #0]\n smlatt r7, r12, r11, r7\n sxtb16 r12, lr\n ldrd r10, r11, [r4, #16]\n"     \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n"                    \
    "smlad r7, lr, r10, r7\n asr lr, r6, #31\n smlatb r7, r12, r11, r7\n"                          \
    "ldrd r10, r11, [r4, #24]\n add r2, r2, r5\n ldrh r12, [r4, #22]\n"                            \
    "add lr, r11, lr, lsl #7\n smmla r6, r6, r10, lr\n asr lr, r7, #31\n asr r6, r6, r12\n"        \
    "add r1, r1, r5\n add lr, r11, lr, lsl #7\n smmla r7, r7, r10, lr\n ssat r6, #8, r6\n"         \
    "add r4, r4, #32\n asr r7, r7, r12\n ssat r7, #8, r7\n strh r6, [r3, #0]\n"                    \
    "ldr r12, [sp, #44]\n add r0, r0, r5\n cmp r4, r12\n strh r7, [r3, #4]\n add r3, r3, #8\n"
#define EDGEMNV2_WINDOW_2_4_PLAIN                                                                  \
    "ldr r9, [r4]\n ldr lr, [r0, #0]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlatb r7, r12, r10, r9\n"                   \
    "smlabb r6, lr, r11, r6\n smlatb r7, lr, r11, r7\n ldr lr, [r0, #4]\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlabt r7, r12, r10, r7\n smlad r8, r12, r10, r9\n"                   \
    "smlatb r9, r12, r10, r9\n ldrsb r12, [r0, #8]\n smlabb r8, lr, r11, r8\n"                     \
    "add r0, r0, r5\n smlatb r9, lr, r11, r9\n ldr lr, [r1, #0]\n smlabt r9, r12, r10, r9\n"       \
    "sxtb16 r12, lr\n ldr r10, [r4, #12]\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n"       \
    "smlabt r6, lr, r11, r6\n smlatb r7, r12, r10, r7\n smlatt r7, lr, r11, r7\n"                  \
    "ldr lr, [r1, #4]\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n smlad r8, r12, r10, r8\n"         \
    "smlabt r7, r12, r10, r7\n smlatb r9, r12, r10, r9\n smlabt r8, lr, r11, r8\n"                 \
    "ldrsb r12, [r1, #8]\n smlatt r9, lr, r11, r9\n ldr lr, [r2, #0]\n"                            \
    "smlabt r9, r12, r10, r9\n ldrd r10, r11, [r4, #16]\n sxtb16 r12, lr\n"                        \
    "smlatb r7, r12, r10, r7\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n"                   \
    "smlatb r7, lr, r11, r7\n smlabb r6, lr, r11, r6\n ldr lr, [r2, #4]\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlabt r7, r12, r10, r7\n add r1, r1, r5\n"                           \
    "smlad r8, r12, r10, r8\n smlatb r9, r12, r10, r9\n ldrsb r12, [r2, #8]\n"                     \
    "smlabb r8, lr, r11, r8\n smlatb r9, lr, r11, r9\n smlabt r9, r12, r10, r9\n"                  \
    "ldrh r12, [r4, #22]\n ldrd r10, r11, [r4, #24]\n add r2, r2, r5\n"                            \
    "smmla r6, r6, r10, r11\n smmla r9, r9, r10, r11\n asr r6, r6, r12\n add r4, r4, #32\n"        \
    "asr r9, r9, r12\n smmla r7, r7, r10, r11\n ssat r6, #8, r6\n smmla r8, r8, r10, r11\n"        \
    "asr r7, r7, r12\n ssat r7, #8, r7\n strh r6, [r3, #0]\n ssat r9, #8, r9\n"                    \
    "strh r7, [r3, #4]\n asr r8, r8, r12\n ldr r12, [sp, #44]\n ssat r8, #8, r8\n"                 \
    "strh r9, [r3, #12]\n cmp r4, r12\n strh r8, [r3, #8]\n add r3, r3, #16\n"
#define EDGEMNV2_WINDOW_2_4_FIXED                                                                  \
    "ldr lr, [r0, #0]\n ldr r9, [r4]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n"                 \
    "sxtb16 lr, lr, ror #8\n smlatb r7, r12, r10, r9\n smlad r6, r12, r10, r9\n"                   \
    "smlabb r6, lr, r11, r6\n smlatb r7, lr, r11, r7\n ldr lr, [r0, #4]\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlad r8, r12, r10, r9\n smlabt r7, r12, r10, r7\n"                   \
    "smlatb r9, r12, r10, r9\n smlatb r9, lr, r11, r9\n ldrsb r12, [r0, #8]\n"                     \
    "smlabb r8, lr, r11, r8\n smlabt r9, r12, r10, r9\n ldr lr, [r1, #0]\n"                        \
    "ldr r10, [r4, #12]\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n"       \
    "smlabt r6, lr, r11, r6\n smlatb r7, r12, r10, r7\n smlatt r7, lr, r11, r7\n"                  \
    "ldr lr, [r1, #4]\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n smlatb r9, r12, r10, r9\n"        \
    "smlad r8, r12, r10, r8\n smlatt r9, lr, r11, r9\n smlabt r7, r12, r10, r7\n"                  \
    "ldrsb r12, [r1, #8]\n smlabt r8, lr, r11, r8\n ldr lr, [r2, #0]\n"                            \
    "smlabt r9, r12, r10, r9\n sxtb16 r12, lr\n add r1, r1, r5\n ldrd r10, r11, [r4, #16]\n"       \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r7\n smlatb r7, lr, r11, r7\n ldr lr, [r2, #4]\n sxtb16 r12, lr\n"       \
    "sxtb16 lr, lr, ror #8\n smlad r8, r12, r10, r8\n smlatb r9, r12, r10, r9\n"                   \
    "smlabt r7, r12, r10, r7\n smlatb r9, lr, r11, r9\n ldrsb r12, [r2, #8]\n"                     \
    "add r2, r2, r5\n smlabb r8, lr, r11, r8\n asr lr, r6, #31\n smlabt r9, r12, r10, r9\n"        \
    "ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n add lr, r11, lr, lsl #7\n"                   \
    "smmla r6, r6, r10, lr\n asr lr, r7, #31\n asr r6, r6, r12\n add lr, r11, lr, lsl #7\n"        \
    "smmla r7, r7, r10, lr\n ssat r6, #8, r6\n asr lr, r8, #31\n asr r7, r7, r12\n"                \
    "strh r6, [r3, #0]\n add lr, r11, lr, lsl #7\n smmla r8, r8, r10, lr\n asr lr, r9, #31\n"      \
    "add r4, r4, #32\n asr r8, r8, r12\n ssat r8, #8, r8\n add lr, r11, lr, lsl #7\n"              \
    "smmla r9, r9, r10, lr\n ssat r7, #8, r7\n strh r8, [r3, #8]\n asr r9, r9, r12\n"              \
    "ssat r9, #8, r9\n strh r7, [r3, #4]\n strh r9, [r3, #12]\n add r0, r0, r5\n"                  \
    "ldr r12, [sp, #44]\n add r3, r3, #16\n cmp r4, r12\n"
#define EDGEMNV2_WINDOW_2_3_PLAIN                                                                  \
    "ldr lr, [r0, #0]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n ldr r9, [r4]\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlabb r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r9\n smlatb r7, lr, r11, r7\n ldr lr, [r0, #3]\n sxtb16 r12, lr\n"       \
    "sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r9\n smlabt r7, lr, r10, r7\n"                     \
    "ldr lr, [r1, #0]\n smlatb r8, r12, r11, r8\n sxtb16 r12, lr\n ldr r10, [r4, #12]\n"           \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabt r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r7\n smlatt r7, lr, r11, r7\n ldr lr, [r1, #3]\n add r0, r0, r5\n"       \
    "sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r8\n"                             \
    "smlabt r7, lr, r10, r7\n ldr lr, [r2, #0]\n smlatt r8, r12, r11, r8\n"                        \
    "ldrd r10, r11, [r4, #16]\n sxtb16 r12, lr\n smlad r6, r12, r10, r6\n"                         \
    "sxtb16 lr, lr, ror #8\n smlatb r7, r12, r10, r7\n smlatb r7, lr, r11, r7\n"                   \
    "smlabb r6, lr, r11, r6\n ldr lr, [r2, #3]\n add r2, r2, r5\n sxtb16 r12, lr\n"                \
    "sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r8\n smlabt r7, lr, r10, r7\n"                     \
    "smlatb r8, r12, r11, r8\n ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n"                   \
    "smmla r6, r6, r10, r11\n add r4, r4, #32\n smmla r7, r7, r10, r11\n asr r6, r6, r12\n"        \
    "asr r7, r7, r12\n ssat r7, #8, r7\n smmla r8, r8, r10, r11\n ssat r6, #8, r6\n"               \
    "asr r8, r8, r12\n strh r6, [r3, #0]\n ssat r8, #8, r8\n strh r7, [r3, #4]\n"                  \
    "ldr r12, [sp, #44]\n strh r8, [r3, #8]\n add r3, r3, #12\n add r1, r1, r5\n"                  \
    "cmp r4, r12\n"
#define EDGEMNV2_WINDOW_2_3_FIXED                                                                  \
    "ldr lr, [r0, #0]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n ldr r9, [r4]\n"                 \
    "smlatb r7, r12, r10, r9\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n"                   \
    "smlabb r6, lr, r11, r6\n smlatb r7, lr, r11, r7\n ldr lr, [r0, #3]\n sxtb16 r12, lr\n"        \
    "sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r9\n smlabt r7, lr, r10, r7\n"                     \
    "ldr lr, [r1, #0]\n smlatb r8, r12, r11, r8\n sxtb16 r12, lr\n ldr r10, [r4, #12]\n"           \
    "sxtb16 lr, lr, ror #8\n smlatb r7, r12, r10, r7\n smlad r6, r12, r10, r6\n"                   \
    "smlabt r6, lr, r11, r6\n smlatt r7, lr, r11, r7\n ldr lr, [r1, #3]\n add r1, r1, r5\n"        \
    "sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n smlad r8, lr, r10, r8\n"                             \
    "smlabt r7, lr, r10, r7\n ldr lr, [r2, #0]\n smlatt r8, r12, r11, r8\n sxtb16 r12, lr\n"       \
    "ldrd r10, r11, [r4, #16]\n sxtb16 lr, lr, ror #8\n smlatb r7, r12, r10, r7\n"                 \
    "smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n smlatb r7, lr, r11, r7\n"                   \
    "ldr lr, [r2, #3]\n add r2, r2, r5\n sxtb16 r12, lr\n sxtb16 lr, lr, ror #8\n"                 \
    "smlabt r7, lr, r10, r7\n smlad r8, lr, r10, r8\n asr lr, r6, #31\n"                           \
    "smlatb r8, r12, r11, r8\n ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n"                   \
    "add lr, r11, lr, lsl #7\n smmla r6, r6, r10, lr\n asr lr, r7, #31\n asr r6, r6, r12\n"        \
    "add lr, r11, lr, lsl #7\n smmla r7, r7, r10, lr\n asr lr, r8, #31\n add r0, r0, r5\n"         \
    "asr r7, r7, r12\n add r4, r4, #32\n ssat r7, #8, r7\n add lr, r11, lr, lsl #7\n"              \
    "smmla r8, r8, r10, lr\n ssat r6, #8, r6\n asr r8, r8, r12\n strh r6, [r3, #0]\n"              \
    "ssat r8, #8, r8\n strh r7, [r3, #4]\n ldr r12, [sp, #44]\n strh r8, [r3, #8]\n"               \
    "add r3, r3, #12\n cmp r4, r12\n"
#define EDGEMNV2_WINDOW_2_2_PLAIN                                                                  \
    "ldr r9, [r4]\n ldrd r10, r11, [r4, #4]\n ldr lr, [r0, #0]\n sxtb16 r12, lr\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlabb r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r9\n smlatb r7, lr, r11, r7\n ldrsb r12, [r0, #4]\n"                     \
    "smlabt r7, r12, r10, r7\n ldr r10, [r4, #12]\n ldr lr, [r1, #0]\n sxtb16 r12, lr\n"           \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabt r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r7\n smlatt r7, lr, r11, r7\n ldrsb r12, [r1, #4]\n"                     \
    "smlabt r7, r12, r10, r7\n ldrd r10, r11, [r4, #16]\n ldr lr, [r2, #0]\n sxtb16 r12, lr\n"     \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r7\n smlatb r7, lr, r11, r7\n ldrsb r12, [r2, #4]\n"                     \
    "smlabt r7, r12, r10, r7\n ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n"                   \
    "smmla r6, r6, r10, r11\n asr r6, r6, r12\n ssat r6, #8, r6\n smmla r7, r7, r10, r11\n"        \
    "asr r7, r7, r12\n ssat r7, #8, r7\n strh r6, [r3, #0]\n strh r7, [r3, #4]\n"                  \
    "add r3, r3, #8\n add r4, r4, #32\n add r0, r0, r5\n add r1, r1, r5\n add r2, r2, r5\n"        \
    "ldr r12, [sp, #44]\n cmp r4, r12\n"
#define EDGEMNV2_WINDOW_2_2_FIXED                                                                  \
    "ldr r9, [r4]\n ldrd r10, r11, [r4, #4]\n ldr lr, [r0, #0]\n sxtb16 r12, lr\n"                 \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlabb r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r9\n smlatb r7, lr, r11, r7\n ldrsb r12, [r0, #4]\n"                     \
    "smlabt r7, r12, r10, r7\n ldr r10, [r4, #12]\n ldr lr, [r1, #0]\n sxtb16 r12, lr\n"           \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabt r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r7\n smlatt r7, lr, r11, r7\n ldrsb r12, [r1, #4]\n"                     \
    "smlabt r7, r12, r10, r7\n ldrd r10, r11, [r4, #16]\n ldr lr, [r2, #0]\n sxtb16 r12, lr\n"     \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n smlabb r6, lr, r11, r6\n"                    \
    "smlatb r7, r12, r10, r7\n smlatb r7, lr, r11, r7\n ldrsb r12, [r2, #4]\n"                     \
    "smlabt r7, r12, r10, r7\n ldrd r10, r11, [r4, #24]\n ldrh r12, [r4, #22]\n"                   \
    "asr lr, r6, #31\n add lr, r11, lr, lsl #7\n smmla r6, r6, r10, lr\n asr r6, r6, r12\n"        \
    "ssat r6, #8, r6\n asr lr, r7, #31\n add lr, r11, lr, lsl #7\n smmla r7, r7, r10, lr\n"        \
    "asr r7, r7, r12\n ssat r7, #8, r7\n strh r6, [r3, #0]\n strh r7, [r3, #4]\n"                  \
    "add r3, r3, #8\n add r4, r4, #32\n add r0, r0, r5\n add r1, r1, r5\n add r2, r2, r5\n"        \
    "ldr r12, [sp, #44]\n cmp r4, r12\n"
/* COMMON: every channel shifts by 12 (`COMMON_SHIFT`), so that saturation does it. */
#define EDGEMNV2_WINDOW_1_4_COMMON                                                                 \
    "ldr lr, [r0]\n ldr r9, [r4]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n"                     \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlad r7, lr, r10, r9\n"                     \
    "smlatb r7, r12, r11, r7\n ldr r12, [r0, #2]\n smlabb r6, lr, r11, r6\n sxtb16 lr, r12\n"      \
    "sxtb16 r12, r12, ror #8\n smlad r8, lr, r10, r9\n add r0, r0, r5\n smlad r9, r12, r10, r9\n"  \
    "ldr r10, [r1]\n smlabb r8, r12, r11, r8\n sxtb16 r12, r10\n smlatb r9, lr, r11, r9\n"         \
    "sxtb16 lr, r10, ror #8\n smlatt r7, r12, r11, r7\n ldr r10, [r4, #12]\n"                      \
    "smlabt r6, lr, r11, r6\n smlad r7, lr, r10, r7\n ldr lr, [r1, #2]\n smlad r6, r12, r10, r6\n" \
    "sxtb16 r12, lr\n add r4, r4, #32\n sxtb16 lr, lr, ror #8\n smlatt r9, r12, r11, r9\n"         \
    "smlabt r8, lr, r11, r8\n ldr r11, [r2]\n smlad r9, lr, r10, r9\n sxtb16 lr, r11\n"            \
    "smlad r8, r12, r10, r8\n ldrd r12, r10, [r4, #-16]\n sxtb16 r11, r11, ror #8\n"               \
    "smlad r6, lr, r12, r6\n smlatb r7, lr, r10, r7\n smlad r7, r11, r12, r7\n ldr lr, [r2, #2]\n" \
    "smlabb r6, r11, r10, r6\n sxtb16 r11, lr\n add r3, r3, #16\n sxtb16 lr, lr, ror #8\n"         \
    "smlad r8, r11, r12, r8\n smlad r9, lr, r12, r9\n add r2, r2, r5\n smlatb r9, r11, r10, r9\n"  \
    "add r1, r1, r5\n smlabb r8, lr, r10, r8\n ldrd r10, r11, [r4, #-8]\n ldr r12, [sp, #44]\n"    \
    "smmla r7, r7, r10, r11\n cmp r4, r12\n smmla r9, r9, r10, r11\n ssat r7, #8, r7, asr #12\n"   \
    "smmla r8, r8, r10, r11\n ssat r9, #8, r9, asr #12\n strh r7, [r3, #-12]\n"                    \
    "ssat r8, #8, r8, asr #12\n smmla r6, r6, r10, r11\n strh r8, [r3, #-8]\n"                     \
    "ssat r6, #8, r6, asr #12\n strh r9, [r3, #-4]\n strh r6, [r3, #-16]\n"
#define EDGEMNV2_WINDOW_1_3_COMMON                                                                 \
    "ldrd r10, r11, [r4, #4]\n ldr lr, [r0]\n ldr r9, [r4]\n sxtb16 r12, lr\n"                     \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n smlad r7, lr, r10, r9\n"                     \
    "smlatb r7, r12, r11, r7\n ldr r12, [r0, #1]\n smlabb r6, lr, r11, r6\n"                       \
    "sxtb16 lr, r12, ror #8\n sxtb16 r12, r12\n smlad r8, lr, r10, r9\n ldr lr, [r1]\n"            \
    "smlatb r8, r12, r11, r8\n sxtb16 r10, lr, ror #8\n ldr r12, [r4, #12]\n sxtb16 lr, lr\n"      \
    "smlabt r6, r10, r11, r6\n smlatt r7, lr, r11, r7\n smlad r6, lr, r12, r6\n"                   \
    "ldr lr, [r1, #1]\n smlad r7, r10, r12, r7\n sxtb16 r10, lr, ror #8\n add r4, r4, #32\n"       \
    "sxtb16 lr, lr\n smlad r8, r10, r12, r8\n ldr r10, [r2]\n smlatt r8, lr, r11, r8\n"            \
    "ldrd r11, r12, [r4, #-16]\n sxtb16 lr, r10, ror #8\n add r0, r0, r5\n add r3, r3, #12\n"      \
    "smlad r7, lr, r11, r7\n sxtb16 r10, r10\n smlabb r6, lr, r12, r6\n ldr lr, [r2, #1]\n"        \
    "smlatb r7, r10, r12, r7\n smlad r6, r10, r11, r6\n sxtb16 r10, lr\n add r1, r1, r5\n"         \
    "sxtb16 lr, lr, ror #8\n smlatb r8, r10, r12, r8\n ldr r12, [sp, #44]\n"                       \
    "smlad r8, lr, r11, r8\n ldrd r10, r11, [r4, #-8]\n add r2, r2, r5\n smmla r7, r7, r10, r11\n" \
    "cmp r4, r12\n smmla r8, r8, r10, r11\n ssat r7, #8, r7, asr #12\n smmla r6, r6, r10, r11\n"   \
    "ssat r8, #8, r8, asr #12\n strh r7, [r3, #-8]\n ssat r6, #8, r6, asr #12\n"                   \
    "strh r8, [r3, #-4]\n strh r6, [r3, #-12]\n"
#define EDGEMNV2_WINDOW_1_2_COMMON                                                                 \
    "ldr lr, [r0]\n ldr r9, [r4]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n add r3, r3, #8\n"    \
    "sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n add r0, r0, r5\n smlad r7, lr, r10, r9\n"    \
    "ldr r10, [r1]\n smlabb r6, lr, r11, r6\n sxtb16 lr, r10, ror #8\n smlatb r7, r12, r11, r7\n"  \
    "ldr r12, [r4, #12]\n smlabt r6, lr, r11, r6\n sxtb16 r10, r10\n smlad r7, lr, r12, r7\n"      \
    "ldr lr, [r2]\n smlatt r7, r10, r11, r7\n sxtb16 r11, lr\n smlad r6, r10, r12, r6\n"           \
    "ldrd r12, r10, [r4, #16]\n sxtb16 lr, lr, ror #8\n smlad r6, r11, r12, r6\n"                  \
    "add r4, r4, #32\n smlabb r6, lr, r10, r6\n add r2, r2, r5\n smlad r7, lr, r12, r7\n"          \
    "add r1, r1, r5\n smlatb r7, r11, r10, r7\n ldrd r10, r11, [r4, #-8]\n ldr r12, [sp, #44]\n"   \
    "smmla r6, r6, r10, r11\n cmp r4, r12\n smmla r7, r7, r10, r11\n ssat r6, #8, r6, asr #12\n"   \
    "ssat r7, #8, r7, asr #12\n strh r6, [r3, #-8]\n strh r7, [r3, #-4]\n"
#define EDGEMNV2_WINDOW_2_4_COMMON                                                                 \
    "ldr lr, [r0]\n ldr r9, [r4]\n ldrd r10, r11, [r4, #4]\n sxtb16 r12, lr\n"                     \
    "smlatb r7, r12, r10, r9\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r9\n"                   \
    "smlabb r6, lr, r11, r6\n ldr r12, [r0, #4]\n smlatb r7, lr, r11, r7\n sxtb16 lr, r12\n"       \
    "smlabt r7, lr, r10, r7\n sxtb16 r12, r12, ror #8\n smlad r8, lr, r10, r9\n"                   \
    "smlatb r9, lr, r10, r9\n ldrsb lr, [r0, #8]\n add r4, r4, #32\n smlabb r8, r12, r11, r8\n"    \
    "smlabt r9, lr, r10, r9\n ldr lr, [r1]\n smlatb r9, r12, r11, r9\n sxtb16 r10, lr, ror #8\n"   \
    "ldr r12, [r4, #-20]\n add r0, r0, r5\n smlatt r7, r10, r11, r7\n sxtb16 lr, lr\n"             \
    "smlabt r6, r10, r11, r6\n smlatb r7, lr, r12, r7\n ldr r10, [r1, #4]\n"                       \
    "smlad r6, lr, r12, r6\n sxtb16 lr, r10, ror #8\n sxtb16 r10, r10\n smlabt r8, lr, r11, r8\n"  \
    "smlatt r9, lr, r11, r9\n smlatb r9, r10, r12, r9\n ldrsb r11, [r1, #8]\n"                     \
    "smlad r8, r10, r12, r8\n ldr lr, [r2]\n smlabt r7, r10, r12, r7\n sxtb16 r10, lr\n"           \
    "smlabt r9, r11, r12, r9\n ldrd r11, r12, [r4, #-16]\n sxtb16 lr, lr, ror #8\n"                \
    "smlatb r7, r10, r11, r7\n add r3, r3, #16\n smlabb r6, lr, r12, r6\n"                         \
    "smlad r6, r10, r11, r6\n ldr r10, [r2, #4]\n smlatb r7, lr, r12, r7\n"                        \
    "sxtb16 lr, r10, ror #8\n add r1, r1, r5\n sxtb16 r10, r10\n smlatb r9, lr, r12, r9\n"         \
    "smlabb r8, lr, r12, r8\n ldrsb r12, [r2, #8]\n smlabt r7, r10, r11, r7\n"                     \
    "smlatb r9, r10, r11, r9\n smlad r8, r10, r11, r8\n smlabt r9, r12, r11, r9\n"                 \
    "ldrd r10, r11, [r4, #-8]\n ldr r12, [sp, #44]\n smmla r9, r9, r10, r11\n cmp r4, r12\n"       \
    "smmla r6, r6, r10, r11\n ssat r9, #8, r9, asr #12\n smmla r7, r7, r10, r11\n"                 \
    "ssat r6, #8, r6, asr #12\n smmla r8, r8, r10, r11\n ssat r7, #8, r7, asr #12\n"               \
    "strh r9, [r3, #-4]\n ssat r8, #8, r8, asr #12\n strh r7, [r3, #-12]\n add r2, r2, r5\n"       \
    "strh r6, [r3, #-16]\n strh r8, [r3, #-8]\n"
#define EDGEMNV2_WINDOW_2_3_COMMON                                                                 \
    "ldr lr, [r0]\n ldr r9, [r4]\n sxtb16 r12, lr\n ldrd r10, r11, [r4, #4]\n"                     \
    "sxtb16 lr, lr, ror #8\n smlatb r7, r12, r10, r9\n smlatb r7, lr, r11, r7\n"                   \
    "smlad r6, r12, r10, r9\n ldr r12, [r0, #3]\n smlabb r6, lr, r11, r6\n"                        \
    "sxtb16 lr, r12, ror #8\n add r4, r4, #32\n add r3, r3, #12\n smlad r8, lr, r10, r9\n"         \
    "sxtb16 r12, r12\n smlabt r7, lr, r10, r7\n ldr lr, [r1]\n smlatb r8, r12, r11, r8\n"          \
    "sxtb16 r12, lr\n ldr r10, [r4, #-20]\n sxtb16 lr, lr, ror #8\n smlad r6, r12, r10, r6\n"      \
    "smlatt r7, lr, r11, r7\n smlatb r7, r12, r10, r7\n ldr r12, [r1, #3]\n"                       \
    "smlabt r6, lr, r11, r6\n sxtb16 lr, r12\n sxtb16 r12, r12, ror #8\n smlatt r8, lr, r11, r8\n" \
    "ldr lr, [r2]\n smlabt r7, r12, r10, r7\n sxtb16 r11, lr, ror #8\n smlad r8, r12, r10, r8\n"   \
    "ldrd r10, r12, [r4, #-16]\n add r1, r1, r5\n smlabb r6, r11, r12, r6\n sxtb16 lr, lr\n"       \
    "smlatb r7, r11, r12, r7\n ldr r11, [r2, #3]\n smlad r6, lr, r10, r6\n add r2, r2, r5\n"       \
    "smlatb r7, lr, r10, r7\n sxtb16 lr, r11, ror #8\n sxtb16 r11, r11\n smlabt r7, lr, r10, r7\n" \
    "add r0, r0, r5\n smlatb r8, r11, r12, r8\n ldr r12, [sp, #44]\n smlad r8, lr, r10, r8\n"      \
    "ldrd r10, r11, [r4, #-8]\n cmp r4, r12\n smmla r7, r7, r10, r11\n smmla r6, r6, r10, r11\n"   \
    "ssat r7, #8, r7, asr #12\n smmla r8, r8, r10, r11\n ssat r6, #8, r6, asr #12\n"               \
    "strh r7, [r3, #-8]\n ssat r8, #8, r8, asr #12\n strh r6, [r3, #-12]\n strh r8, [r3, #-4]\n"
#define EDGEMNV2_WINDOW_2_2_COMMON                                                                 \
    "ldrd r10, r11, [r4, #4]\n ldr lr, [r0]\n ldr r9, [r4]\n sxtb16 r12, lr\n"                     \
    "sxtb16 lr, lr, ror #8\n smlatb r7, r12, r10, r9\n smlad r6, r12, r10, r9\n"                   \
    "ldrsb r12, [r0, #4]\n smlatb r7, lr, r11, r7\n add r0, r0, r5\n smlabt r7, r12, r10, r7\n"    \
    "ldr r10, [r1]\n smlabb r6, lr, r11, r6\n sxtb16 lr, r10, ror #8\n ldr r12, [r4, #12]\n"       \
    "add r3, r3, #8\n smlatt r7, lr, r11, r7\n sxtb16 r10, r10\n smlabt r6, lr, r11, r6\n"         \
    "ldrsb r11, [r1, #4]\n smlatb r7, r10, r12, r7\n ldr lr, [r2]\n smlad r6, r10, r12, r6\n"      \
    "sxtb16 r10, lr\n smlabt r7, r11, r12, r7\n ldrd r12, r11, [r4, #16]\n"                        \
    "sxtb16 lr, lr, ror #8\n smlatb r7, r10, r12, r7\n smlad r6, r10, r12, r6\n"                   \
    "ldrsb r10, [r2, #4]\n add r2, r2, r5\n smlabb r6, lr, r11, r6\n add r4, r4, #32\n"            \
    "smlabt r7, r10, r12, r7\n ldr r12, [sp, #44]\n smlatb r7, lr, r11, r7\n"                      \
    "ldrd r10, r11, [r4, #-8]\n cmp r4, r12\n smmla r7, r7, r10, r11\n add r1, r1, r5\n"           \
    "smmla r6, r6, r10, r11\n ssat r7, #8, r7, asr #12\n ssat r6, #8, r6, asr #12\n"               \
    "strh r7, [r3, #-4]\n strh r6, [r3, #-8]\n"
/* clang-format on */

#endif
