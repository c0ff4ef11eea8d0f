"""The tensors that a network exchanges with the user, and how integers stand for real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["QuantParams", "SourceFormat", "TensorSpec"]

SourceFormat = Literal["onnx", "tflite"]


@dataclass(frozen=True)
class QuantParams:
    """Affine quantisation of one tensor: `real = scale * (stored - zero_point)`.

    `scale` holds a float32 value (as model files store it) in a Python float, exactly.
    """

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorSpec:
    """One input or output as the *source file* has it; `.npz` files use this name and layout.

    `layout` is "NHWC", "NCHW" or "NC"; the compiled C interface always takes NHWC.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    quant: QuantParams | None = None
