"""Kernels for a part of a late map, so that threads can share one step.

A part by pixels is the same kernel for fewer pixels; a part by channels (the classifier's) reads a
stretch of the packed weights. Constants stay where the whole kernel has them: a part is offered
only where its own constants are found, byte for byte, inside those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import (
    CONSTANT_ALIGN_BYTES,
    RowKernel,
    constant_offsets,
    with_shared_code,
)
from edgemnv2.schedules import Schedule, family_of
from edgemnv2.streaming.bands import BandProgram, BandStep, Split, make_bands
from edgemnv2.streaming.lower import RowOps
from edgemnv2.target import Target
from edgemnv2.tir.code import Code

__all__ = ["PartKernel", "part_key", "share_steps"]

PIXELS_MIN = 2
PartKey = tuple[str, str, int, int]


@dataclass(frozen=True, eq=False)
class PartKernel:
    """A kernel for a part; `offsets` of its constants from the start of the operation's stretch."""

    kernel: RowKernel
    offsets: tuple[int, ...]


def part_key(name: str, step: BandStep) -> PartKey:
    """Steps of equal key run the same code with the same constants."""
    if step.unit == "rows":
        return (name, "rows", 0, 0)
    return (name, step.unit, step.first if step.unit == "channels" else 0, step.count)


def share_steps(
    graph: Graph,
    schedule: Schedule,
    target: Target,
    rows: RowOps,
    chains: Sequence[tuple[int, int]],
    threads: int,
) -> tuple[BandProgram, dict[PartKey, PartKernel]]:
    """The program of `rows` for `threads` threads, and the kernels of its steps by `part_key`."""
    splits = _candidates(graph, schedule, target, rows)
    while True:
        program = make_bands(rows, chains, splits, threads)
        kernels: dict[PartKey, PartKernel] = {}
        codes: dict[str, Code] = {}
        refused = set()
        for stage in program.stages:
            for step in (step for steps in stage.steps for step in steps):
                op = program.ops[step.op]
                key = part_key(op.name, step)
                if key in kernels:
                    continue
                part = _part_kernel(graph, graph.layers[op.layer], schedule, target, step, op.name)
                if part is None:
                    refused.add(op.name)
                else:
                    kernel = with_shared_code(part.kernel, codes)
                    kernels[key] = replace(part, kernel=kernel)
        if not refused:
            return program, kernels
        splits = {name: split for name, split in splits.items() if name not in refused}


def _candidates(graph: Graph, schedule: Schedule, target: Target, rows: RowOps) -> dict[str, Split]:
    """Operations that could be shared: pointwise ones on whole maps, and sums right behind."""
    splits: dict[str, Split] = {}
    if family_of(target) is None:
        return splits
    granules: dict[str, int] = {}
    for op in rows.ops:
        layer = graph.layers[op.layer]
        kernel = schedule.kernels[op.name]
        names = (*layer.inputs, layer.output)
        whole_rows = len(op.writes) == 1 and op.writes[0].is_plain
        if not whole_rows or kernel.fuses or any(name in schedule.layouts for name in names):
            continue
        out = graph.tensor_out(layer)
        pixels = out.height * out.width
        if not layer.is_pixelwise:
            continue
        if "nr" in kernel.decisions:
            if pixels == 1:
                splits[op.name] = Split("channels", out.channels, 2 * int(kernel.decisions["nr"]))
            elif op.steps == 1 and pixels >= PIXELS_MIN:
                splits[op.name] = Split("pixels", pixels)
                granules[op.output] = pixels
        elif op.updates and granules.get(op.output) == pixels:
            splits[op.name] = Split("pixels", pixels)
    return splits


def _part_kernel(
    graph: Graph, layer: Layer, schedule: Schedule, target: Target, step: BandStep, name: str
) -> PartKernel | None:
    whole = schedule.kernels[name]
    if step.unit == "rows":
        return PartKernel(whole, tuple(constant_offsets(whole)[:-1]))
    family = family_of(target)
    assert family is not None
    if step.unit == "pixels":
        part_layer = layer
        tensors = {n: _pixels(graph.tensors[n], step.count) for n in (*layer.inputs, layer.output)}
    else:
        cut = layer.channel_part(step.first, step.count)
        if cut is None:
            return None
        part_layer = cut
        out = graph.tensor_out(layer)
        tensors = {layer.output: replace(out, channels=step.count)}
    part_graph = replace(graph, tensors={**graph.tensors, **tensors})
    kernel = family.row_kernel(
        part_graph, part_layer, schedule.layouts, target, whole.decisions, rows_per_step=1
    )
    if kernel is None:
        return None
    offsets = _find_constants(whole, kernel)
    return None if offsets is None else PartKernel(kernel, offsets)


def _pixels(tensor: Tensor, count: int) -> Tensor:
    return replace(tensor, height=1, width=count)


def _find_constants(whole: RowKernel, part: RowKernel) -> tuple[int, ...] | None:
    """Where, in the stretch of `whole`, the constants of `part` lie."""
    if len(whole.constants) != len(part.constants):
        return None
    offsets = []
    starts = constant_offsets(whole)
    for start, have, want in zip(starts, whole.constants, part.constants, strict=False):
        at = _bytes(have).find(_bytes(want))
        while at > 0 and at % CONSTANT_ALIGN_BYTES:
            at = _bytes(have).find(_bytes(want), at + 1)
        if at < 0:
            return None
        offsets.append(start + at)
    return tuple(offsets)


def _bytes(array: Any) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def scratch_of(program: BandProgram, kernels: Mapping[PartKey, PartKernel], step: BandStep) -> int:
    """Bytes of scratch that `step` needs."""
    return kernels[part_key(program.ops[step.op].name, step)].kernel.scratch_bytes
