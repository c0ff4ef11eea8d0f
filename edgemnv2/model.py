"""The tensors that a network exchanges with the user, and how integers stand for real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "DYNAMIC_RANGE",
    "FLOAT16",
    "FLOAT64",
    "LITERT_SUM",
    "Note",
    "QuantParams",
    "SourceFormat",
    "TensorSpec",
    "layout_of",
]

SourceFormat = Literal["onnx", "tflite"]

DYNAMIC_RANGE, FLOAT16, FLOAT64 = "dynamic range", "float16", "float64"
LITERT_SUM = "sum of int8"
"""Kinds of notes."""


@dataclass(frozen=True)
class Note:
    """What is computed otherwise than the framework of the file computes it, on purpose.

    `kind` is for programs, `text` for the user.
    """

    kind: str
    text: str


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

    `layout` is "NHWC" or "NCHW" for four dimensions, "NC" for two, "plain" for any other number;
    the compiled C interface always takes NHWC. A first dimension of 1 is the batch.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    quant: QuantParams | None = None

    @property
    def has_batch(self) -> bool:
        """Whether the first dimension is the batch; else several samples get one in front."""
        return self.shape[:1] == (1,)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape without the batch."""
        return self.shape[1:] if self.has_batch else self.shape


def layout_of(shape: tuple[int, ...], image: str) -> str:
    """What `TensorSpec.layout` says of `shape`; four dimensions are an image in layout `image`."""
    return {4: image, 2: "NC"}.get(len(shape), "plain")
