"""A task and its decisions as MetaSchedule has them: a workload module, and a trace.

The workload is a function with one block, `kernel`, and the task's key as an attribute; the code
of a kernel is made from decisions, so there is no loop nest to transform. A trace samples each
decision (`sample_categorical`) and annotates the block with it; `edgemnv2.order:panel|pixel` spells
out what the integers mean. Replaying a trace gives a block that says how it is to be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import s_tir
from tvm.script import tirx as T  # noqa: N812 - as TVMScript spells it

from edgemnv2.errors import TuneLogError

__all__ = [
    "KEY_ATTRIBUTE",
    "decisions_of",
    "key_of",
    "sample_decisions",
    "sampled",
    "trace_of",
    "workload_of",
]

KEY_ATTRIBUTE = "edgemnv2.task"
PREFIX = "edgemnv2."
BLOCK = "kernel"


@T.prim_func(s_tir=True)  # type: ignore[untyped-decorator]  # TVM ships no types
def _stand_in() -> None:
    T.func_attr({"global_symbol": "main", "tirx.noalias": True})
    with T.sblock("kernel"):
        T.reads()
        T.writes()
        T.evaluate(0)


def workload_of(key: str) -> Any:
    """The IRModule that stands for the task `key`."""
    return tvm.IRModule({"main": _stand_in.with_attr(KEY_ATTRIBUTE, key)})


def key_of(module: Any) -> str:
    """The task's key out of a workload; TuneLogError for one that is not ours."""
    attributes = module["main"].attrs
    if attributes is None or KEY_ATTRIBUTE not in attributes:
        raise TuneLogError(f"workload: has no attribute {KEY_ATTRIBUTE} (not a log of edgemnv2)")
    return str(attributes[KEY_ATTRIBUTE])


def sample_decisions(
    schedule: Any, space: Mapping[str, tuple[Any, ...]], decisions: Mapping[str, Any] | None = None
) -> None:
    """Add to the trace of `schedule` one sampling instruction for each name in `space`.

    They choose `decisions`; without them MetaSchedule draws.
    """
    block = schedule.get_sblock(BLOCK)
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
    """The trace that makes `decisions` out of `space` on the workload of `key`."""
    schedule = s_tir.Schedule(workload_of(key))
    sample_decisions(schedule, space, decisions)
    return schedule.trace


def sampled(trace: Any, space: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """What a trace by `sample_decisions` of `space` chose, without replaying it."""
    chosen = [
        int(trace.decisions[instruction])
        for instruction in trace.insts
        if instruction in trace.decisions
    ]
    return {name: space[name][n] for name, n in zip(sorted(space), chosen, strict=True)}


def decisions_of(workload: Any, trace: Any) -> dict[str, Any]:
    """The decisions that replaying `trace` on `workload` leaves; sorted by name."""
    schedule = s_tir.Schedule(workload)
    trace.apply_to_schedule(schedule, remove_postproc=False)
    annotations = schedule.get(schedule.get_sblock(BLOCK)).annotations
    decisions: dict[str, Any] = {}
    for annotation, value in annotations.items():
        name, _, spelled = str(annotation).removeprefix(PREFIX).partition(":")
        number = int(value)
        decisions[name] = spelled.split("|")[number] if spelled else number
    return dict(sorted(decisions.items()))
