"""The C source for two cores of a microcontroller: their lists of steps, and the entry points.

The interface is that of threads on Linux (`threads.py`), so that a program's source is one for
both; the operations are those of one core.
"""

from __future__ import annotations

from edgemnv2.codegen.entry import (
    EntryParts,
    home_lines,
    ring_tables,
    steps_text,
    take_and_finish,
)
from edgemnv2.memory.core_plan import CorePlan, core_scratch
from edgemnv2.streaming.two_cores import CORES

__all__ = ["CORE_HEADERS", "core_source"]

CORE_HEADERS = ("edgemnv2_cores.h", "two_cores.h")
"""Headers of ours that the source includes; the first is for the program, too."""
_MOST_STEPS = (1 << 16) - 1


def core_source(parts: EntryParts, made: CorePlan) -> str:
    """What follows the entry source of one core."""
    cores, plan = made.cores, made.plan
    program = cores.program
    lines = ['#include "two_cores.h"', "", *ring_tables(parts, "cores", program, plan)]
    plans, waits = [], []
    for number in range(CORES):
        own = [i for i, core in enumerate(cores.core) if core == number]
        assert len(own) <= _MOST_STEPS, "a core's steps are counted in 16 bits"
        scratch = ", ".join(
            str(plan.scratch.get(core_scratch(op.name, number), 0)) for op in program.ops
        )
        steps = steps_text(program, [program.steps[i] for i in own], feed=0)
        # A core without a step has an entry that is never read: C has no empty arrays.
        awaited = ",".join(str(made.waits[i]) for i in own) or "0"
        label = f"core_{number}"
        lines += [
            f"static const uint32_t scratch_{label}[{len(program.ops)}] = {{{scratch}}};",
            f"static const struct edgemnv2_step steps_{label}[{max(1, len(own))}] = {{",
            f"{steps or '{0,0}'}}};",
            f"static const uint16_t waits_{label}[{max(1, len(own))}] = {{",
            f"{awaited}}};",
        ]
        plans.append(f"    {{rings_cores, scratch_{label}, steps_{label}, {len(own)}u}},")
        waits.append(f"waits_{label}")
    lines += [
        f"static const struct edgemnv2_plan plans_cores[{CORES}] = {{",
        *plans,
        "};",
        f"static const uint16_t *const waits_cores[{CORES}] = {{{', '.join(waits)}}};",
        "",
        _entry(parts),
    ]
    return "\n".join(lines) + "\n"


_ENTRY = """\
/* The header promises room for a pool. */
typedef char @_pool_is_large_enough[
    sizeof(struct edgemnv2_core_pool) <= sizeof(struct @_pool) ? 1 : -1];

int32_t @_pool_start(struct @_pool *pool, int32_t threads) {
  if (pool == NULL) return ^_ERROR_NULL;
  if (threads != 1 && threads != 2) return ^_ERROR_THREADS;
  return edgemnv2_cores_begin((struct edgemnv2_core_pool *)(void *)pool, threads) == 0
      ? ^_OK : ^_ERROR_SYSTEM;
}

int32_t @_pool_stop(struct @_pool *pool) {
  if (pool == NULL) return ^_ERROR_NULL;
  edgemnv2_cores_end((struct edgemnv2_core_pool *)(void *)pool);
  return ^_OK;
}

int32_t @_run_threads(const struct @_inputs *inputs, const struct @_outputs *outputs, void *arena,
    struct @_pool *pool) {
  struct edgemnv2_core_pool *own = (struct edgemnv2_core_pool *)(void *)pool;
  struct edgemnv2_core_run run;
  if (inputs == NULL || outputs == NULL || arena == NULL || pool == NULL) return ^_ERROR_NULL;
%NULL%
  if (((uintptr_t)arena) % ^_ARENA_ALIGN != 0) return ^_ERROR_ALIGNMENT;
  if (own->threads == 1) return @_run(inputs, outputs, arena);
  if (own->threads != 2) return ^_ERROR_THREADS;
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plans = plans_cores;
  run.waits = waits_cores;
  run.home[0] = (uint8_t *)arena;
%TAKE%
  edgemnv2_cores_do(own, &run);
%FINISH%
  return ^_OK;
}
"""


def _entry(parts: EntryParts) -> str:
    interface = parts.interface
    inputs, outputs = interface.inputs, interface.outputs
    fields = [f"inputs->{end.field}" for end in inputs]
    if interface.io == "arena":
        take, finish = take_and_finish(interface, "THREADS_")
        take = [line.replace("@HOME", "run.home[0]") for line in take]
    else:
        fields += [f"outputs->{end.field}" for end in outputs]
        finish = []
        take = home_lines(parts, inputs)
        take += [
            f"  run.home[{parts.home(end.tensor)}] = (uint8_t *)outputs->{end.field};"
            for end in outputs
        ]
    checks = " || ".join(f"{field} == NULL" for field in fields)
    return (
        _ENTRY.replace("%NULL%", f"  if ({checks}) return ^_ERROR_NULL;")
        .replace("%TAKE%\n", "".join(f"{line}\n" for line in take))
        .replace("%FINISH%\n", "".join(f"{line}\n" for line in finish))
        .replace("@", interface.name)
        .replace("^", interface.name.upper())
    )
