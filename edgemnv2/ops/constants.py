"""Operators on constants alone, evaluated when a file is read.

A dequantised weight stays a quantised one (integers, scale, zero point); reshapes and transposes of
weights move onto those integers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgemnv2.errors import ModelError
from edgemnv2.ops.flow import Array, Constant, Node

__all__ = ["evaluate"]


def _divide(a: Array, b: Array) -> Array:
    """Of integers, shapes for instance, towards zero as both formats divide them."""
    quotient = np.true_divide(a, b)
    if np.issubdtype(a.dtype, np.integer) and np.issubdtype(b.dtype, np.integer):
        return np.trunc(quotient).astype(a.dtype)
    return np.asarray(quotient)


ARITHMETIC: dict[str, Callable[..., Array]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": _divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "square": np.square,
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "abs": np.abs,
    "sign": np.sign,
    "matmul": np.matmul,
    "isnan": np.isnan,
    "where": np.where,
    "sqrt": np.sqrt,
    "negative": np.negative,
    "atan": np.arctan,
    "ceil": np.ceil,
    "cos": np.cos,
    "floor": np.floor,
    "round": np.rint,
    "sin": np.sin,
}


def evaluate(node: Node, source: str) -> Constant | None:
    """What `node` makes; None for an operator that is not among those of weights and sizes."""
    first = node.constant(0)
    if node.op == "dequantize":
        return _dequantize(node, source)
    if node.op == "quantize":
        return _quantize(node)
    if node.op == "reshape":
        return first.reshape(node.attrs["shape"])
    if node.op == "permute":
        return first.transpose(node.attrs["axes"])
    values = [node.constant(i).real() for i in range(len(node.inputs))]
    if node.op == "concat":
        return Constant(np.concatenate(values, node.attrs["axis"]))
    if node.op == "select":
        taken = first
        for axis, indices in enumerate(node.attrs["indices"]):
            taken = taken.take(list(indices), axis)
        return taken
    if node.op == "clip":
        return Constant(np.clip(values[0], *node.attrs["clamp"]).astype(values[0].dtype))
    if node.op == "astype":
        return Constant(values[0].astype(node.attrs["dtype"]))
    if node.op in ARITHMETIC:
        return Constant(np.asarray(ARITHMETIC[node.op](*values)))
    return None


def _dequantize(node: Node, source: str) -> Constant:
    values, scale, zero_point = (node.constant(i).values for i in range(3))
    # A scale of 0 is a dead channel.
    if not np.all(np.isfinite(scale) & (scale >= 0)):
        raise ModelError(
            f"{source}: a quantised weight of shape {list(values.shape)} has a scale that is "
            "negative or no number (must be 0 or above); quantise the model again"
        )
    return Constant(values, scale.astype(np.float32), zero_point, node.attrs["axis"])


def _quantize(node: Node) -> Constant:
    """Weights kept as floats in front of a quantise node (quantisation-aware training)."""
    values = node.constant(0).real()
    scale, zero_point = (node.constant(i).values for i in (1, 2))
    limits = np.iinfo(node.attrs["dtype"])
    frame = Constant(values, scale, zero_point, node.attrs["axis"])
    ratio = values / frame.along_axis(scale)
    stored = np.rint(ratio) + frame.along_axis(zero_point.astype(np.int32))
    return Constant(np.clip(stored, limits.min, limits.max).astype(node.attrs["dtype"]))
