"""Numbers of extremes in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.export import OnnxWriter

__all__ = ["onnx"]


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
