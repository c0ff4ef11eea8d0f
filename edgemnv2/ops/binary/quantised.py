"""Which operations of two operands the quantiser leaves in floats."""

from __future__ import annotations

from edgemnv2.ops.binary.layer import Binary

__all__ = ["stays_float"]


def stays_float(layer: Binary) -> str | None:
    """The reason; None of sums, differences and products, and of what Mul and Clip say."""
    constant = layer.constant
    if layer.function == "divide" and (constant is None or layer.constant_first):
        return "a quotient of two maps has no integer form"
    if layer.function in ("minimum", "maximum") and (constant is None or constant.size > 1):
        return "ONNX compares no integers of two scales"
    if layer.function == "squared_difference":
        return "ONNX has no square of a difference in one operator"
    return None
