"""Index lists of slices, as both formats count them."""

from __future__ import annotations

from collections.abc import Sequence

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceTensor

__all__ = ["select", "strided"]


def strided(extent: int, begin: int | None, end: int | None, step: int) -> list[int]:
    """`range(extent)[begin:end:step]`."""
    return list(range(extent))[begin:end:step]


def select(
    flow: FlowBuilder, source: SourceTensor, output: SourceTensor, indices: Sequence[list[int]]
) -> None:
    """`output` is `source` at `indices`, one list per axis; constants are evaluated."""
    if any(not taken for taken in indices):
        raise Refusal("a slice of nothing", "export the model again", "Slices hold something")
    stored = flow.stored(source)
    if isinstance(stored, Constant):
        for axis, taken in enumerate(indices):
            stored = stored.take(taken, axis)
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
