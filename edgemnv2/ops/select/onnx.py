"""Import rules of ONNX: slices, splits, gathers, tiles."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.select.indices import broadcast, counted, select, spread, strided
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
    """Indices are constants along one axis."""
    source = node.input(0)
    axis = int(node.get("axis", 0)) % len(source.shape)
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
    """Indices are constants."""
    shape = node.input(0).shape
    axis = int(node.get("axis", 0)) % len(shape)
    indices = node.value(1, "indices")
    places: list[Any] = list(np.indices(indices.shape))
    places[axis] = np.where(indices < 0, indices + shape[axis], indices)
    _gather_places(node, flow, shape, np.stack(places, -1))


def gather_nd(node: SourceNode, flow: FlowBuilder) -> None:
    """Indices are constants; batches are of one."""
    shape, batches = node.input(0).shape, int(node.get("batch_dims", 0))
    indices = node.value(1, "indices")
    if any(extent != 1 for extent in shape[:batches]):
        raise Refusal(f"batch_dims={batches} of {list(shape)}", "index the whole tensor")
    extents = np.array(shape[batches : batches + indices.shape[-1]])
    _gather_places(node, flow, shape[batches:], np.where(indices < 0, indices + extents, indices))


def _gather_places(
    node: SourceNode, flow: FlowBuilder, shape: tuple[int, ...], places: Any
) -> None:
    """The parts of the operand, seen as `shape`, at `places` `[..., axes]`."""
    source, axes = node.input(0), places.shape[-1]
    extents = shape[:axes]
    if (places < 0).any() or (places >= np.array(extents)).any():
        raise Refusal(
            f"an index outside of {list(shape)}", "export the model again", "Indices are inside"
        )
    flat = (prod(extents), prod(shape[axes:]))
    stored = flow.stored(source)
    seen = replace(source, name=f"{source.name}.flat", shape=flat, value=None)
    if isinstance(stored, Constant):
        flow.alias(seen, stored.reshape(flat))
    else:
        seen = replace(seen, name=flow.fresh(source, source.dtype, flat))
        flow.move("reshape", [stored], seen, {"shape": flat})
    numbers = np.ravel_multi_index(tuple(np.moveaxis(places, -1, 0)), extents).ravel()
    select(flow, seen, node.output, [numbers.tolist(), range(flat[1])])


RULES: dict[str, Rule] = {
    "Expand": expand,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
}
