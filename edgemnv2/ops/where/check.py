"""What must hold of a choice."""

from __future__ import annotations

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.where.layer import Where

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Where)
    out, given = graph.tensor_out(layer), list(layer.inputs)
    count = sum(x is None for x in layer.constants)
    expect(0 < count == len(given), layer, f"{len(given)} activations")
    if layer.condition is None:
        tensor = graph.tensors[given.pop(0)]
        expect(tensor.dtype in ("int8", "uint8"), layer, f"a condition of type {tensor.dtype}")
        expect(tensor.shape == out.shape, layer, "a condition of another shape")
    for name in given:
        tensor = graph.tensors[name]
        same = (tensor.shape, tensor.dtype) == (out.shape, out.dtype)
        expect(same, layer, f"an operand of {tensor.dtype} {tensor.shape}")
    for constant in layer.constants:
        fits = constant is None or constant.shape in ((1,), out.shape)
        expect(fits, layer, "a constant of another shape")
