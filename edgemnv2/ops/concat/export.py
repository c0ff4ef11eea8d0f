"""Concatenations in other engines' files."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.concat.layer import AXES as LAYER_AXES
from edgemnv2.ops.concat.layer import Concat
from edgemnv2.ops.export import OnnxWriter, TfliteWriter, from_rows, reshaped, rows_of

__all__ = ["onnx", "tflite"]


AXES = {"channels": 1, "height": 2, "width": 3}


def onnx(layer: Concat, to: OnnxWriter) -> str:
    """Concat; of maps of several sizes, as their elements lie, one behind the other."""
    axis = AXES[layer.axis]
    ends = [to.graph.tensors[name] for name in (*layer.inputs, layer.output)]
    shapes = [[x.channels, x.height, x.width] for x in ends]
    if len({tuple(shape[: axis - 1] + shape[axis:]) for shape in shapes}) == 1:
        return to.node("Concat", [to.real(name) for name in layer.inputs], axis=axis)
    flat = []
    for index, name in enumerate(layer.inputs):
        rows = rows_of(to, to.real(name), ends[index], f"{layer.name}.rows{index}")
        flat.append(reshaped(to, rows, (1, -1), f"{layer.name}.flat{index}"))
    joined = to.node("Concat", flat, f"{layer.name}.joined", axis=1)
    return from_rows(to, joined, ends[-1], layer)


def tflite(layer: Concat, to: TfliteWriter) -> None:
    """CONCATENATION; along the height, of maps whose rows are made those of the output."""
    out = to.graph.tensor_out(layer)
    operands = []
    for index, name in enumerate(layer.inputs):
        tensor = to.graph.tensors[name]
        if layer.axis == "height" and tensor.shape[1:] != out.shape[1:]:
            height = prod(tensor.shape) // prod(out.shape[1:])
            shape = (1, height, *out.shape[1:])
            operands.append(to.reshaped(name, shape, f"{layer.name}.rows{index}"))
        else:
            operands.append(to.signed(name))
    axis = 1 + LAYER_AXES.index(layer.axis)
    to.operator(
        "CONCATENATION", operands, to.result(layer.output), "ConcatenationOptions", Axis=axis
    )
