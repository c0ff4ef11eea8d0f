"""Import rules of ONNX: slices, splits, gathers, tiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.select.computed import gather_at, gather_each, gather_parts
from edgemnv2.ops.select.indices import (
    broadcast,
    counted,
    gather_places,
    seen_as,
    select,
    spread,
    strided,
)
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def slice_(node: SourceNode, flow: FlowBuilder) -> None:
    """Starts, ends, axes and steps are constants."""
    source = node.input(0)
    rank = len(source.shape)
    if node.optional(1) is None:
        starts, ends = list(node.get("starts")), list(node.get("ends"))
        axes, steps = node.get("axes"), None
    else:
        starts, ends = node.ints(1, "starts"), node.ints(2, "ends")
        axes = node.ints(3, "axes") if node.optional(3) is not None else None
        steps = node.ints(4, "steps") if node.optional(4) is not None else None
    axes = list(range(len(starts))) if axes is None else [int(axis) % rank for axis in axes]
    steps = [1] * len(starts) if steps is None else steps
    indices = [list(range(extent)) for extent in source.shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        extent = source.shape[axis]
        first, last = int(start), int(end)
        if step < 0 and last < -extent:
            indices[axis] = strided(extent, first, None, step)
        else:
            indices[axis] = strided(extent, max(first, -extent), last, step)
    select(flow, source, node.output, indices)


def split(node: SourceNode, flow: FlowBuilder) -> None:
    """Sizes are constants."""
    source = node.input(0)
    axis = int(node.get("axis", 0)) % len(source.shape)
    extent, count = source.shape[axis], len(node.outputs)
    sizes = node.get("split")
    if node.optional(1) is not None:
        sizes = node.ints(1, "sizes")
    if not sizes:
        size = -(-extent // count)
        sizes = [min(size, extent - i * size) for i in range(count)]
    start = 0
    for output, size in zip(node.outputs, sizes, strict=True):
        indices = [range(e) for e in source.shape]
        indices[axis] = range(start, start + size)
        select(flow, source, output, indices)
        start += size


def gather(node: SourceNode, flow: FlowBuilder) -> None:
    """Indices are along one axis."""
    source = node.input(0)
    axis = int(node.get("axis", 0)) % len(source.shape)
    if node.input(1).value is None:
        gather_at(flow, source, node.input(1), node.output, axis, from_behind=True)
        return
    indices = [list(range(extent)) for extent in source.shape]
    indices[axis] = counted(node.ints(1, "indices"), source.shape[axis])
    select(flow, source, node.output, indices)


def tile(node: SourceNode, flow: FlowBuilder) -> None:
    """Repeats are constants."""
    spread(flow, node.input(0), node.output, node.ints(1, "repeats"))


def expand(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    broadcast(flow, node.input(0), node.output)


def gather_elements(node: SourceNode, flow: FlowBuilder) -> None:
    """Computed indices span the other axes."""
    shape = node.input(0).shape
    axis = int(node.get("axis", 0)) % len(shape)
    if node.input(1).value is None:
        gather_each(flow, node.input(0), node.input(1), node.output, axis, from_behind=True)
        return
    indices = node.value(1, "indices")
    places: list[Any] = list(np.indices(indices.shape))
    places[axis] = np.where(indices < 0, indices + shape[axis], indices)
    gather_places(flow, node.input(0), shape, np.stack(places, -1), node.output)


def gather_nd(node: SourceNode, flow: FlowBuilder) -> None:
    """Batches are of one."""
    shape, batches = node.input(0).shape, int(node.get("batch_dims", 0))
    if any(extent != 1 for extent in shape[:batches]):
        raise Refusal(f"batch_dims={batches} of {list(shape)}", "index the whole tensor")
    if node.input(1).value is None:
        seen = seen_as(flow, node.input(0), shape[batches:])
        gather_parts(flow, seen, node.input(1), node.output, from_behind=True)
        return
    indices = node.value(1, "indices")
    extents = np.array(shape[batches : batches + indices.shape[-1]])
    places = np.where(indices < 0, indices + extents, indices)
    gather_places(flow, node.input(0), shape[batches:], places, node.output)


RULES: dict[str, Rule] = {
    "Expand": expand,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
}
