/* net: one function per kind and shape of layer, made by edgemnv2. */
#include <stdbool.h>
#include <stdint.h>
#ifdef NET_CODE_SECTION
#define EDGEMNV2_HOT __attribute__((section(NET_CODE_SECTION)))
#else
#define EDGEMNV2_HOT
#endif
#include "cortex_m_mve.h"
#include "cortex_m_patches.h"

EDGEMNV2_HOT void net_mve_conv2d_e0b244c2d807(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int8_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_mve_depthwise_4c91f6b796af(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int8_t *scratch, const int32_t *stream);
EDGEMNV2_HOT void net_mve_pointwise_5b64ba4e05b0(const int8_t *row_0, int8_t *out, const int32_t *stream);

void net_mve_conv2d_e0b244c2d807(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int8_t *scratch, const int32_t *stream) {
  memset((&(scratch[0])), 0, 128);
  for (int32_t i1 = 0; i1 < 4; ++i1) {
    int32_t cse_v1 = ((i1 * 24) - 3);
    edgemnv2_patch_row((&(row_0[0])), 96, cse_v1, 6, 9, (&(scratch[0])), 0, 32, 4, -1, 0);
    edgemnv2_patch_row((&(row_1[0])), 96, cse_v1, 6, 9, (&(scratch[0])), 9, 32, 4, -1, 0);
    edgemnv2_patch_row((&(row_2[0])), 96, cse_v1, 6, 9, (&(scratch[0])), 18, 32, 4, -1, 0);
    edgemnv2_mve_tile_4_PLAIN((&(scratch[0])), (&(stream[0])), (&(out[((i1 * 4) + 1)])), 65535);
  }
  edgemnv2_pad_columns((&(out[0])), 16, 18, 1, 1, -128);
}

void net_mve_depthwise_4c91f6b796af(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2, int8_t *out, int8_t *scratch, const int32_t *stream) {
  for (int32_t i1 = 0; i1 < 5; ++i1) {
    int32_t cse_v1 = (i1 * 54);
    edgemnv2_mve_interleave((&(row_0[cse_v1])), (&(row_1[cse_v1])), (&(row_2[cse_v1])), (&(scratch[0])), 54);
    edgemnv2_mve_depthwise_1_PLAIN((&(scratch[0])), (&(stream[0])), (&(out[(i1 * 3)])), (&(stream[((i1 * 21) + 8)])), 3);
  }
  edgemnv2_mve_interleave((&(row_0[270])), (&(row_1[270])), (&(row_2[270])), (&(scratch[0])), 18);
  edgemnv2_mve_depthwise_1_PLAIN((&(scratch[0])), (&(stream[0])), (&(out[15])), (&(stream[113])), 1);
}

void net_mve_pointwise_5b64ba4e05b0(const int8_t *row_0, int8_t *out, const int32_t *stream) {
  for (int32_t i1 = 0; i1 < 4; ++i1) {
    edgemnv2_mve_small_FIXED((&(row_0[(i1 * 64)])), (&(stream[0])), (&(out[(i1 * 32)])), 65535);
  }
}
