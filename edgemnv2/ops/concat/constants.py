"""Constants among what is put behind one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, SourceTensor
from edgemnv2.ops.where.choice import add_where

__all__ = ["concatenate"]


def concatenate(
    flow: FlowBuilder, operands: Sequence[str | Constant], output: SourceTensor, axis: int
) -> None:
    """`output` of what is stored.

    Constants are a padding: of the value that they have, or of zeros, for which they are put in.
    """
    if not output.is_quantized:
        operands = [x.decoded() if isinstance(x, Constant) else x for x in operands]
    constants = [x for x in operands if isinstance(x, Constant)]
    if not constants or len(constants) == len(operands):
        flow.move("concat", operands, output, {"axis": axis})
        return
    values = np.unique(np.concatenate([x.values.reshape(-1) for x in constants]))
    several = values.size > 1
    joined = replace(output, name=f"{output.name}.padded", value=None) if several else output
    padded = _padded(flow, operands, joined, axis, 0.0 if several else float(values[0]))
    if len(padded) == 1:
        flow.alias(joined, padded[0])
    else:
        flow.move("concat", padded, joined, {"axis": axis})
    if several:
        computed, whole = _spread(flow, operands, output.shape, axis)
        add_where(flow, computed, flow.stored(joined), whole, output)


def _spread(
    flow: FlowBuilder, operands: Sequence[str | Constant], shape: tuple[int, ...], axis: int
) -> tuple[Constant, Constant]:
    """Where of `shape` something computed is, and all constants at their places."""
    types = [x.values.dtype for x in operands if isinstance(x, Constant)]
    here, whole = np.zeros(shape, bool), np.zeros(shape, types[0])
    done = 0
    for operand in operands:
        known = operand.values if isinstance(operand, Constant) else None
        extent = known.shape[axis] if known is not None else flow.shapes[str(operand)][axis]
        place = (*[slice(None)] * axis, slice(done, done + extent))
        if known is None:
            here[place] = True
        else:
            whole[place] = known
        done += extent
    return Constant(here), Constant(whole)


def _padded(
    flow: FlowBuilder,
    operands: Sequence[str | Constant],
    output: SourceTensor,
    axis: int,
    value: float,
) -> list[str]:
    """The computed operands, each padded by constants behind it, the first by those in front."""
    found: list[str] = []
    sizes: list[list[int]] = []
    front = 0
    for operand in operands:
        if isinstance(operand, str):
            found.append(operand)
            sizes.append([0 if sizes else front, 0])
        elif found:
            sizes[-1][1] += operand.values.shape[axis]
        else:
            front += operand.values.shape[axis]
    padded = []
    for x, (before, behind) in zip(found, sizes, strict=True):
        shape, pairs = list(flow.shapes[x]), [(0, 0)] * len(output.shape)
        shape[axis] += before + behind
        pairs[axis] = (before, behind)
        attrs = {"pairs": tuple(pairs), "value": value, "mode": "constant"}
        name = flow.fresh(output, output.dtype, shape)
        if output.quant is not None:
            flow.quants[name] = output.quant
        padded.append(flow.add("pad", [x], name, attrs) if before + behind else x)
    return padded
