"""A task and its decisions as MetaSchedule has them: a workload module, and a trace.

The workload is a function with one block, `kernel`: the code of a kernel is made from decisions, so
there is no loop nest to transform, and one stand-in serves all tasks (MetaSchedule spells a module
in some thousand characters, which sixty tasks need not repeat). A trace annotates the block with
the task's key, samples each decision (`sample_categorical`) and annotates the block with it;
`edgemnv2.order:panel|pixel` spells out what the integers mean. Replaying a trace gives a block that
says what is to be computed and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import s_tir, tirx

from edgemnv2.errors import TuneLogError

__all__ = [
    "KEY_ANNOTATION",
    "replay",
    "sample_decisions",
    "sampled",
    "trace_of",
    "workload_of",
]

PREFIX = "edgemnv2."
KEY_ANNOTATION = "edgemnv2.task"
BLOCK = "kernel"


def workload_of(key: str = "") -> Any:
    """The IRModule that stands for every task, or, with `key`, for one."""
    # Not by TVMScript, whose parser notes the file and the line that it was called from.
    block = s_tir.SBlock([], [], [], BLOCK, tirx.Evaluate(0))
    function = tirx.PrimFunc([], s_tir.SBlockRealize([], True, block)).with_attr("s_tir", True)
    return tvm.IRModule({"main": function.with_attr(KEY_ANNOTATION, key) if key else function})


def sample_decisions(
    schedule: Any,
    key: str,
    space: Mapping[str, tuple[Any, ...]],
    decisions: Mapping[str, Any] | None = None,
) -> None:
    """Add to the trace of `schedule` the task's key and, for each name in `space`, a sampling.

    They choose `decisions`; without them MetaSchedule draws.
    """
    block = schedule.get_sblock(BLOCK)
    schedule.annotate(block, KEY_ANNOTATION, key)
    for name in sorted(space):
        values = space[name]
        integers = all(type(value) is int for value in values)
        spelled = "" if integers else ":" + "|".join(map(str, values))
        sampled = schedule.sample_categorical(
            list(values) if integers else list(range(len(values))),
            [1.0 / len(values)] * len(values),
            decision=None if decisions is None else values.index(decisions[name]),
        )
        schedule.annotate(block, f"{PREFIX}{name}{spelled}", sampled)


def trace_of(key: str, space: Mapping[str, tuple[Any, ...]], decisions: Mapping[str, Any]) -> Any:
    """The trace that makes `decisions` out of `space` for the task `key`."""
    schedule = s_tir.Schedule(workload_of())
    sample_decisions(schedule, key, space, decisions)
    return schedule.trace


def sampled(trace: Any, space: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """What a trace by `sample_decisions` of `space` chose, without replaying it."""
    chosen = [
        int(trace.decisions[instruction])
        for instruction in trace.insts
        if instruction in trace.decisions
    ]
    return {name: space[name][n] for name, n in zip(sorted(space), chosen, strict=True)}


def replay(workload: Any, trace: Any) -> tuple[str, dict[str, Any]]:
    """The task's key and the decisions, sorted by name, that replaying `trace` leaves.

    TuneLogError for a trace that names no task.
    """
    schedule = s_tir.Schedule(workload)
    trace.apply_to_schedule(schedule, remove_postproc=False)
    annotations = dict(schedule.get(schedule.get_sblock(BLOCK)).annotations)
    key = annotations.pop(KEY_ANNOTATION, None)
    if key is None:
        raise TuneLogError(f"a trace has no annotation {KEY_ANNOTATION} (not a log of edgemnv2)")
    decisions: dict[str, Any] = {}
    for annotation, value in annotations.items():
        name, _, spelled = str(annotation).removeprefix(PREFIX).partition(":")
        number = int(value)
        decisions[name] = spelled.split("|")[number] if spelled else number
    return str(key), dict(sorted(decisions.items()))
