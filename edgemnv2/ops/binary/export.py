"""Operations of two operands in ONNX files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.binary.layer import Binary
from edgemnv2.ops.export import OnnxWriter, no_form

__all__ = ["onnx"]


Array = NDArray[Any]
KINDS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "minimum": "Min",
    "maximum": "Max",
}


def onnx(layer: Binary, to: OnnxWriter) -> str:
    """Add, Sub, Mul, Div, Min, Max; by a constant Mul and Clip, where these say it."""
    if layer.function not in KINDS:
        raise no_form(to.graph, layer, "ONNX")
    function, kind = layer.function, KINDS[layer.function]
    x, constant = to.real(layer.inputs[0]), layer.constant
    if constant is None:
        other = x if layer.inputs[1] == layer.inputs[0] else to.real(layer.inputs[1])
        return to.node(kind, [x, other])
    if to.graph.tensor_out(layer).dtype not in ("float32",) and layer.rescale is not None:
        raise no_form(to.graph, layer, "ONNX")
    if function in ("minimum", "maximum") and constant.size == 1:
        end = to.constant(f"{layer.name}.end", constant.reshape(()).astype(np.float32))
        return to.node("Clip", [x, "", end] if function == "minimum" else [x, end])
    if function == "divide" and not layer.constant_first:
        function, kind, constant = "multiply", "Mul", (1 / constant.astype(np.float64))
    values = _spread(constant.astype(np.float32))
    name = f"{layer.name}.constant"
    if function in ("add", "subtract", "multiply"):
        name = to.operand(name, values)
    else:
        name = to.constant(name, values)
    return to.node(kind, [name, x] if layer.constant_first else [x, name])


def _spread(constant: Array) -> Array:
    """`[1]`, `[C]` or `[H, W, C]` against `[1, C, H, W]`."""
    if constant.ndim == 3:
        return constant.transpose(2, 0, 1)[np.newaxis]
    return constant.reshape(()) if constant.size == 1 else constant.reshape(1, -1, 1, 1)
