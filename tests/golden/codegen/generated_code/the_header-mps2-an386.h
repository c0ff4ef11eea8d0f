/* net: tiny, compiled by edgemnv2. Plain C99, no heap, no global state:
 * calls with different arenas may run at the same time. */
#ifndef EDGEMNV2_NET_H
#define EDGEMNV2_NET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NET_ABI_VERSION 1
/* The caller owns the arena: this many bytes, so aligned. Nothing in it survives. */
#define NET_ARENA_BYTES 4112
#define NET_ARENA_ALIGN 8
/* For net_run_rows, which never holds the whole image. */
#define NET_STREAM_ARENA_BYTES 1488
#define NET_LAYER_COUNT 3
/* Input and output live in the arena, at these offsets. The input is CONSUMED: its
 * rows give way to later ones. A pointer of your own is copied from and to; NULL for
 * the output leaves it in the arena. */
#define NET_IO_IN_ARENA 1
#define NET_INPUT_OFFSET 1040
#define NET_OUTPUT_OFFSET 1200

/* Tensors are NHWC, batch 1. */
#define NET_INPUT_BYTES 3072
#define NET_INPUT_HEIGHT 32
#define NET_INPUT_WIDTH 32
#define NET_INPUT_CHANNELS 3
#define NET_INPUT_ROW_BYTES 96
#define NET_INPUT_DTYPE "int8"
#define NET_INPUT_TYPE int8_t
/* real = NET_INPUT_SCALE * (stored - NET_INPUT_ZERO_POINT) */
#define NET_INPUT_SCALE 0.007843137718737125f
#define NET_INPUT_ZERO_POINT -1
#define NET_OUTPUT_BYTES 2048
#define NET_OUTPUT_HEIGHT 16
#define NET_OUTPUT_WIDTH 16
#define NET_OUTPUT_CHANNELS 8
#define NET_OUTPUT_ROW_BYTES 128
#define NET_OUTPUT_DTYPE "int8"
#define NET_OUTPUT_TYPE int8_t
/* real = NET_OUTPUT_SCALE * (stored - NET_OUTPUT_ZERO_POINT) */
#define NET_OUTPUT_SCALE 0.038665771484375f
#define NET_OUTPUT_ZERO_POINT -1

#define NET_OK 0
#define NET_ERROR_NULL (-1)
#define NET_ERROR_ALIGNMENT (-2)
#define NET_ERROR_ARENA_SIZE (-3)
#define NET_ERROR_ROWS (-4)          /* fewer rows than the image has */
#define NET_ERROR_TOO_MANY_ROWS (-5) /* more rows than the image has */

struct net_inputs {
  const int8_t *input;
};
struct net_outputs {
  int8_t *output;
};

/* One inference. Returns a status code; on an error nothing was written. */
int32_t net_run(const struct net_inputs *inputs,
    const struct net_outputs *outputs, void *arena);
/* The same, told how large the arena is. */
int32_t net_run_sized(const struct net_inputs *inputs,
    const struct net_outputs *outputs, void *arena, uint32_t arena_bytes);

/* Called after each step with the row of layer `layer` that it made; `data` is NULL
 * for a step whose result is not complete yet (pooling sums). */
typedef void (*net_hook)(void *context, int32_t layer, int32_t row,
    const void *data, int32_t bytes);
int32_t net_run_hooked(const struct net_inputs *inputs,
    const struct net_outputs *outputs, void *arena,
    net_hook hook, void *context);

/* Fed rows: writes row `row` (0, 1, ... in order) to `destination` and returns 0, or
 * returns another number when there is none. After the last row it is asked once
 * more, with destination NULL: 0 then means that rows are left over, an error. */
typedef int32_t (*net_next_row)(void *context, int32_t row, int8_t *destination);
int32_t net_run_rows(net_next_row next_row, void *context,
    const struct net_outputs *outputs, void *arena);

#ifdef __cplusplus
}
#endif

#endif
