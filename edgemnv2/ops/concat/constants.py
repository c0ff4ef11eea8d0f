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
    constants = [x for x in operands if isinstance(x, Constant)]
    if not constants or len(constants) == len(operands):
        flow.move("concat", operands, output, {"axis": axis})
        return
    if len(constants) == len(operands) - 1:
        values = np.unique(np.concatenate([x.values.reshape(-1) for x in constants]))
        if values.size == 1:
            _pad(flow, operands, output, axis, float(values[0]))
            return
    raise Refusal(
        "a constant operand of several values",
        "add it to the image in front of the network",
        "Constants are of one value, and beside one operand that is computed",
    )


def _pad(
    flow: FlowBuilder,
    operands: Sequence[str | Constant],
    output: SourceTensor,
    axis: int,
    value: float,
) -> None:
    place = next(i for i, x in enumerate(operands) if isinstance(x, str))
    sizes = [x.values.shape[axis] if isinstance(x, Constant) else 0 for x in operands]
    pairs = [(0, 0)] * len(output.shape)
    pairs[axis] = (sum(sizes[:place]), sum(sizes[place:]))
    attrs = {"pairs": tuple(pairs), "value": value, "mode": "constant"}
    flow.move("pad", [operands[place]], output, attrs)
