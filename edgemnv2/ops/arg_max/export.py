"""Numbers of extremes in other engines' files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.export import OnnxWriter, TfliteWriter, no_form

__all__ = ["onnx", "tflite"]

TFLITE_TYPES = {"int32": 2, "int64": 4}
"""schema.fbs: TensorType."""


def onnx(layer: ArgMax, to: OnnxWriter) -> str:
    """ArgMax or ArgMin over the channels, which give int64."""
    kind = "ArgMin" if layer.smallest else "ArgMax"
    last = int(layer.last)
    x = to.real(layer.inputs[0])
    if to.graph.tensor_out(layer).dtype == "int64":
        return to.node(kind, [x], axis=1, keepdims=1, select_last_index=last)
    wide = f"{layer.name}.wide"
    to.node(kind, [x], wide, axis=1, keepdims=1, select_last_index=last)
    return to.cast(wide, to.graph.tensor_out(layer).dtype)


def tflite(layer: ArgMax, to: TfliteWriter) -> None:
    """ARG_MAX or ARG_MIN, which drop the channels: a RESHAPE brings them back."""
    out = to.graph.tensor_out(layer)
    if layer.last or out.dtype not in TFLITE_TYPES:
        raise no_form(to.graph, layer, "TFLite")
    kind, form = ("ARG_MIN", "ArgMinOptions") if layer.smallest else ("ARG_MAX", "ArgMaxOptions")
    axis = to.constant(f"{layer.name}.axis", np.array([3], np.int32))
    flat = to.whole_numbers(f"{layer.name}.flat", (1, out.height, out.width), out.dtype)
    inputs = [to.signed(layer.inputs[0]), axis]
    to.operator(kind, inputs, flat, form, OutputType=TFLITE_TYPES[out.dtype])
    shape = to.constant(f"{layer.name}.shape", np.array([1, *out.shape], np.int32))
    to.operator("RESHAPE", [flat, shape], to.stored(layer.output))
