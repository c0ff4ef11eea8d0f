"""The C source for several threads: tables for every thread count, and the entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgemnv2.codegen.entry import EntryParts, home_lines, refuse_processor
from edgemnv2.codegen.op_table import OpEntry, OpTable, adapter, kernel_parameters
from edgemnv2.memory.thread_plan import ThreadPlan
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.program import RowOp
from edgemnv2.streaming.bands import BandProgram, BandStep
from edgemnv2.streaming.parts import PartKernel, PartKey, part_key

__all__ = ["BARRIER", "ThreadParts", "part_kernels", "thread_source"]

BARRIER = 0xFFFE
"""The operation index at which a thread waits for the others; indices are 16 bits wide here."""

POOL = "thread_pool.h"


@dataclass(frozen=True, eq=False)
class ThreadParts:
    """All that one thread count adds."""

    program: BandProgram
    plan: ThreadPlan
    kernels: Mapping[PartKey, PartKernel]


def part_kernels(threads: tuple[ThreadParts, ...]) -> dict[str, RowKernel]:
    """The kernels of all parts, under names of their own."""
    return {
        "/".join(map(str, key)): part.kernel
        for parts in threads
        for key, part in parts.kernels.items()
    }


def thread_source(parts: EntryParts, threads: tuple[ThreadParts, ...]) -> str:
    """What follows the entry source of one thread."""
    most = max(one.program.threads for one in threads)
    sections = [
        f"#define EDGEMNV2_BARRIER {BARRIER}u",
        f"#define EDGEMNV2_THREADS_MAX {most}",
        f'#include "{POOL}"',
        "",
    ]
    done = {f"call_{kernel.symbol}" for kernel in parts.kernels.values()}
    for one in threads:
        for key, part in one.kernels.items():
            name = _adapter_name(key, part)
            if name in done:
                continue
            done.add(name)
            sections += adapter(
                f"{parts.interface.name}_{part.kernel.symbol}",
                name,
                part.kernel,
                kernel_parameters(_op(one.program, key[0]), part.kernel, part.offsets),
            )
    for one in threads:
        sections += _tables(parts, one)
    sections.append(_entry(parts, threads))
    return "\n".join(sections) + "\n"


def _op(program: BandProgram, name: str) -> RowOp:
    return next(op for op in program.ops if op.name == name)


def _adapter_name(key: PartKey, part: PartKernel) -> str:
    # Parts by channels run one symbol on several stretches of the constants.
    suffix = f"_from_{key[2]}" if key[1] == "channels" else ""
    return f"call_{part.kernel.symbol}{suffix}"


def _tables(parts: EntryParts, one: ThreadParts) -> list[str]:
    program, count = one.program, one.program.threads
    entries: dict[PartKey, int] = {}
    views: dict[tuple[str, str], tuple[int, int]] = {}
    numbers = {name: index for index, name in enumerate(program.tensors)}
    table = OpTable(f"{count}_threads", program.tensors, parts.is_general)
    stage_of: list[int] = []

    def numbered(unit: str, total: int) -> Callable[[str], int]:
        """Where tensors are among the rings, as rows or as `total` pixels or channels."""

        def number(name: str) -> int:
            if unit == "rows":
                return numbers[name]
            return views.setdefault((name, unit), (len(numbers) + len(views), total))[0]

        return number

    def entry_of(step: BandStep, stage: int) -> int:
        op = program.ops[step.op]
        key = part_key(op.name, step)
        if key not in entries:
            total = sum(
                s.count for by in program.stages[stage].steps for s in by if s.op == step.op
            )
            stage_of.append(stage)
            channels = step.unit == "channels"
            entries[key] = table.add(
                OpEntry(
                    op,
                    _adapter_name(key, one.kernels[key]),
                    f"(const uint8_t *){parts.interface.name}_constants"
                    f" + {parts.constants.offset[op.name]}",
                    # All channels are made from the one pixel, whichever is the first.
                    numbered("rows" if channels else step.unit, total),
                    numbered(step.unit, total),
                    rows_outside=step.unit == "rows",
                    strides=(0,) * len(op.reads) if channels else None,
                )
            )
        return entries[key]

    step_tables: list[list[str]] = [[] for _ in range(count)]
    for number, stage in enumerate(program.stages):
        for thread, steps in enumerate(stage.steps):
            step_tables[thread] += [f"{{{entry_of(step, number)},{step.first}}}" for step in steps]
            step_tables[thread].append(f"{{{BARRIER},0}}")
    lines = table.source()
    for thread in range(count):
        label = f"{count}_{thread}"
        rings = [_ring(parts, one, name, "rows", 0, thread) for name in program.tensors]
        rings += [
            _ring(parts, one, name, unit, total, thread)
            for (name, unit), (_, total) in views.items()
        ]
        scratch = ", ".join(str(one.plan.scratch.get((s, thread), 0)) for s in stage_of)
        steps_text = step_tables[thread]
        lines += [
            f"static const struct edgemnv2_ring rings_{label}[{len(rings)}] = {{",
            *rings,
            "};",
            f"static const uint32_t scratch_{label}[{len(stage_of)}] = {{{scratch}}};",
            f"static const struct edgemnv2_step steps_{label}[{len(steps_text)}] = {{",
            f"{','.join(steps_text)}}};",
        ]
    lines.append(f"static const struct edgemnv2_plan plans_{count}_threads[{count}] = {{")
    for thread in range(count):
        label = f"{count}_{thread}"
        lines.append(
            f"    {{rings_{label}, scratch_{label}, steps_{label}, {len(step_tables[thread])}u}},"
        )
    return [*lines, "};", ""]


def _ring(
    parts: EntryParts, one: ThreadParts, name: str, unit: str, total: int, thread: int
) -> str:
    program, plan = one.program, one.plan
    tensor = program.tensors[name]
    row_bytes, height, depth, base, home = tensor.row_bytes, tensor.height, tensor.height, 0, 0
    if name in (*program.inputs, *program.outputs):
        home = parts.home(name)
    elif name in plan.shared:
        base = plan.shared[name]
    elif (thread, name) in plan.private:
        ring = plan.private[thread, name]
        base, depth = ring.base, ring.depth
    if unit != "rows":
        # One row for each pixel or channel of the whole tensor.
        height = depth = total
        row_bytes = tensor.size_bytes // height
    text = f"    {{{base}u, {row_bytes}u, {depth}, {height}, {home}u, NULL}},"
    return f"{text} /* {name}{'' if unit == 'rows' else ' by ' + unit} */"


_ENTRY = """\
/* The header promises room for a pool. */
typedef char @_pool_is_large_enough[
    sizeof(struct edgemnv2_pool) <= sizeof(struct @_pool) ? 1 : -1];

