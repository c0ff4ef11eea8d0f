"""A memory plan for people and for `memory_plan.json`."""

from __future__ import annotations

from typing import Any

from edgemnv2.memory.live import live_bytes_per_step, live_rows
from edgemnv2.memory.planner import Planned
from edgemnv2.ops.graph import Graph
from edgemnv2.target import Target

__all__ = [
    "cores_message",
    "does_not_fit_message",
    "flash_message",
    "kib",
    "peak_tensors",
    "plan_record",
    "step_name",
]


def kib(size_bytes: int) -> str:
    """`189.0 KiB`."""
    return f"{size_bytes / 1024:.1f} KiB"


def peak_tensors(planned: Planned) -> tuple[int, list[tuple[str, int]]]:
    """The step with the most live bytes, and what is live then: (name, bytes), largest first."""
    program = planned.program
    live = live_rows(program)
    per_step = live_bytes_per_step(program, live)
    step = int(per_step.argmax())
    held = [
        (name, int(((rows.first <= step) & (rows.last >= step)).sum()) * rows.row_bytes)
        for name, rows in live.items()
        if name not in program.external
    ]
    op = program.steps[step].op
    if op >= 0 and program.ops[op].scratch_bytes:
        held.append((f"scratch of {program.ops[op].name}", program.ops[op].scratch_bytes))
    return step, sorted((x for x in held if x[1]), key=lambda x: (-x[1], x[0]))


def step_name(planned: Planned, step: int) -> str:
    """`block2.project, row 17`."""
    program = planned.program
    at = program.steps[step]
    fed = program.fed_by(at)
    name = program.ops[at.op].name if fed is None else f"feeding {fed}"
    return f"{name}, row {at.row}"


def does_not_fit_message(whole: Planned, target: Target, graph: Graph) -> str:
    """Need, have, what is live at the peak, and what would help."""
    step, held = peak_tensors(whole)
    largest = ", ".join(f"{name} {kib(size)}" for name, size in held[:3])
    return (
        f"{graph.source}: needs {kib(whole.plan.arena_bytes)} of RAM, {target.name} has "
        f"{kib(target.ram_bytes)}; at the peak, step {step} ({step_name(whole, step)}), live are "
        f"{largest}; a lower resolution or width or rows fed by the caller need less "
        f"(`edgemnv2 analyze` shows what fits)"
    )


def cores_message(arena_bytes: int, target: Target, graph: Graph) -> str:
    """Need and have of two cores, where one core's need is there."""
    return (
        f"{graph.source}: two cores need {kib(arena_bytes)} of RAM, {target.name} has "
        f"{kib(target.ram_bytes)}; one core needs less (leave threads= out)"
    )


def flash_message(constants_bytes: int, target: Target, graph: Graph) -> str:
    """The same for weights that are more than the read-only memory."""
    return (
        f"{graph.source}: its weights are {kib(constants_bytes)}, {target.name} has "
        f"{kib(target.flash_bytes)} of flash; a smaller width or fewer classes need less "
        f"(`edgemnv2 analyze` shows what fits)"
    )


def plan_record(whole: Planned, stream: Planned) -> dict[str, Any]:
    """The content of `memory_plan.json`: the whole image's plan, and under "stream" fed rows'."""
    return {**_one(whole), "stream": _one(stream)}


def _one(planned: Planned) -> dict[str, Any]:
    program, plan = planned.program, planned.plan
    live = live_rows(program)
    per_step = live_bytes_per_step(program, live)
    tensors = []
    for name, tensor in program.tensors.items():
        if name not in live:
            continue
        placement = plan.placements.get(name)
        tensors.append(
            {
                "name": name,
                "height": tensor.height,
                "row_bytes": tensor.row_bytes,
                "external": name in program.external,
                "base": min(placement.slots) if placement else None,
                "depth": placement.depth if placement else tensor.height,
                "slots": list(placement.slots) if placement else [],
                "first": live[name].first.tolist(),
                "last": live[name].last.tolist(),
            }
        )
    return {
        "arena_bytes": plan.arena_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "align_bytes": plan.align_bytes,
        "chains": [list(chain) for chain in program.chains],
        "ops": [
            {
                "name": op.name,
                "output": op.output,
                "scratch_bytes": op.scratch_bytes,
                "scratch_base": plan.scratch.get(op.name),
            }
            for op in program.ops
        ],
        "steps": [[step.op, step.row] for step in program.steps],
        "tensors": tensors,
        "live_bytes_per_step": per_step.tolist(),
        "peak_step": int(per_step.argmax()) if len(per_step) else 0,
    }
