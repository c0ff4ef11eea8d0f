/* net: the row program of the network, by edgemnv2. */
#include "net.h"

#define EDGEMNV2_ROWS_MAX 3
#define EDGEMNV2_INPUT_T int8_t
#define EDGEMNV2_FEED 255u
typedef uint8_t edgemnv2_index;
#include "step_loop.h"

extern const uint32_t net_constants[];

void net_mve_conv2d_e0b244c2d807(const int8_t *, const int8_t *, const int8_t *, int8_t *, int8_t *, const int32_t *);
static void call_mve_conv2d_e0b244c2d807(const struct edgemnv2_call *call) {
  net_mve_conv2d_e0b244c2d807(call->rows[0], call->rows[1], call->rows[2], call->out, call->scratch, (const int32_t *)(const void *)(call->constants));
}

void net_mve_depthwise_4c91f6b796af(const int8_t *, const int8_t *, const int8_t *, int8_t *, int8_t *, const int32_t *);
static void call_mve_depthwise_4c91f6b796af(const struct edgemnv2_call *call) {
  net_mve_depthwise_4c91f6b796af(call->rows[0], call->rows[1], call->rows[2], call->out, call->scratch, (const int32_t *)(const void *)(call->constants));
}

void net_mve_pointwise_5b64ba4e05b0(const int8_t *, int8_t *, const int32_t *);
static void call_mve_pointwise_5b64ba4e05b0(const struct edgemnv2_call *call) {
  net_mve_pointwise_5b64ba4e05b0(call->rows[0], call->out, (const int32_t *)(const void *)(call->constants));
}

static const uint32_t outside_80[72] = {0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080,0x80808080};

static const uint32_t outside_ff[24] = {0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff,0xffffffff};

static const struct edgemnv2_op ops[3] = {
    {call_mve_conv2d_e0b244c2d807, (const uint8_t *)net_constants + 0, outside_ff, 0, 0, 1, 0, 3, 2, 1, 1, 1, 0}, /* stem */
    {call_mve_depthwise_4c91f6b796af, (const uint8_t *)net_constants + 768, outside_80, 1, 0, 2, 1, 3, 1, 1, 1, 1, 0}, /* block1.depthwise */
    {call_mve_pointwise_5b64ba4e05b0, (const uint8_t *)net_constants + 1248, NULL, 2, 0, 3, 2, 1, 1, 0, 1, 1, 0}, /* block1.project */
};

static const struct edgemnv2_ring rings_whole[4] = {
    {1248u, 96u, 32, 32, 0u, NULL}, /* input */
    {544u, 288u, 3, 16, 0u, NULL}, /* stem */
    {0u, 256u, 1, 16, 0u, NULL}, /* block1.depthwise */
    {1408u, 128u, 16, 16, 0u, NULL}, /* block1.project */
};
static const uint32_t scratch_whole[3] = {416, 256, 0};
static const struct edgemnv2_step steps_whole[48] = {
{0,0},{0,1},{1,0},{2,0},{0,2},{1,1},{2,1},{0,3},{1,2},{2,2},{0,4},{1,3},{2,3},{0,5},{1,4},{2,4},{0,6},{1,5},{2,5},{0,7},{1,6},{2,6},{0,8},{1,7},{2,7},{0,9},{1,8},{2,8},{0,10},{1,9},{2,9},{0,11},{1,10},{2,10},{0,12},{1,11},{2,11},{0,13},{1,12},{2,12},{0,14},{1,13},{2,13},{0,15},{1,14},{2,14},{1,15},{2,15}};
static const struct edgemnv2_plan plan_whole = {
    rings_whole, scratch_whole, steps_whole, 48u};

static const uint32_t slots_stream_0[4] = {1504, 96, 1504, 0};
static const uint32_t slots_stream_1[3] = {1024, 736, 448};
static const struct edgemnv2_ring rings_stream[4] = {
    {1504u, 96u, 4, 32, 0u, slots_stream_0}, /* input */
    {1024u, 288u, 3, 16, 0u, slots_stream_1}, /* stem */
    {192u, 256u, 1, 16, 0u, NULL}, /* block1.depthwise */
    {0u, 128u, 16, 16, 2u, NULL}, /* block1.project */
};
static const uint32_t scratch_stream[3] = {192, 1312, 0};
static const struct edgemnv2_step steps_stream[80] = {
{255,0},{255,1},{0,0},{255,2},{255,3},{0,1},{1,0},{2,0},{255,4},{255,5},{0,2},{1,1},{2,1},{255,6},{255,7},{0,3},{1,2},{2,2},{255,8},{255,9},{0,4},{1,3},{2,3},{255,10},{255,11},{0,5},{1,4},{2,4},{255,12},{255,13},{0,6},{1,5},{2,5},{255,14},{255,15},{0,7},{1,6},{2,6},{255,16},{255,17},{0,8},{1,7},{2,7},{255,18},{255,19},{0,9},{1,8},{2,8},{255,20},{255,21},{0,10},{1,9},{2,9},{255,22},{255,23},{0,11},{1,10},{2,10},{255,24},{255,25},{0,12},{1,11},{2,11},{255,26},{255,27},{0,13},{1,12},{2,12},{255,28},{255,29},{0,14},{1,13},{2,13},{255,30},{255,31},{0,15},{1,14},{2,14},{1,15},{2,15}};
static const struct edgemnv2_plan plan_stream = {
    rings_stream, scratch_stream, steps_stream, 80u};

