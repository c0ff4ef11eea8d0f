"""How each layer is computed on a target: the family of row kernels that suits its features.

Where a family (`family.Family`) declines a layer, the plain kernel takes over.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout, with_shared_code
from edgemnv2.schedules.family import Family, Form, one_form
from edgemnv2.target import Target
from edgemnv2.tir.code import Code

__all__ = ["Schedule", "ScheduleOptions", "family_of", "forms_of", "schedule_graph"]


@dataclass(frozen=True)
class ScheduleOptions:
    """Decisions about the whole network.

    `whole_rows_max`: pointwise layers on maps of at most this height run in one step over the
    whole map, so that their weights are read once; 0 for none. `fuse`: depthwise and projection
    become one kernel. `decisions`: per layer name, what differs from the family's default.
    """

    whole_rows_max: int = 0
    fuse: bool = False
    decisions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: Mapping[str, str] = field(default_factory=dict)
    """Layer name -> id of the tuning record that its decisions come from."""

    @staticmethod
    def default(target: Target) -> ScheduleOptions:
        """Bare metal: least memory. Linux: late maps, of which all fits into L2, at once."""
        if target.is_bare_metal:
            return ScheduleOptions(whole_rows_max=0, fuse=True)
        return ScheduleOptions(whole_rows_max=14, fuse=False)


@dataclass(frozen=True, eq=False)
class Schedule:
    """Kernels by operation name, and the rows that are not plain NHWC by tensor name."""

    kernels: Mapping[str, RowKernel]
    layouts: Mapping[str, RowLayout]


def family_of(target: Target) -> Family | None:
    """The best family for the target's features; None: plain kernels only."""
    if target.has("neon"):
        from edgemnv2.schedules import neon

        return neon
    if target.has("avx512vnni"):
        from edgemnv2.schedules import avx512

        return avx512
    if target.has("avx2"):
        from edgemnv2.schedules import avx2

        return avx2
    if target.is_web:
        from edgemnv2.schedules import wasm

        return wasm
    if target.has("mve"):
        from edgemnv2.schedules import mve

        return mve
    if target.is_bare_metal:
        from edgemnv2.schedules import dsp

        return dsp
    return None


def forms_of(graph: Graph, layer: Layer, target: Target, kernel: RowKernel) -> tuple[Form, ...]:
    """The forms of the constants of `kernel`, from its own to the smallest."""
    from edgemnv2.schedules import dsp

    if family_of(target) is not dsp:
        return one_form()
    return dsp.forms(graph, layer, kernel)


def schedule_graph(
    graph: Graph, target: Target, options: ScheduleOptions, only: Container[str] | None = None
) -> Schedule:
    """A row kernel for every operation of `graph`, or for those of the layers named by `only`."""
    from edgemnv2.ops.plain_kernels import plain_kernels  # imports TVM

    family = family_of(target)
    layouts: Mapping[str, RowLayout] = family.layouts(graph, target) if family else {}
    kernels: dict[str, RowKernel] = {}
    fused = _fused_kernels(graph, target, options, family, layouts, only) if options.fuse else {}
    covered = {name for kernel in fused.values() for name in kernel.fuses}
    for layer in graph.layers:
        if layer.name in covered or not (only is None or layer.name in only):
            continue
        if layer.name in fused:
            kernels[layer.name] = _labelled(fused[layer.name], layer, options)
            continue
        kernel = _family_kernel(graph, layer, target, options, family, layouts)
        if kernel is not None:
            kernels[layer.name] = _labelled(kernel, layer, options)
        else:
            kernels |= plain_kernels(graph, layer)
    codes: dict[str, Code] = {}
    shared = {name: with_shared_code(kernel, codes) for name, kernel in kernels.items()}
    return Schedule(shared, layouts)


def _labelled(kernel: RowKernel, layer: Layer, options: ScheduleOptions) -> RowKernel:
    """`kernel` with the id of the tuning record that its decisions come from, if there is one."""
    record = options.records.get(layer.name)
    return kernel if record is None else replace(kernel, schedule=record)


def _family_kernel(
    graph: Graph,
    layer: Layer,
    target: Target,
    options: ScheduleOptions,
    family: Family | None,
    layouts: Mapping[str, RowLayout],
) -> RowKernel | None:
    if family is None:
        return None
    decisions = {
        **family.default(graph, layer, target),
        **options.decisions.get(layer.name, {}),
    }
    out = graph.tensor_out(layer)
    rows = 1
    if layer.op == "pointwise" and 1 < out.height <= options.whole_rows_max:
        rows = out.height
    return family.row_kernel(graph, layer, layouts, target, decisions, rows_per_step=rows)


def _fused_kernels(
    graph: Graph,
    target: Target,
    options: ScheduleOptions,
    family: Family | None,
    layouts: Mapping[str, RowLayout],
    only: Container[str] | None,
) -> dict[str, RowKernel]:
    """Projection's name -> kernel of depthwise and projection together."""
    from edgemnv2.schedules.simd_family import plain_fused  # imports TVM

    readers: dict[str, list[Layer]] = {}
    for layer in graph.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    fused: dict[str, RowKernel] = {}
    for layer in graph.layers:
        following = readers.get(layer.output, [])
        if layer.op != "depthwise" or len(following) != 1 or layer.output in graph.outputs:
            continue
        project = following[0]
        if project.op != "pointwise":
            continue
        if not (only is None or layer.name in only or project.name in only):
            continue
        if family is None:
            kernel = plain_fused(graph, layer, project, layouts, target, {})
        else:
            decisions = {
                **family.default(graph, project, target),
                **options.decisions.get(project.name, {}),
            }
            kernel = family.fused_kernel(graph, layer, project, layouts, target, decisions)
        if kernel is not None:
            fused[project.name] = kernel
    return fused
