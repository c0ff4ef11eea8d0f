"""Values put into a part of a tensor: the parts around it and they, one behind another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.concat.constants import concatenate
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.select.indices import select
from edgemnv2.ops.source import MOST_ELEMENTS, FlowBuilder, Refusal, SourceNode, SourceTensor

__all__ = ["scatter_nd"]

Array = NDArray[Any]
MOST_PARTS = 64
"""Of one axis; every second row of an image would be hundreds."""


def scatter_nd(node: SourceNode, flow: FlowBuilder) -> None:
    """Indices are constants that count up and cover a box, as `x[..., :2] = y` makes them."""
    data, updates = node.input(0), node.input(2)
    if node.get("reduction", "none") not in ("none", b"none"):
        raise Refusal(f"reduction {node.get('reduction')!r}", "export the model again")
    taken = _box(node.value(1, "indices"), data.shape)
    box = replace(updates, name=f"{node.output.name}.box", shape=tuple(len(x) for x in taken))
    stored = flow.stored(updates)
    if isinstance(stored, Constant):
        flow.alias(box, stored.reshape(box.shape))
    else:
        flow.move("reshape", [stored], box, {"shape": box.shape})
    _assign(flow, data, replace(box, value=None), taken, 0, node.output)


def _box(indices: Array, shape: tuple[int, ...]) -> list[list[int]]:
    """The indices of each axis that the box has; Refusal where it is none."""
    refusal = Refusal("indices that are no box of the tensor", "assign to slices of step 1 or more")
    depth = indices.shape[-1]
    extents = np.array(shape[:depth], np.int64)
    at = indices.reshape(-1, depth).astype(np.int64)
    at = np.where(at < 0, at + extents, at)
    if not at.size or at.size > MOST_ELEMENTS or ((at < 0) | (at >= extents)).any():
        raise refusal
    taken = [np.unique(column) for column in at.T]
    grid = np.stack(np.meshgrid(*taken, indexing="ij"), -1).reshape(-1, depth)
    if not np.array_equal(grid, at):
        raise refusal
    return [[int(i) for i in axis] for axis in taken] + [list(range(n)) for n in shape[depth:]]


def _assign(
    flow: FlowBuilder,
    data: SourceTensor,
    updates: SourceTensor,
    taken: Sequence[list[int]],
    axis: int,
    output: SourceTensor,
) -> None:
    """`output` is `data` with `updates` at `taken` of `axis` and the axes behind it."""
    while axis < len(taken) and len(taken[axis]) == output.shape[axis]:
        axis += 1
    if axis == len(taken):
        flow.alias(output, flow.stored(updates))
        return
    inside, operands = set(taken[axis]), []
    runs = [
        (new, list(run)) for new, run in groupby(range(output.shape[axis]), inside.__contains__)
    ]
    if len(runs) > MOST_PARTS:
        raise Refusal(
            f"a box in {len(runs)} parts",
            "assign to slices of step 1",
            f"A box has at most {MOST_PARTS} parts along an axis",
        )
    done = 0
    for number, (new, run) in enumerate(runs):
        part = _part(flow, data, axis, run, f"{output.name}.part{number}")
        if new:
            given = list(range(done, done + len(run)))
            done += len(run)
            put = _part(flow, updates, axis, given, f"{part.name}.put")
            joined = replace(part, name=f"{part.name}.joined")
            _assign(flow, part, put, taken, axis + 1, joined)
            part = joined
        operands.append(flow.stored(part))
    concatenate(flow, operands, output, axis)


def _part(
    flow: FlowBuilder, of: SourceTensor, axis: int, run: list[int], name: str
) -> SourceTensor:
    """`of` at the indices `run` of `axis`."""
    shape = (*of.shape[:axis], len(run), *of.shape[axis + 1 :])
    part = replace(of, name=name, shape=shape, value=None)
    if shape == of.shape:
        flow.alias(part, flow.stored(of))
    else:
        indices = [list(range(n)) for n in of.shape]
        indices[axis] = run
        select(flow, of, part, indices)
    return part
