"""What must hold of pooling with a window."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_factor
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.window_pool.layer import AveragePool, Window

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Window)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    top, left, bottom, right = layer.padding
    rows, columns = layer.span
    height = (x.height + top + bottom - rows) // layer.stride[0] + 1
    width = (x.width + left + right - columns) // layer.stride[1] + 1
    expect(min(layer.padding) >= 0, layer, "negative padding")
    expect((height, width, x.channels) == y.shape, layer, f"output {y.shape} of another shape")
    if isinstance(layer, AveragePool) and layer.requantize is not None:
        expect_factor(layer, layer.requantize, layer.kernel[0] * layer.kernel[1], 2**29)
    else:
        expect(x.dtype == y.dtype, layer, "another type")
