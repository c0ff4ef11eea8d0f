"""The imported network: one Relax function and the tensors it exchanges with the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tvm

__all__ = ["Model", "QuantParams", "SourceFormat", "TensorSpec"]

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


@dataclass(frozen=True)
class Model:
    """A network as imported: Relax, in the source file's own layout and arithmetic.

    `module["main"]` takes the inputs only; weights are Relax constants. Quantised files come as
    quantize / dequantize pairs around float operators (QDQ), whatever their source format.
    """

    name: str
    module: tvm.IRModule
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    source: str
    """File name without folder, or the built-in name."""
    sha256: str
    """Of the source file, or of the built-in name and its seed."""
    format: SourceFormat
    """Whose integer arithmetic the network's own is: the seeded built-in networks have TFLite's."""
