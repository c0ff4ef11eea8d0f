/* net: one function per kind and shape of layer, made by edgemnv2. */
#include <stdbool.h>
#include <stdint.h>
#ifdef NET_CODE_SECTION
#define EDGEMNV2_HOT __attribute__((section(NET_CODE_SECTION)))
#else
#define EDGEMNV2_HOT
#endif
#include "cortex_m_add_linear.h"
#include "cortex_m_depthwise.h"
#include "cortex_m_patches.h"
#include "cortex_m_pointwise.h"

EDGEMNV2_HOT void net_dsp_conv2d_862131d9410a(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int32_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_dsp_pointwise_958a6e99be6a(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_dsp_depthwise_project_937515125b33(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int16_t *scratch, const int32_t *depthwise, const int32_t *project);
EDGEMNV2_HOT void net_dsp_pointwise_22f0b248e663(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_dsp_depthwise_project_4277bbc8322b(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int16_t *scratch, const int32_t *depthwise, const int32_t *project);
EDGEMNV2_HOT void net_dsp_add_9f5c641f46e5(const int8_t *row_0, const int8_t *row_1, int8_t *out, const int32_t *stream);
EDGEMNV2_HOT void net_dsp_pointwise_b07da00987ce(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_plain_pool_sum_38cc2592654f(const int8_t *row0, int32_t *sums);
EDGEMNV2_HOT void net_plain_pool_e73d91924391(const int32_t *sums, int8_t *out, const int32_t *factor);
EDGEMNV2_HOT void net_dsp_pointwise_9885620178c0(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_plain_softmax_e542d2734eab(const int8_t *row0, int8_t *out, const int32_t *exp_table);

void net_dsp_conv2d_862131d9410a(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int32_t *scratch, const int32_t *stream) {
  memset((&(scratch[56])), 0, 112);
  for (int32_t i1 = 0; i1 < 2; ++i1) {
    int32_t cse_v1 = (i1 * 24);
    edgemnv2_patch_row((&(row_0[0])), 48, cse_v1, 6, 9, (&(scratch[56])), 0, 28, 4, 0, 0);
    edgemnv2_patch_row((&(row_1[0])), 48, cse_v1, 6, 9, (&(scratch[56])), 9, 28, 4, 0, 0);
    edgemnv2_patch_row((&(row_2[0])), 48, cse_v1, 6, 9, (&(scratch[56])), 18, 28, 4, 0, 0);
    edgemnv2_widen_4_BYTES((&(scratch[56])), (&(scratch[0])), 28, 28);
    edgemnv2_tile_4_HALVES_COMMON_PIXELS((&(scratch[0])), (&(stream[0])), (&(out[(i1 * 32)])));
  }
}

void net_dsp_pointwise_958a6e99be6a(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream) {
  for (int32_t i1 = 0; i1 < 2; ++i1) {
    edgemnv2_widen_4_HALVES((&(row_0[(i1 * 32)])), (&(scratch[0])), 8, 8);
    edgemnv2_tile_4_HALVES_PLAIN_ROWS((&(scratch[0])), (&(stream[0])), (&(out[(i1 * 4)])));
  }
  edgemnv2_pad_columns((&(out[0])), 24, 9, 0, 1, -128);
}

void net_dsp_depthwise_project_937515125b33(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int16_t *scratch, const int32_t *depthwise, const int32_t *project) {
  edgemnv2_window_2_4_PLAIN((&(row_0[0])), (&(row_1[0])), (&(row_2[0])), (&(scratch[0])), (&(depthwise[8])), 9, 12);
  edgemnv2_window_2_4_PLAIN((&(row_0[108])), (&(row_1[108])), (&(row_2[108])), (&(scratch[1])), (&(depthwise[104])), 9, 12);
  edgemnv2_tile_4_BYTES_FIXED_PIXELS((&(scratch[0])), (&(project[0])), (&(out[0])));
}

void net_dsp_pointwise_22f0b248e663(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream) {
  edgemnv2_widen_4_HALVES((&(row_0[0])), (&(scratch[0])), 8, 8);
  edgemnv2_tile_4_HALVES_PLAIN_ROWS((&(scratch[0])), (&(stream[0])), (&(out[1])));
  edgemnv2_pad_columns((&(out[0])), 30, 6, 1, 1, -128);
}

void net_dsp_depthwise_project_4277bbc8322b(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int16_t *scratch, const int32_t *depthwise, const int32_t *project) {
  edgemnv2_window_1_4_PLAIN((&(row_0[0])), (&(row_1[0])), (&(row_2[0])), (&(scratch[0])), (&(depthwise[8])), 6, 15);
  edgemnv2_window_1_4_PLAIN((&(row_0[90])), (&(row_1[90])), (&(row_2[90])), (&(scratch[1])), (&(depthwise[128])), 6, 15);
  edgemnv2_tile_4_BYTES_FIXED_PIXELS((&(scratch[0])), (&(project[0])), (&(out[0])));
}

void net_dsp_add_9f5c641f46e5(const int8_t *row_0, const int8_t *row_1, int8_t *out, const int32_t *stream) {
  edgemnv2_add_linear_23((&(row_0[0])), (&(row_1[0])), (&(out[0])), (&(stream[0])), 32);
}

void net_dsp_pointwise_b07da00987ce(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream) {
  edgemnv2_widen_4_HALVES((&(row_0[0])), (&(scratch[0])), 8, 8);
  edgemnv2_tile_4_HALVES_PLAIN_PIXELS((&(scratch[0])), (&(stream[0])), (&(out[0])));
}

void net_plain_pool_sum_38cc2592654f(const int8_t *row0, int32_t *sums) {
  for (int32_t i1 = 0; i1 < 4; ++i1) {
    int32_t cse_v1 = (i1 * 16);
    for (int32_t i3 = 0; i3 < 16; ++i3) {
      sums[i3] = (sums[i3] + ((int32_t)row0[(cse_v1 + i3)]));
    }
  }
}

void net_plain_pool_e73d91924391(const int32_t *sums, int8_t *out, const int32_t *factor) {
  for (int32_t i1 = 0; i1 < 16; ++i1) {
    int32_t v2 = sums[i1];
    int32_t cse_v1 = (v2 + 2048);
    int32_t v_ = factor[1];
    int32_t v4 = ((v_) > (0) ? (v_) : (0));
    int32_t v__1 = 0 - factor[1];
    int32_t v5 = ((v__1) > (0) ? (v__1) : (0));
    int32_t cse_v2 = ((int32_t)(((uint32_t)cse_v1) << ((uint32_t)v4)));
    int32_t v7 = ((int32_t)(((((int64_t)cse_v2) * ((int64_t)factor[0])) + (int64_t)1073741824) >> (int64_t)31));
    int32_t cse_v3 = ((1 << v5) >> 1);
    int32_t cse_v4 = ((0 < v5) ? (v7 >> 31) : 0);
    int32_t cse_v5 = (((v7 + cse_v3) + cse_v4) >> v5);
    int32_t v__2 = cse_v5 - 128;
    int32_t v__3 = (v__2) > (-128) ? (v__2) : (-128);
    out[i1] = ((int8_t)((v__3) < (127) ? (v__3) : (127)));
  }
}

void net_dsp_pointwise_9885620178c0(const int8_t *row_0, int8_t *out, int32_t *scratch, const int32_t *stream) {
  edgemnv2_widen_1_BYTES((&(row_0[0])), (&(scratch[0])), 16, 16);
  edgemnv2_quads((&(scratch[0])), (&(stream[0])), (&(out[0])));
}

void net_plain_softmax_e542d2734eab(const int8_t *row0, int8_t *out, const int32_t *exp_table) {
  for (int32_t i1 = 0; i1 < 1; ++i1) {
    int32_t r3_ptr[1];
    int32_t r4_ptr[1];
    r3_ptr[0] = -128;
    for (int32_t i5 = 0; i5 < 5; ++i5) {
      int32_t v_ = r3_ptr[0];
      int32_t v__1 = (int32_t)row0[i5];
      r3_ptr[0] = ((v_) > (v__1) ? (v_) : (v__1));
    }
    r4_ptr[0] = 0;
    for (int32_t i6 = 0; i6 < 5; ++i6) {
      r4_ptr[0] = (r4_ptr[0] + ((int32_t)((((int64_t)exp_table[(r3_ptr[0] - ((int32_t)row0[i6]))]) + (int64_t)2048) >> (int64_t)12)));
    }
    int64_t r7_ptr[1];
    r7_ptr[0] = ((int64_t)r4_ptr[0]);
    int64_t r8_ptr[1];
    r8_ptr[0] = (int64_t)0;
    int64_t r9_ptr[1];
    r9_ptr[0] = (r8_ptr[0] + ((r7_ptr[0] < (int64_t)65536) ? (int64_t)16 : (int64_t)0));
    int64_t r10_ptr[1];
    r10_ptr[0] = ((r7_ptr[0] < (int64_t)65536) ? ((int64_t)(((uint64_t)r7_ptr[0]) << ((uint64_t)(int64_t)16))) : r7_ptr[0]);
    int64_t r11_ptr[1];
    r11_ptr[0] = (r9_ptr[0] + ((r10_ptr[0] < (int64_t)16777216) ? (int64_t)8 : (int64_t)0));
    int64_t r12_ptr[1];
    r12_ptr[0] = ((r10_ptr[0] < (int64_t)16777216) ? ((int64_t)(((uint64_t)r10_ptr[0]) << ((uint64_t)(int64_t)8))) : r10_ptr[0]);
    int64_t r13_ptr[1];
    r13_ptr[0] = (r11_ptr[0] + ((r12_ptr[0] < (int64_t)268435456) ? (int64_t)4 : (int64_t)0));
    int64_t r14_ptr[1];
    r14_ptr[0] = ((r12_ptr[0] < (int64_t)268435456) ? ((int64_t)(((uint64_t)r12_ptr[0]) << ((uint64_t)(int64_t)4))) : r12_ptr[0]);
    int64_t r15_ptr[1];
    r15_ptr[0] = (r13_ptr[0] + ((r14_ptr[0] < (int64_t)1073741824) ? (int64_t)2 : (int64_t)0));
    int64_t r16_ptr[1];
    r16_ptr[0] = ((r14_ptr[0] < (int64_t)1073741824) ? ((int64_t)(((uint64_t)r14_ptr[0]) << ((uint64_t)(int64_t)2))) : r14_ptr[0]);
    int64_t r17_ptr[1];
    r17_ptr[0] = (r15_ptr[0] + ((r16_ptr[0] < (int64_t)2147483648) ? (int64_t)1 : (int64_t)0));
    int64_t r18_ptr[1];
    r18_ptr[0] = ((r16_ptr[0] < (int64_t)2147483648) ? ((int64_t)(((uint64_t)r16_ptr[0]) << ((uint64_t)(int64_t)1))) : r16_ptr[0]);
    int64_t r19_ptr[1];
    r19_ptr[0] = (r18_ptr[0] >> (int64_t)1);
    int64_t r20_ptr[1];
    r20_ptr[0] = ((((int64_t)1073741824 - (r19_ptr[0] * (int64_t)1010580540)) >> (int64_t)31) + (int64_t)1515870810);
    int64_t r21_ptr[1];
    r21_ptr[0] = ((int64_t)536870912 - (((r19_ptr[0] * r20_ptr[0]) + (int64_t)1073741824) >> (int64_t)31));
    int64_t r22_ptr[1];
    int64_t v__2 = (int64_t)(((uint64_t)(((r20_ptr[0] * r21_ptr[0]) + (int64_t)1073741824) >> (int64_t)31)) << ((uint64_t)(int64_t)2));
    int64_t v__3 = (int64_t)-2147483648;
    int64_t v__4 = (v__2) > (v__3) ? (v__2) : (v__3);
    int64_t v__5 = (int64_t)2147483647;
    r22_ptr[0] = (((v__4) < (v__5) ? (v__4) : (v__5)) + r20_ptr[0]);
    int64_t r23_ptr[1];
    r23_ptr[0] = ((int64_t)536870912 - (((r19_ptr[0] * r22_ptr[0]) + (int64_t)1073741824) >> (int64_t)31));
    int64_t r24_ptr[1];
    int64_t v__6 = (int64_t)(((uint64_t)(((r22_ptr[0] * r23_ptr[0]) + (int64_t)1073741824) >> (int64_t)31)) << ((uint64_t)(int64_t)2));
    int64_t v__7 = (int64_t)-2147483648;
    int64_t v__8 = (v__6) > (v__7) ? (v__6) : (v__7);
    int64_t v__9 = (int64_t)2147483647;
    r24_ptr[0] = (((v__8) < (v__9) ? (v__8) : (v__9)) + r22_ptr[0]);
    int64_t r25_ptr[1];
    r25_ptr[0] = ((int64_t)536870912 - (((r19_ptr[0] * r24_ptr[0]) + (int64_t)1073741824) >> (int64_t)31));
    int64_t r26_ptr[1];
    int64_t v__10 = (int64_t)(((uint64_t)(((r24_ptr[0] * r25_ptr[0]) + (int64_t)1073741824) >> (int64_t)31)) << ((uint64_t)(int64_t)2));
    int64_t v__11 = (int64_t)-2147483648;
    int64_t v__12 = (v__10) > (v__11) ? (v__10) : (v__11);
    int64_t v__13 = (int64_t)2147483647;
    r26_ptr[0] = (((v__12) < (v__13) ? (v__12) : (v__13)) + r24_ptr[0]);
    int64_t r27_ptr[1];
    int64_t v__14 = (int64_t)(((uint64_t)r26_ptr[0]) << ((uint64_t)(int64_t)1));
    int64_t v__15 = (int64_t)-2147483648;
    int64_t v__16 = (v__14) > (v__15) ? (v__14) : (v__15);
    int64_t v__17 = (int64_t)2147483647;
    r27_ptr[0] = ((v__16) < (v__17) ? (v__16) : (v__17));
    int64_t r28_ptr[1];
    r28_ptr[0] = ((int64_t)12 - r17_ptr[0]);
    for (int32_t i29 = 0; i29 < 5; ++i29) {
      int64_t v30 = (((((r27_ptr[0] * ((int64_t)exp_table[(r3_ptr[0] - ((int32_t)row0[i29]))])) + (int64_t)1073741824) >> (int64_t)31) + (((int64_t)1 << (r28_ptr[0] + (int64_t)23)) >> (int64_t)1)) >> (r28_ptr[0] + (int64_t)23));
      int64_t v__18 = v30 - (int64_t)128;
      int64_t v__19 = (int64_t)-128;
      int64_t v__20 = (v__18) > (v__19) ? (v__18) : (v__19);
      int64_t v__21 = (int64_t)127;
      out[i29] = ((int8_t)((v__20) < (v__21) ? (v__20) : (v__21)));
    }
  }
}
