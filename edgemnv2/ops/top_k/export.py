"""The largest values in other engines' files."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.top_k.layer import TopK

__all__ = ["onnx"]


def onnx(layer: TopK, to: OnnxWriter) -> str:
    """TopK over the channels: its values, or the int64 numbers of their channels."""
    out = to.graph.tensor_out(layer)
    count = to.constant(f"{layer.name}.count", np.array([out.channels], np.int64))
    inputs = [to.real(layer.inputs[0]), count]
    ways: dict[str, Any] = {"axis": 1, "largest": int(not layer.smallest)}
    if not layer.numbers:
        return to.node("TopK", inputs, after=[f"{layer.name}.places"], **ways)
    values = [f"{layer.name}.values"]
    if out.dtype == "int64":
        return to.node("TopK", inputs, before=values, **ways)
    wide = to.node("TopK", inputs, f"{layer.name}.wide", before=values, **ways)
    return to.cast(wide, out.dtype)
