"""An inference in pieces: `<name>_begin` and `<name>_step` in C.

For a watchdog, USB or a task of an RTOS that cannot wait for a whole inference. What is under way
is a structure of the caller's; a piece is so many steps of the row program as the caller says, and
the bytes are those of `<name>_run`.
"""

from __future__ import annotations

__all__ = ["PIECES", "pieces_exports", "pieces_header"]


def pieces_exports() -> list[str]:
    """The functions, without the artefact's name in front."""
    return ["begin", "step"]


def pieces_header(name: str, step_count: int) -> list[str]:
    """The part of the public header about pieces; the program has `step_count` steps."""
    upper = name.upper()
    return [
        "/* One inference in pieces. The caller owns what is under way, and leaves it, the arena,",
        " * inputs and outputs alone until the end. A step makes one row or a few of one layer. */",
        f"#define {upper}_STEP_COUNT {step_count} /* of the whole inference */",
        f"#define {upper}_MORE 1        /* steps are left */",
        f"#define {upper}_ERROR_STEP (-9) /* nothing is under way, or the budget is below 1 */",
        f"struct {name}_inference {{",
        f"  struct {name}_inputs inputs;",
        f"  struct {name}_outputs outputs;",
        "  void *arena;",
        "  uint32_t next;",
        "  uint32_t state;",
        "};",
        f"/* Takes the pointers, checked as by {name}_run, and does no step; what was under way in",
        " * the structure is forgotten. After an error nothing is under way. */",
        f"int32_t {name}_begin(struct {name}_inference *inference,",
        f"    const struct {name}_inputs *inputs, const struct {name}_outputs *outputs,",
        "    void *arena);",
        f"/* At most `budget` steps; {upper}_MORE until the outputs are there, then {upper}_OK. */",
        f"int32_t {name}_step(struct {name}_inference *inference, int32_t budget);",
        "",
    ]


PIECES = """\

#define EDGEMNV2_UNDER_WAY 0x65646765u

int32_t @_begin(struct @_inference *inference, const struct @_inputs *inputs,
    const struct @_outputs *outputs, void *arena) {
%PROCESSOR%
  if (inference == NULL) return ^_ERROR_NULL;
  inference->state = 0;
  if (inputs == NULL || outputs == NULL || arena == NULL) return ^_ERROR_NULL;
  if (((uintptr_t)arena) % ^_ARENA_ALIGN != 0) return ^_ERROR_ALIGNMENT;
%CHECK%
%TAKE%
  inference->inputs = *inputs;
  inference->outputs = *outputs;
  inference->arena = arena;
  inference->next = 0;
  inference->state = EDGEMNV2_UNDER_WAY;
  return ^_OK;
}

int32_t @_step(struct @_inference *inference, int32_t budget) {
  struct edgemnv2_run run;
%ENDS%
  uint32_t end;
  if (inference == NULL) return ^_ERROR_NULL;
  if (inference->state != EDGEMNV2_UNDER_WAY || inference->next >= ^_STEP_COUNT || budget < 1) {
    return ^_ERROR_STEP;
  }
%POINT%
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_whole;
  run.home[0] = (uint8_t *)inference->arena;
%HOMES%
  end = ^_STEP_COUNT - inference->next;
  end = inference->next + (end < (uint32_t)budget ? end : (uint32_t)budget);
  (void)edgemnv2_run_steps(&run, inference->next, end);
  inference->next = end;
  if (end < ^_STEP_COUNT) return ^_MORE;
  inference->state = 0;
%FINISH%
  return ^_OK;
}
"""
