"""The residual sum in other engines' files."""

from __future__ import annotations

from edgemnv2.errors import UsageError
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.export import NcnnWriter, OnnxWriter, TfliteWriter

__all__ = ["ncnn", "onnx", "tflite"]


def onnx(layer: Add, to: OnnxWriter) -> str:
    """Add."""
    return to.node("Add", [to.real(name) for name in layer.inputs])


def tflite(layer: Add, to: TfliteWriter) -> None:
    """ADD."""
    fused = to.activation(to.graph.tensor_out(layer), layer)
    inputs = [to.signed(name) for name in layer.inputs]
    output = to.result(layer.output)
    to.operator("ADD", inputs, output, "AddOptions", FusedActivationFunction=fused)


def ncnn(layer: Add, to: NcnnWriter) -> None:
    """BinaryOp, which has no activation."""
    if to.activation(layer) != "none":
        raise UsageError(f"{layer.name}: ncnn's addition has no clamp")
    to.line("BinaryOp", layer, "0=0")
