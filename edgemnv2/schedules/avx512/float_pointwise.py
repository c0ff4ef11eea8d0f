"""Tiles of float32 1x1 convolution on AVX-512; the code is AVX2's with wider vectors."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.schedules.avx2.pointwise import (
    POINTWISE,
    default_pointwise,
    pointwise_space,
)
from edgemnv2.schedules.family import LayerKind

__all__ = ["FLOAT_POINTWISE"]


def float_pointwise_space(graph: Graph, layer: Conv2D) -> dict[str, tuple[Any, ...]]:
    """As AVX2's, with larger tiles for the 32 registers, and `lanes` of a vector."""
    ranges = pointwise_space(graph, layer)
    out = graph.tensor_out(layer)
    if out.width * out.height > 1:
        ranges |= {"mr": (3, 4, 5, 6, 8, 12, 14), "nr": (8, 16, 24, 32, 48)}
    return ranges | {"lanes": (8, 16)}


def default_float_pointwise(graph: Graph, layer: Conv2D) -> dict[str, Any]:
    """As was fastest on the paper's shapes; vectors of 16 wherever they divide the channels."""
    decisions = default_pointwise(graph, layer)
    out = graph.tensor_out(layer)
    if out.width * out.height == 1 or out.channels % 16 or out.channels < 16:
        return decisions | {"lanes": 8}
    if out.channels % 32 == 0:
        return decisions | {"mr": 12 if out.width >= 12 else 8, "nr": 32, "lanes": 16}
    if out.channels % 48 == 0:
        return decisions | {"mr": 8, "nr": 48, "lanes": 16}
    return decisions | {"mr": 14, "nr": 16, "lanes": 16}


FLOAT_POINTWISE = LayerKind(
    POINTWISE.kernel, float_pointwise_space, default_float_pointwise, whole_maps=True
)
