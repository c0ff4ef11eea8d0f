"""The sigmoid in other engines' files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter, TfliteWriter, no_form
from edgemnv2.ops.sigmoid.layer import INT8_OUTPUT, Sigmoid

__all__ = ["onnx", "tflite"]


def onnx(layer: Sigmoid, to: OnnxWriter) -> str:
    """Sigmoid."""
    return to.node("Sigmoid", [to.real(layer.inputs[0])])


def tflite(layer: Sigmoid, to: TfliteWriter) -> None:
    """LOGISTIC; of integers it has one scale."""
    out = to.graph.tensor_out(layer)
    signed = out.dtype == "int8" and out.quant == INT8_OUTPUT
    if out.dtype != "float32" and not signed:
        raise no_form(to.graph, layer, "TFLite")
    to.operator("LOGISTIC", [to.signed(layer.inputs[0])], to.result(layer.output))
