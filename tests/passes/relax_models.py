"""Small Relax modules for the tests of passes, built operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import relax

from edgemnv2.frontend.relax import read_relax
from edgemnv2.model import TensorSpec
from edgemnv2.ops.model import Model


def model(
    body: Callable[[Any, Any], Any],
    shape: tuple[int, ...],
    *,
    dtype: str = "float32",
    layout: str = "NHWC",
    source: str = "m.onnx",
) -> Model:
    """`body(emit, x)` as a `Model` of one input and one output."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType(shape, dtype))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(body(builder.emit, x))
        builder.emit_func_output(result)
    out = tuple(int(extent) for extent in result.ty.shape)
    return Model(
        "m",
        read_relax(builder.get(), ("x",), source),
        (TensorSpec("x", shape, dtype, layout),),
        (TensorSpec("y", out, str(result.ty.dtype), "NHWC" if len(out) == 4 else "NC"),),
        source,
        "0" * 64,
        "onnx" if source.endswith(".onnx") else "tflite",
    )


def conv(x: Any, weight: Any, **attrs: Any) -> Any:
    """NHWC convolution with an HWIO weight."""
    return relax.op.nn.conv2d(x, weight, data_layout="NHWC", kernel_layout="HWIO", **attrs)


def quantize(x: Any, scale: float, zero: int, dtype: str = "int8") -> Any:
    return relax.op.quantize(
        x, relax.const(scale, "float32"), relax.const(zero, "int32"), out_dtype=dtype
    )


def dequantize(x: Any, scale: float, zero: int) -> Any:
    return relax.op.dequantize(x, relax.const(scale, "float32"), relax.const(zero, "int32"))
