"""The mean over the map in other engines' files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.export import NcnnWriter, OnnxWriter, TfliteWriter
from edgemnv2.ops.pool.layer import GlobalAveragePool

__all__ = ["ncnn", "onnx", "tflite"]


def onnx(layer: GlobalAveragePool, to: OnnxWriter) -> str:
    """GlobalAveragePool."""
    return to.node("GlobalAveragePool", [to.real(layer.inputs[0])])


def tflite(layer: GlobalAveragePool, to: TfliteWriter) -> None:
    """MEAN over height and width."""
    axes = to.constant(f"{layer.name}.axes", np.array([1, 2], np.int32))
    inputs = [to.signed(layer.inputs[0]), axes]
    to.operator("MEAN", inputs, to.result(layer.output), "ReducerOptions", KeepDims=True)


def ncnn(layer: GlobalAveragePool, to: NcnnWriter) -> None:
    """Pooling, behind which there are vectors."""
    to.vectors.add(layer.output)
    to.line("Pooling", layer, "0=1 4=1")
