"""Choices in ONNX files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.where.layer import Where

__all__ = ["onnx"]

_BOOL = 9
"""onnx.proto: TensorProto.BOOL."""


def onnx(layer: Where, to: OnnxWriter) -> str:
    """Where, of a condition that is cast to bool."""
    places = iter(layer.inputs)
    operands = []
    for name, constant in zip(("condition", "when", "otherwise"), layer.constants, strict=True):
        if constant is None:
            operands.append(to.real(next(places)))
        else:
            operands.append(to.constant(f"{layer.name}.{name}", _spread(constant)))
    operands[0] = to.node("Cast", operands[:1], f"{layer.name}.chosen", to=_BOOL)
    return to.node("Where", operands)


def _spread(constant: NDArray[Any]) -> NDArray[np.float32]:
    """`[1]` or `[H, W, C]` against `[1, C, H, W]`."""
    values = constant.astype(np.float32)
    return values.transpose(2, 0, 1)[np.newaxis] if values.ndim == 3 else values.reshape(())
