/* net: one function per kind and shape of layer, made by edgemnv2. */
#include <stdbool.h>
#include <stdint.h>
#ifdef NET_CODE_SECTION
#define EDGEMNV2_HOT __attribute__((section(NET_CODE_SECTION)))
#else
#define EDGEMNV2_HOT
#endif
#include "cortex_m_depthwise.h"
#include "cortex_m_patches.h"
#include "cortex_m_pointwise.h"

EDGEMNV2_HOT void net_dsp_conv2d_b4abbd03a199(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int32_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_dsp_depthwise_project_c4ca09a9d4f1(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int16_t *scratch, const int32_t *depthwise, const int32_t *project);

void net_dsp_conv2d_b4abbd03a199(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int32_t *scratch, const int32_t *stream) {
  memset((&(scratch[56])), 0, 112);
  for (int32_t i1 = 0; i1 < 4; ++i1) {
    int32_t cse_v1 = ((i1 * 24) - 3);
    edgemnv2_patch_row((&(row_0[0])), 96, cse_v1, 6, 9, (&(scratch[56])), 0, 28, 4, -1, 0);
    edgemnv2_patch_row((&(row_1[0])), 96, cse_v1, 6, 9, (&(scratch[56])), 9, 28, 4, -1, 0);
    edgemnv2_patch_row((&(row_2[0])), 96, cse_v1, 6, 9, (&(scratch[56])), 18, 28, 4, -1, 0);
    edgemnv2_widen_4_BYTES((&(scratch[56])), (&(scratch[0])), 28, 28);
    edgemnv2_tile_4_HALVES_COMMON_ROWS((&(scratch[0])), (&(stream[0])), (&(out[((i1 * 4) + 1)])));
  }
  edgemnv2_pad_columns((&(out[0])), 16, 18, 1, 1, -128);
}

void net_dsp_depthwise_project_c4ca09a9d4f1(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int16_t *scratch, const int32_t *depthwise, const int32_t *project) {
  for (int32_t i1 = 0; i1 < 4; ++i1) {
    int32_t cse_v1 = (i1 * 4);
    edgemnv2_window_1_4_COMMON((&(row_0[cse_v1])), (&(row_1[cse_v1])), (&(row_2[cse_v1])), (&(scratch[0])), (&(depthwise[8])), 18, 8);
    int32_t cse_v2 = (cse_v1 + 144);
    edgemnv2_window_1_4_COMMON((&(row_0[cse_v2])), (&(row_1[cse_v2])), (&(row_2[cse_v2])), (&(scratch[1])), (&(depthwise[72])), 18, 8);
    edgemnv2_tile_4_BYTES_FIXED_PIXELS((&(scratch[0])), (&(project[0])), (&(out[(i1 * 32)])));
  }
}
