"""Shapes that a TFLite file does not know, from the operators that make them.

A converter that leaves the batch open writes -1 into signatures, and 1 into the shapes beside them;
where the batch is a factor of an extent (9 pixels as 9 rows of a matrix), that 1 is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from edgemnv2.ops.source import SourceNode, SourceTensor

__all__ = ["settle"]

Shape = tuple[int, ...]
# What keeps the shape of the first operand, or spreads two.
ELEMENTWISE = (
    "ABS", "ADD", "CAST", "DEQUANTIZE", "DIV", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU",
    "LOG", "LOGISTIC", "LOG_SOFTMAX", "L2_NORMALIZATION", "MAXIMUM", "MINIMUM", "MUL", "NEG",
    "PRELU", "QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RSQRT", "SOFTMAX", "SQRT",
    "SQUARE", "SUB", "TANH",
)  # fmt: skip


def settle(node: SourceNode, signatures: Mapping[str, Shape]) -> SourceNode:
    """The node, its only output of the shape that its operands give where the file leaves it open.

    Its inputs are settled already.
    """
    if len(node.outputs) != 1 or min(signatures.get(node.output.name, ()), default=0) >= 0:
        return node
    shape = _shape(node)
    if shape is None or shape == node.output.shape:
        return node
    return replace(node, outputs=(replace(node.output, shape=shape),))


def _shape(node: SourceNode) -> Shape | None:
    sources = [x for x in node.inputs if x is not None]
    if not sources:
        return None
    if node.operator in ELEMENTWISE:
        return tuple(int(e) for e in np.broadcast_shapes(*(x.shape for x in sources)))
    if node.operator == "RESHAPE":
        return _reshaped(node, sources)
    if node.operator == "FULLY_CONNECTED" and len(sources) > 1 and sources[1].shape:
        outer, inner = sources[1].shape[0], sources[1].shape[-1]
        x = sources[0].shape
        if node.get("keep_num_dims", False):
            return (*x[:-1], outer)
        return prod(x) // max(inner, 1), outer
    return None


def _reshaped(node: SourceNode, sources: list[SourceTensor]) -> Shape | None:
    wanted = [int(x) for x in node.get("new_shape", ())]
    if len(sources) > 1:
        value = sources[1].value
        if value is None:
            return None
        wanted = [int(x) for x in value.reshape(-1)]
    total = prod(sources[0].shape)
    known = prod(x for x in wanted if x >= 0)
    if wanted.count(-1) == 1 and known and total % known == 0:
        wanted[wanted.index(-1)] = total // known
    return tuple(wanted) if prod(wanted) == total and min(wanted, default=1) >= 0 else None
