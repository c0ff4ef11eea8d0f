"""Tuning tasks: the distinct kernels of a network on a target, and what may be decided about each.

A task is known by its `key`, a description of the work that holds neither weights nor zero points,
so that a record serves every layer of every model that has the same shapes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgemnv2.memory.variants import CHAINS, default_chains
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowLayout
from edgemnv2.schedules import ScheduleOptions, family_of, schedule_graph
from edgemnv2.target import Target

__all__ = ["Task", "decisions_id", "find_tasks", "layer_key", "network_tasks"]

Space = Mapping[str, tuple[Any, ...]]

WHOLE_ROWS = (0, 7, 14, 28)
"""Map heights up to which pointwise layers run in one step: the last stages of 224."""
THREAD_CHAINS = ("blocks", "layers")
"""Cuts that differ where there are several threads."""


@dataclass(frozen=True)
class Task:
    """One piece of work: `layers` (names) that share it, their `space` and `default` decisions.

    `macs` of all those layers together. The network as a whole is a task without layers.
    """

    key: str
    op: str
    layers: tuple[str, ...]
    space: Space
    default: Mapping[str, Any]
    macs: int

    @property
    def label(self) -> str:
        """`pointwise 14x14x384 -> 14x14x64`."""
        facts = json.loads(self.key)
        if not self.layers:
            return self.op
        sizes = ["x".join(map(str, facts[end])) for end in ("in", "out")]
        return f"{self.op} {' -> '.join(sizes)}"

    @property
    def name(self) -> str:
        """What tells this task from every other of its network."""
        return self.layers[0] if self.layers else self.op

    @property
    def size(self) -> int:
        """How many assignments of decisions there are."""
        return int(np.prod([len(values) for values in self.space.values()]))


def find_tasks(graph: Graph, target: Target, options: ScheduleOptions) -> tuple[Task, ...]:
    """The tasks of `graph`, most work first; layers with nothing to decide have none."""
    family = family_of(target)
    if family is None:
        return ()
    schedule = schedule_graph(graph, target, options)
    groups: dict[str, list[Layer]] = {}
    spaces: dict[str, tuple[str, Space, Mapping[str, Any]]] = {}
    for layer in graph.layers:
        kernel = schedule.kernels.get(layer.name)
        if kernel is None or kernel.schedule == "fallback":
            continue
        space = {name: tuple(v) for name, v in family.space(graph, layer, target).items()}
        default = dict(family.default(graph, layer, target))
        space = {name: values for name, values in space.items() if name in default}
        if not any(len(values) > 1 for values in space.values()):
            continue
        default = {name: default[name] for name in space}
        # The default is always a candidate, also where a special case goes beyond the range.
        space = {n: v if default[n] in v else (*v, default[n]) for n, v in space.items()}
        key = layer_key(graph, layer, schedule.layouts, kernel.fuses)
        # Layers of one key may differ in what their weights allow.
        group = json.dumps([key, space, default], sort_keys=True)
        groups.setdefault(group, []).append(layer)
        spaces[group] = (key, space, default)
    tasks = [
        Task(
            key=spaces[group][0],
            op=layers[0].op,
            layers=tuple(layer.name for layer in layers),
            space=spaces[group][1],
            default=spaces[group][2],
            macs=sum(graph.macs(layer) for layer in layers),
        )
        for group, layers in groups.items()
    ]
    return tuple(sorted(tasks, key=lambda task: (-task.macs, task.key)))


def network_tasks(
    graph: Graph, target: Target, options: ScheduleOptions, metric: str
) -> tuple[Task, ...]:
    """The decisions about the whole network, which have no layers of their own.

    "network": where chains are cut, and up to which height late maps run in one step. "threads":
    how the chains of several threads are cut, that is, how a thread's share of the rows is made:
    in bands over whole blocks, some rows twice, or operation by operation with a meeting after
    each; an instruction count says nothing about that, so there it is no task. On bare metal there
    are none: the cut that takes the least memory is the one that is wanted.
    """
    if target.is_bare_metal:
        return ()
    described = [layer_key(graph, layer, {}, ()) for layer in graph.layers]
    digest = hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]
    rows = sorted({*WHOLE_ROWS, options.whole_rows_max})
    spaces: dict[str, Space] = {"network": {"chains": CHAINS, "whole_rows_max": tuple(rows)}}
    defaults: dict[str, dict[str, Any]] = {
        "network": {
            "chains": default_chains(target),
            "whole_rows_max": options.whole_rows_max,
        },
        "threads": {"thread_chains": default_chains(target)},
    }
    # A target without a clock is whatever machine the code runs on, and that has several cores.
    if metric == "seconds" and (target.cpu.cores > 1 or not target.cpu.clock_hz):
        spaces["threads"] = {"thread_chains": THREAD_CHAINS}
    macs = sum(graph.macs(layer) for layer in graph.layers)
    return tuple(
        Task(_dump({"op": op, "layers": digest}), op, (), space, defaults[op], macs)
        for op, space in spaces.items()
    )


def layer_key(
    graph: Graph, layer: Layer, layouts: Mapping[str, RowLayout], fuses: Iterable[str]
) -> str:
    """The description of `layer` as compact JSON, keys sorted.

    `fuses` names the layers that its kernel computes besides: the kernel reads what the first of
    them reads.
    """
    by_name = {other.name: other for other in graph.layers}
    first = by_name[next(iter(fuses))] if fuses else layer
    ends = {"in": graph.tensor_in(first), "out": graph.tensor_out(layer)}
    facts: dict[str, Any] = {"op": layer.op, **_describe(layer)}
    for end, tensor in ends.items():
        facts[end] = list(tensor.shape)
        facts[f"{end}_dtype"] = tensor.dtype
        if tensor.name in layouts:
            layout = layouts[tensor.name]
            facts[f"{end}_rows"] = [layout.order, layout.left, layout.right, layout.dtype or ""]
    if fuses:
        facts["fuses"] = [{"op": by_name[n].op, **_describe(by_name[n])} for n in fuses]
    return _dump(facts)


def decisions_id(key: str, decisions: Mapping[str, Any]) -> str:
    """The id of a record: 12 hexadecimal digits, the same for the same work and decisions."""
    text = f"{key}\n{_dump(dict(decisions))}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _describe(layer: Layer) -> dict[str, Any]:
    if not isinstance(layer, Conv2D | DepthwiseConv2D):
        return {}
    factor = layer.requantize
    # One rounding to even has the loops of two roundings, and what was tuned for those serves it.
    rounding = "none" if factor is None else "single" if factor.single_rounding else "double"
    facts: dict[str, Any] = {
        "kernel": list(layer.kernel),
        "stride": list(layer.stride),
        "padding": list(layer.padding),
        "weight_dtype": str(layer.weight.dtype),
        "rounding": rounding,
    }
    if factor is None:
        facts["clamped"] = bool(np.isfinite(layer.clamp).any())
    return facts


def _dump(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
