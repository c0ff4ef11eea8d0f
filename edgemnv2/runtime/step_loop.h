/* The step loop of an artefact: runs the row program out of constant tables.
 *
 * Included once by the generated source, which defines before it
 *   EDGEMNV2_ROWS_MAX   most row pointers that any kernel takes
 *   EDGEMNV2_INPUT_T    element type of the network's input
 * No heap, no global state, no recursion: everything lives in the arena and on the stack. */
#ifndef EDGEMNV2_STEP_LOOP_H
#define EDGEMNV2_STEP_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Rows of one tensor: row r lies at `base + (r % depth) * row_bytes` of its home, or, where rows
 * were placed one by one, at `slots[r % depth]`. */
struct edgemnv2_ring {
    uint32_t base;
    uint32_t row_bytes;
    uint16_t depth;
    uint16_t height;
    uint32_t home; /* 0 arena, 1 the caller's input, 2 the caller's output */
    const uint32_t *slots;
};

/* What a kernel's adapter gets for one step. */
struct edgemnv2_call {
    const void *rows[EDGEMNV2_ROWS_MAX];
    void *out;
    void *scratch;
    const uint8_t *constants;
};

struct edgemnv2_op {
    void (*run)(const struct edgemnv2_call *call);
    const uint8_t *constants;
    const void *outside; /* the row that stands for rows outside the image */
    uint16_t input;
    uint16_t second; /* the other operand of an addition */
    uint16_t output;
    uint16_t layer;
    uint8_t window; /* rows read of `input` */
    uint8_t stride;
    int8_t before; /* rows above the first one, the padding */
    uint8_t operands;
    uint16_t rows_per_step;
    uint16_t accumulates;
};

struct edgemnv2_step {
    edgemnv2_index op;  /* EDGEMNV2_FEED: the caller gives the next input row */
    edgemnv2_index row; /* the first one that it makes; of sums: the one that it adds */
};

struct edgemnv2_plan {
    const struct edgemnv2_ring *rings;
    const uint32_t *scratch; /* arena offset per operation */
    const struct edgemnv2_step *steps;
    uint32_t step_count;
};

struct edgemnv2_run {
    const struct edgemnv2_op *ops;
    const struct edgemnv2_plan *plan;
    uint8_t *home[3];
    void (*hook)(void *context, int32_t layer, int32_t row, const void *data, int32_t bytes);
    void *hook_context;
    int32_t (*next_row)(void *context, int32_t row, EDGEMNV2_INPUT_T *destination);
    void *row_context;
    uint16_t input;
};

static uint8_t *edgemnv2_row(const struct edgemnv2_run *run, uint32_t tensor, uint32_t row) {
    const struct edgemnv2_ring *ring = &run->plan->rings[tensor];
    uint32_t slot = row < ring->depth ? row : row % ring->depth;
    uint8_t *home = run->home[ring->home];
    if (ring->slots != NULL)
        return home + ring->slots[slot];
    return home + ring->base + slot * ring->row_bytes;
}

/* Runs one operation for one row; returns the row that it made. */
static uint8_t *edgemnv2_make_row(const struct edgemnv2_run *run, uint32_t index, uint32_t row) {
    const struct edgemnv2_op *op = &run->ops[index];
    const int32_t height = run->plan->rings[op->input].height;
    struct edgemnv2_call call;
    uint32_t count = 0;
    int32_t first;
    if (op->accumulates != 0) {
        call.out = edgemnv2_row(run, op->output, 0);
        if (row == 0)
            memset(call.out, 0, run->plan->rings[op->output].row_bytes);
    } else {
        call.out = edgemnv2_row(run, op->output, row);
    }
    first = (int32_t)row * op->stride - op->before;
    for (; count < op->window; count++) {
        const int32_t at = first + (int32_t)count;
        call.rows[count] = op->outside;
        if (at >= 0 && at < height)
            call.rows[count] = edgemnv2_row(run, op->input, (uint32_t)at);
    }
    if (op->operands > 1)
        call.rows[count] = edgemnv2_row(run, op->second, row);
    call.scratch = run->home[0] + run->plan->scratch[index];
    call.constants = op->constants;
    op->run(&call);
    return call.out;
}

/* Runs the whole program; 0, or 1 when the caller ran out of rows. */
static int32_t edgemnv2_run_steps(const struct edgemnv2_run *run) {
    uint32_t step;
    for (step = 0; step < run->plan->step_count; step++) {
        const uint32_t index = run->plan->steps[step].op;
        const uint32_t row = run->plan->steps[step].row;
        if (index == EDGEMNV2_FEED) {
            void *destination = edgemnv2_row(run, run->input, row);
            if (run->next_row(run->row_context, (int32_t)row, (EDGEMNV2_INPUT_T *)destination) != 0)
                return 1;
        } else {
            const uint8_t *made = edgemnv2_make_row(run, index, row);
            if (run->hook != NULL) {
                const struct edgemnv2_op *op = &run->ops[index];
                const uint32_t bytes = run->plan->rings[op->output].row_bytes * op->rows_per_step;
                /* Sums under way are no tensor of the network. */
                run->hook(run->hook_context, op->layer, (int32_t)row,
                          op->accumulates != 0 ? NULL : made,
                          op->accumulates != 0 ? 0 : (int32_t)bytes);
            }
        }
    }
    return 0;
}

#endif
