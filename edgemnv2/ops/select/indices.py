"""Index lists of slices, as both formats count them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import MOST_ELEMENTS, FlowBuilder, Refusal, SourceTensor

__all__ = ["broadcast", "counted", "gather_places", "seen_as", "select", "spread", "strided"]


def counted(indices: Sequence[int], extent: int) -> list[int]:
    """Indices of which those below zero count from behind."""
    return [i + extent if i < 0 else i for i in indices]


def spread(
    flow: FlowBuilder, source: SourceTensor, output: SourceTensor, repeats: Sequence[int]
) -> None:
    """`output` is `source`, repeated along each axis of the output's rank."""
    if min(repeats, default=1) < 1 or prod(source.shape) * prod(repeats) > MOST_ELEMENTS:
        raise Refusal(
            f"repeats {list(repeats)} of {list(source.shape)}",
            "export the model again",
            f"A tensor has at most {MOST_ELEMENTS} values",
        )
    rank = len(repeats)
    shape = (1,) * (rank - len(source.shape)) + source.shape
    stored = flow.stored(source)
    if shape == source.shape:
        indices = [list(range(e)) * n for e, n in zip(shape, repeats, strict=True)]
        select(flow, source, output, indices)
        return
    seen = replace(source, name=f"{source.name}.as{rank}", shape=shape)
    if isinstance(stored, Constant):
        flow.alias(seen, stored.reshape(shape))
    else:
        flow.move("reshape", [stored], seen, {"shape": shape})
    select(
        flow,
        replace(seen, value=None),
        output,
        [list(range(e)) * n for e, n in zip(shape, repeats, strict=True)],
    )


def broadcast(flow: FlowBuilder, source: SourceTensor, output: SourceTensor) -> None:
    """`output` is `source`, axes of 1 repeated; axes in front may be new."""
    shape = output.shape
    old = (1,) * (len(shape) - len(source.shape)) + source.shape
    if len(old) != len(shape) or any(e not in (1, n) for e, n in zip(old, shape, strict=True)):
        raise Refusal(
            f"{list(source.shape)} to {list(shape)}", "export the model again", "Shapes broadcast"
        )
    repeats = [n if e == 1 else 1 for e, n in zip(old, shape, strict=True)]
    spread(flow, source, output, repeats)


def strided(extent: int, begin: int | None, end: int | None, step: int) -> list[int]:
    """`range(extent)[begin:end:step]`."""
    return list(range(extent))[begin:end:step]


def select(
    flow: FlowBuilder, source: SourceTensor, output: SourceTensor, indices: Sequence[Sequence[int]]
) -> None:
    """`output` is `source` at `indices`, one list or range per axis; constants are evaluated.

    Numbers that a file gives belong in a range: it costs nothing until it is known to fit `output`.
    """
    if prod(len(taken) for taken in indices) != prod(output.shape):
        raise Refusal(
            f"an output {list(output.shape)} for {[len(x) for x in indices]} values of its axes",
            "export the model again",
            "Shapes agree",
        )
    for axis, (taken, extent) in enumerate(zip(indices, source.shape, strict=True)):
        if not taken:
            raise Refusal("a slice of nothing", "export the model again", "Slices hold something")
        if min(taken) < 0 or max(taken) >= extent:
            raise Refusal(
                f"an index outside of axis {axis} of {list(source.shape)}",
                "export the model again",
                "Indices are inside",
            )
    both = source.is_quantized and output.is_quantized
    if both and source.value is None and source.quant != output.quant:
        raise Refusal(
            "an output of another scale than its input's", "convert the model again", "Scales agree"
        )
    stored = flow.stored(source)
    if isinstance(stored, Constant):
        for axis, taken in enumerate(indices):
            stored = stored.take(list(taken), axis)
        flow.alias(output, stored.reshape(output.shape))
        return
    shape = tuple(len(taken) for taken in indices)
    attrs = {"indices": tuple(tuple(taken) for taken in indices)}
    if shape == output.shape:
        flow.move("select", [stored], output, attrs)
        return
    # Axes that go away.
    inner = flow.add("select", [stored], flow.fresh(output, output.dtype, shape), attrs)
    flow.move("reshape", [inner], output, {"shape": output.shape})


def gather_places(
    flow: FlowBuilder,
    source: SourceTensor,
    shape: tuple[int, ...],
    places: Any,
    output: SourceTensor,
) -> None:
    """The parts of `source`, seen as `shape`, at constant `places` `[..., axes]`."""
    axes = places.shape[-1]
    extents = shape[:axes]
    if (places < 0).any() or (places >= np.array(extents)).any():
        raise Refusal(
            f"an index outside of {list(shape)}", "export the model again", "Indices are inside"
        )
    flat = (prod(extents), prod(shape[axes:]))
    seen = seen_as(flow, source, flat)
    numbers = np.ravel_multi_index(tuple(np.moveaxis(places, -1, 0)), extents).ravel()
    select(flow, seen, output, [numbers.tolist(), range(flat[1])])


def seen_as(flow: FlowBuilder, source: SourceTensor, shape: tuple[int, ...]) -> SourceTensor:
    """`source` in another shape."""
    stored = flow.stored(source)
    seen = replace(source, name=f"{source.name}.flat", shape=shape, value=None)
    if isinstance(stored, Constant):
        flow.alias(seen, stored.reshape(shape))
        return seen
    seen = replace(seen, name=flow.fresh(source, source.dtype, shape))
    flow.move("reshape", [stored], seen, {"shape": shape})
    return seen
