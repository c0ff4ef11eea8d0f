"""Constants among what is put behind one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceTensor

__all__ = ["concatenate"]


def concatenate(
    flow: FlowBuilder, operands: Sequence[str | Constant], output: SourceTensor, axis: int
) -> None:
    """`output` of what is stored; a constant of one value is a padding."""
    if not output.is_quantized:
        operands = [x.decoded() if isinstance(x, Constant) else x for x in operands]
    constants = [x for x in operands if isinstance(x, Constant)]
    if not constants or len(constants) == len(operands):
        flow.move("concat", operands, output, {"axis": axis})
        return
    values = np.unique(np.concatenate([x.values.reshape(-1) for x in constants]))
    if values.size != 1:
        raise Refusal(
            "constant operands of several values",
            "add them to the image in front of the network",
            "Constants are of one value",
        )
    padded = _padded(flow, operands, output, axis, float(values[0]))
    if len(padded) == 1:
        flow.alias(output, padded[0])
    else:
        flow.move("concat", padded, output, {"axis": axis})


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
