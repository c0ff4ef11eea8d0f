/* The step loop of an artefact: runs the row program out of constant tables.
 *
 * Included once by the generated source, which defines before it
 *   EDGEMNV2_ROWS_MAX   most row pointers that any kernel takes
 *   EDGEMNV2_INPUT_T    element type of the network's input, or of the one that is fed by rows
 * and, only where the program needs it,
 *   EDGEMNV2_GENERAL    operations have lists of reads and writes
 *   EDGEMNV2_HOMES      memories: the arena, the inputs, the outputs
 *   EDGEMNV2_OUTS_MAX   most tensors that one kernel writes
 *   EDGEMNV2_ROW_NUMBER some kernel wants the number of the row that it makes
 * No heap, no global state, no recursion: everything lives in the arena and on the stack. */
#ifndef EDGEMNV2_STEP_LOOP_H
#define EDGEMNV2_STEP_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef EDGEMNV2_HOMES
#define EDGEMNV2_HOMES 3
#endif

/* Rows of one tensor: row r lies at `base + (r % depth) * row_bytes` of its home, or, where rows
 * were placed one by one, at `slots[r % depth]`. */
struct edgemnv2_ring {
    uint32_t base;
    uint32_t row_bytes;
    uint16_t depth;
    uint16_t height;
    uint32_t home; /* 0 arena, then the caller's inputs, then the caller's outputs */
    const uint32_t *slots;
};

/* What a kernel's adapter gets for one step. */
struct edgemnv2_call {
    const void *rows[EDGEMNV2_ROWS_MAX];
    void *out;
    void *scratch;
    const uint8_t *constants;
#ifdef EDGEMNV2_OUTS_MAX
    void *more[EDGEMNV2_OUTS_MAX - 1];
#endif
#ifdef EDGEMNV2_ROW_NUMBER
    int32_t row;
#endif
};

#ifdef EDGEMNV2_GENERAL

/* Row r of an operation reads `pointers` rows, every `spacing`-th from
 * (r * stride + phase) / divisor - before on. */
struct edgemnv2_read {
    const void *outside; /* the row that stands for rows outside the tensor; NULL: the edge row */
    int32_t stride;
    int32_t phase;
    int32_t divisor;
    int32_t before;
    uint16_t tensor;
    uint16_t pointers;
    uint16_t spacing;
};

/* And makes `rows` rows from first_row + r * rows on, `offset` bytes into each. */
struct edgemnv2_write {
    uint32_t offset;
    uint16_t tensor;
    uint16_t first_row;
    uint16_t rows;
    uint16_t is_part; /* not all bytes of the row */
};

struct edgemnv2_op {
    void (*run)(const struct edgemnv2_call *call);
    const uint8_t *constants;
    const struct edgemnv2_read *reads;
    const struct edgemnv2_write *writes;
    uint16_t read_count;
    uint16_t write_count;
    uint16_t layer;
    uint16_t rows_per_step;
    uint16_t accumulates;
};

#else

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

#endif

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
    uint8_t *home[EDGEMNV2_HOMES];
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

#ifdef EDGEMNV2_GENERAL

/* Where the first byte is that a write makes for row `row` of its operation. */
static uint8_t *edgemnv2_made(const struct edgemnv2_run *run, const struct edgemnv2_op *op,
                              const struct edgemnv2_write *write, uint32_t row) {
    const uint32_t at = op->accumulates != 0 ? 0 : row;
    return edgemnv2_row(run, write->tensor, write->first_row + at * write->rows) + write->offset;
}

/* Row pointers of one operand; returns the place behind the last. */
static const void **edgemnv2_read_rows(const struct edgemnv2_run *run,
                                       const struct edgemnv2_read *read, uint32_t row,
                                       const void **rows) {
    const int32_t height = run->plan->rings[read->tensor].height;
    int32_t at = (int32_t)row * read->stride + read->phase;
    int32_t count = read->pointers;
    if (read->divisor != 1)
        at /= read->divisor; /* neither is negative */
    for (at -= read->before; count > 0; count--, at += read->spacing) {
        int32_t near = at;
        if (at < 0 || at >= height) {
            if (read->outside != NULL) {
                *rows++ = read->outside;
                continue;
            }
            near = at < 0 ? 0 : height - 1;
        }
        *rows++ = edgemnv2_row(run, read->tensor, (uint32_t)near);
    }
    return rows;
}

/* Runs one operation for one row; returns what it made of the first tensor that it writes. */
static uint8_t *edgemnv2_make_row(const struct edgemnv2_run *run, uint32_t index, uint32_t row) {
    const struct edgemnv2_op *op = &run->ops[index];
    struct edgemnv2_call call;
    const void **rows = call.rows;
    uint32_t number;
    call.out = edgemnv2_made(run, op, op->writes, row);
    if (op->accumulates != 0 && row == 0)
        memset(call.out, 0, run->plan->rings[op->writes->tensor].row_bytes * op->writes->rows);
#ifdef EDGEMNV2_OUTS_MAX
    for (number = 1; number < op->write_count; number++)
        call.more[number - 1] = edgemnv2_made(run, op, &op->writes[number], row);
#endif
    for (number = 0; number < op->read_count; number++)
        rows = edgemnv2_read_rows(run, &op->reads[number], row, rows);
#ifdef EDGEMNV2_ROW_NUMBER
    call.row = (int32_t)row;
#endif
    call.scratch = run->home[0] + run->plan->scratch[index];
    call.constants = op->constants;
    op->run(&call);
    return call.out;
}

/* Bytes that a step made in one piece, and that are a tensor's; 0 where there are none. */
static uint32_t edgemnv2_made_bytes(const struct edgemnv2_run *run, const struct edgemnv2_op *op) {
    const struct edgemnv2_write *write = op->writes;
    if (op->accumulates != 0 || write->is_part != 0)
        return 0;
    return run->plan->rings[write->tensor].row_bytes * write->rows * op->rows_per_step;
}

#else

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

#endif

/* Runs the steps `step` <= number < `end`; 0, or 1 when the caller ran out of rows. */
static int32_t edgemnv2_run_steps(const struct edgemnv2_run *run, uint32_t step, uint32_t end) {
    for (; step < end; step++) {
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
#ifdef EDGEMNV2_GENERAL
                const uint32_t bytes = edgemnv2_made_bytes(run, op);
                run->hook(run->hook_context, op->layer, (int32_t)row, bytes != 0 ? made : NULL,
                          (int32_t)bytes);
#else
                const uint32_t bytes = run->plan->rings[op->output].row_bytes * op->rows_per_step;
                /* Sums under way are no tensor of the network. */
                run->hook(run->hook_context, op->layer, (int32_t)row,
                          op->accumulates != 0 ? NULL : made,
                          op->accumulates != 0 ? 0 : (int32_t)bytes);
#endif
            }
        }
    }
    return 0;
}

#endif