int32_t net_run_hooked(const struct net_inputs *inputs, const struct net_outputs *outputs, void *arena,
    net_hook hook, void *context) {
  struct edgemnv2_run run;
  if (inputs == NULL || outputs == NULL || arena == NULL) return NET_ERROR_NULL;
  if (((uintptr_t)arena) % NET_ARENA_ALIGN != 0) return NET_ERROR_ALIGNMENT;
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_whole;
  run.home[0] = (uint8_t *)arena;
  run.hook = hook;
  run.hook_context = context;
  if (inputs->input == NULL) return NET_ERROR_NULL;
  if ((const void *)inputs->input != (const void *)(run.home[0] + NET_INPUT_OFFSET)) {
    memmove(run.home[0] + NET_INPUT_OFFSET, inputs->input, NET_INPUT_BYTES);
  }
  (void)edgemnv2_run_steps(&run, 0, plan_whole.step_count);
  if (outputs->output != NULL &&
      (void *)outputs->output != (void *)(run.home[0] + NET_OUTPUT_OFFSET)) {
    memmove(outputs->output, run.home[0] + NET_OUTPUT_OFFSET, NET_OUTPUT_BYTES);
  }
  return NET_OK;
}

int32_t net_run(
    const struct net_inputs *inputs, const struct net_outputs *outputs, void *arena) {
  return net_run_hooked(inputs, outputs, arena, NULL, NULL);
}

int32_t net_run_sized(const struct net_inputs *inputs, const struct net_outputs *outputs, void *arena,
    uint32_t arena_bytes) {
  if (arena_bytes < NET_ARENA_BYTES) return NET_ERROR_ARENA_SIZE;
  return net_run_hooked(inputs, outputs, arena, NULL, NULL);
}

int32_t net_run_rows(
    net_next_row next_row, void *context, const struct net_outputs *outputs, void *arena) {
  struct edgemnv2_run run;
  if (next_row == NULL || outputs == NULL || arena == NULL) return NET_ERROR_NULL;
  if (((uintptr_t)arena) % NET_ARENA_ALIGN != 0) return NET_ERROR_ALIGNMENT;
  if (outputs->output == NULL) return NET_ERROR_NULL;
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_stream;
  run.home[0] = (uint8_t *)arena;
  run.home[2] = (uint8_t *)outputs->output;
  run.next_row = next_row;
  run.row_context = context;
  run.input = 0;
  if (edgemnv2_run_steps(&run, 0, plan_stream.step_count) != 0) return NET_ERROR_ROWS;
  if (next_row(context, NET_INPUT_HEIGHT, NULL) == 0) return NET_ERROR_TOO_MANY_ROWS;
  return NET_OK;
}

#define EDGEMNV2_UNDER_WAY 0x65646765u

int32_t net_begin(struct net_inference *inference, const struct net_inputs *inputs,
    const struct net_outputs *outputs, void *arena) {
  if (inference == NULL) return NET_ERROR_NULL;
  inference->state = 0;
  if (inputs == NULL || outputs == NULL || arena == NULL) return NET_ERROR_NULL;
  if (((uintptr_t)arena) % NET_ARENA_ALIGN != 0) return NET_ERROR_ALIGNMENT;
  if (inputs->input == NULL) return NET_ERROR_NULL;
  if ((const void *)inputs->input != (const void *)((uint8_t *)arena + NET_INPUT_OFFSET)) {
    memmove((uint8_t *)arena + NET_INPUT_OFFSET, inputs->input, NET_INPUT_BYTES);
  }
  inference->inputs = *inputs;
  inference->outputs = *outputs;
  inference->arena = arena;
  inference->next = 0;
  inference->state = EDGEMNV2_UNDER_WAY;
  return NET_OK;
}

int32_t net_step(struct net_inference *inference, int32_t budget) {
  struct edgemnv2_run run;
  const struct net_outputs *outputs;
  uint32_t end;
  if (inference == NULL) return NET_ERROR_NULL;
  if (inference->state != EDGEMNV2_UNDER_WAY || inference->next >= NET_STEP_COUNT || budget < 1) {
    return NET_ERROR_STEP;
  }
  outputs = &inference->outputs;
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_whole;
  run.home[0] = (uint8_t *)inference->arena;
  end = NET_STEP_COUNT - inference->next;
  end = inference->next + (end < (uint32_t)budget ? end : (uint32_t)budget);
  (void)edgemnv2_run_steps(&run, inference->next, end);
  inference->next = end;
  if (end < NET_STEP_COUNT) return NET_MORE;
  inference->state = 0;
  if (outputs->output != NULL &&
      (void *)outputs->output != (void *)(run.home[0] + NET_OUTPUT_OFFSET)) {
    memmove(outputs->output, run.home[0] + NET_OUTPUT_OFFSET, NET_OUTPUT_BYTES);
  }
  return NET_OK;
}