int32_t @_pool_start(struct @_pool *pool, int32_t threads) {
%PROCESSOR%
  if (pool == NULL) return ^_ERROR_NULL;
  if (%NOT_PLANNED%) return ^_ERROR_THREADS;
  return edgemnv2_pool_begin((struct edgemnv2_pool *)(void *)pool, threads) == 0
      ? ^_OK : ^_ERROR_SYSTEM;
}

int32_t @_pool_stop(struct @_pool *pool) {
  if (pool == NULL) return ^_ERROR_NULL;
  edgemnv2_pool_end((struct edgemnv2_pool *)(void *)pool);
  return ^_OK;
}

#ifdef __wasm__
void @_pool_serve(struct @_pool *pool, int32_t number);

/* Thread `number` of a page runs this from start to stop of the pool. */
void @_pool_serve(struct @_pool *pool, int32_t number) {
  edgemnv2_pool_serve((struct edgemnv2_pool *)(void *)pool, number);
}
#endif

int32_t @_run_threads(const struct @_inputs *inputs, const struct @_outputs *outputs, void *arena,
    struct @_pool *pool) {
  struct edgemnv2_pool *own = (struct edgemnv2_pool *)(void *)pool;
  struct edgemnv2_thread_run run;
%PROCESSOR%
  if (inputs == NULL || outputs == NULL || arena == NULL || pool == NULL) return ^_ERROR_NULL;
%NULL%
  if (((uintptr_t)arena) % ^_ARENA_ALIGN != 0) return ^_ERROR_ALIGNMENT;
  memset(&run, 0, sizeof run);
  run.home[0] = (uint8_t *)arena;
%HOMES%
  switch (own->threads) {
    case 1:
      return @_run(inputs, outputs, arena);
%CASES%
    default:
      return ^_ERROR_THREADS;
  }
  edgemnv2_pool_do(own, edgemnv2_run_band, &run);
  return ^_OK;
}
"""


def _entry(parts: EntryParts, threads: tuple[ThreadParts, ...]) -> str:
    counts = sorted(one.program.threads for one in threads)
    cases = [
        f"    case {count}:\n"
        f"      run.ops = ops_{count}_threads;\n"
        f"      run.plans = plans_{count}_threads;\n"
        "      break;"
        for count in counts
    ]
    name = parts.interface.name
    inputs, outputs = parts.interface.inputs, parts.interface.outputs
    fields = [f"inputs->{end.field}" for end in inputs]
    fields += [f"outputs->{end.field}" for end in outputs]
    checks = " || ".join(f"{field} == NULL" for field in fields)
    homes = home_lines(parts, inputs)
    homes += [
        f"  run.home[{parts.home(end.tensor)}] = (uint8_t *)outputs->{end.field};"
        for end in outputs
    ]
    processor = refuse_processor(parts.interface)
    return (
        _ENTRY.replace("%PROCESSOR%\n", "".join(f"{line}\n" for line in processor))
        .replace("%NULL%", f"  if ({checks}) return ^_ERROR_NULL;")
        .replace("%HOMES%", "\n".join(homes))
        .replace("%NOT_PLANNED%", " && ".join(f"threads != {n}" for n in (1, *counts)))
        .replace("%CASES%", "\n".join(cases))
        .replace("@", name)
        .replace("^", name.upper())
    )
