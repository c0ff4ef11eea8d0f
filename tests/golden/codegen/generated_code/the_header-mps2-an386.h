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
/* Where things lie, with compilers that know GCC's attributes. Compile src/ with
 * -DNET_CONSTANTS_SECTION='".extflash"' to move the weights, or with
 * -DNET_CODE_SECTION='".itcm"' to move the code of the kernels;
 * NET_ARENA_MEMORY goes before the definition of an arena: it aligns it, and puts
 * it into NET_ARENA_SECTION where that is defined. */
#ifdef NET_ARENA_SECTION
#define NET_ARENA_MEMORY \
  __attribute__((aligned(NET_ARENA_ALIGN), section(NET_ARENA_SECTION)))
#elif defined(__GNUC__)
#define NET_ARENA_MEMORY __attribute__((aligned(NET_ARENA_ALIGN)))
#endif

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

/* One inference in pieces. The caller owns what is under way, and leaves it, the arena,
 * inputs and outputs alone until the end. A step makes one row or a few of one layer. */
#define NET_STEP_COUNT 32 /* of the whole inference */
#define NET_MORE 1        /* steps are left */
#define NET_ERROR_STEP (-9) /* nothing is under way, or the budget is below 1 */
struct net_inference {
  struct net_inputs inputs;
  struct net_outputs outputs;
  void *arena;
  uint32_t next;
  uint32_t state;
};
/* Takes the pointers, checked as by net_run, and does no step; what was under way in
 * the structure is forgotten. After an error nothing is under way. */
int32_t net_begin(struct net_inference *inference,
    const struct net_inputs *inputs, const struct net_outputs *outputs,
    void *arena);
/* At most `budget` steps; NET_MORE until the outputs are there, then NET_OK. */
int32_t net_step(struct net_inference *inference, int32_t budget);

/* The task: segmenter (scores of classes for each pixel). Pixels: black is -0.9961, white 1.0039
 * (the input's scale); pictures of another shape: letterbox. Labels: none. */
#define NET_TASK "segmenter"
#define NET_CLASSES 8
#define NET_PIXEL_BLACK (-0.9961f)
#define NET_PIXEL_WHITE (1.0039f)
#define NET_HAS_DECODER 1
#define NET_THRESHOLD 0.5f /* the usual one */

#define NET_MASK_HEIGHT 16
#define NET_MASK_WIDTH 16
/* Writes the class of each pixel, row by row, and into `counts` how many pixels each
 * class has (or NULL); returns how many classes there are. `mask` may be where the
 * output itself lies. */
int32_t net_decode(const struct net_outputs *outputs, uint8_t *mask,
    uint32_t *counts);

/* Rows of a camera for net_run_rows, without a frame in memory: give it
 * net_preprocess_row and a `struct net_camera` as its context. */
enum net_format {
    NET_RGB888,
    NET_BGR888,
    NET_GREY8,
    NET_RGB565_LITTLE, /* the low byte first */
    NET_RGB565_BIG,    /* the high byte first, as many sensors send it */
    NET_YUYV,          /* Y0 U Y1 V, full range, BT.601 (JPEG's) */
    NET_UYVY           /* U Y0 V Y1 */
};
/* A camera, and how far it has been read. All but the first members are the function's own. */
struct net_camera {
    int32_t width, height; /* of its pictures */
    int32_t format;        /* one of NET_RGB888 ... */
    /* The next row of the picture, 0 first, waited for; NULL when there is none. It is looked at
     * before the next one is asked for. Rows below what the network sees are not asked for. */
    const void *(*next_row)(void *context, int32_t row);
    void *context;
    void *memory; /* aligned for int32_t */
    uint32_t memory_bytes;
    /* -- */
    int32_t resized_width, resized_height, left, top;
    int32_t across_taps, down_taps, taken;
    int32_t *across;        /* for each column: first, count, weights */
    int32_t *down;          /* weights of the row that is made */
    unsigned char *resized; /* rows of the camera at the network's width, one behind another */
};
/* Taps of Pillow's filter at most where `from` pixels become `to`, a sixteenth more for rounding.
 */
#define NET_TAPS(from, to) (2 * ((from) / (to) + (from) / (16 * (to)) + 2) + 1)
#define NET_MOST_TAPS(from_w, from_h, to_w, to_h)                                             \
    (NET_TAPS(from_w, to_w) > NET_TAPS(from_h, to_h) ? NET_TAPS(from_w, to_w)       \
                                                               : NET_TAPS(from_h, to_h))
#define NET_CAMERA_BYTES(from_w, from_h, to_w, to_h, channels)                                \
    (4 * (to_w) * (2 + NET_MOST_TAPS(from_w, from_h, to_w, to_h)) +                           \
     NET_MOST_TAPS(from_w, from_h, to_w, to_h) * (4 + (to_w) * (channels)))
/* Memory for pictures of that size. */
#define NET_CAMERA_MEMORY(width, height) \
  NET_CAMERA_BYTES(width, height, 32, 32, 3)
int32_t net_preprocess_row(void *camera, int32_t row, int8_t *destination);

#ifdef __cplusplus
}
#endif

#endif
