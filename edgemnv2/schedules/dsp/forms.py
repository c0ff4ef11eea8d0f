"""In which forms the constants of a kernel can lie: the faster, the more flash.

Instructions are estimates, of what a form takes more than the kernel's own, by what the
micro-kernels of the M4 have: only their order matters.
"""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.dsp.depthwise import short_depthwise
from edgemnv2.schedules.dsp.matmul import BYTES, HALVES, QUADS, MatMul, matmul_of
from edgemnv2.schedules.dsp.rows import pixel_tiles
from edgemnv2.schedules.dsp.short import SHORT
from edgemnv2.schedules.family import Form

__all__ = ["convolution_forms", "depthwise_forms"]

_SHORT_TILE, _SHORT_COMMON, _SHORT_QUAD = 8, 4, 3
"""More for two channels of a tile, with a shift in the code, for one channel of a pixel."""
_SHORT_ROW, _SHORT_WINDOW = 18, 24
"""More for a channel's row, for a channel's window of a tile."""
_BYTES_GROUP, _SPLIT, _COMMON_SHIFT = 2, 2, 2
"""More for four input channels; for a pixel of two channels, where HALVES had a common shift."""


def depthwise_forms(graph: Graph, layer: DepthwiseConv2D, kernel: RowKernel) -> tuple[Form, ...]:
    """Those of a depthwise kernel of its own, from the one that it has to the smallest."""
    out = graph.tensor_out(layer)
    if short_depthwise(graph, layer) is None or out.width == 1:
        return (Form({}, 0),)
    return Form({}, 0), Form({"records": SHORT}, _SHORT_ROW * out.height * out.channels)


def convolution_forms(graph: Graph, layer: Conv2D, kernel: RowKernel) -> tuple[Form, ...]:
    """Those of a dense kernel, which a depthwise layer may be part of."""
    found = [Form({}, 0)]
    product, out = matmul_of(graph, layer), graph.tensor_out(layer)
    if product is None or "weights" not in kernel.decisions:
        return tuple(found)
    tiles = out.height * sum(count for _, _, count in pixel_tiles(out.width))
    pairs = -(-out.channels // 2) * tiles
    kind = str(kernel.decisions["weights"])
    if product.short(kind) is not None:
        found.append(Form({"records": SHORT}, _short_cost(product, kind, pairs)))
    if kernel.fuses:
        found += _window_forms(graph, kernel, found[-1], tiles)
    elif kind == HALVES and BYTES in product.kinds:
        cost = pairs * (_BYTES_GROUP * product.groups + 4 * _SPLIT)
        cost += pairs * 4 * _COMMON_SHIFT * product.has_common_shift(HALVES)
        decisions: dict[str, Any] = {"weights": BYTES}
        if product.short(BYTES) is not None:
            decisions["records"] = SHORT
            cost += _short_cost(product, BYTES, pairs)
        found.append(Form(decisions, cost))
    return tuple(found)


def _window_forms(graph: Graph, kernel: RowKernel, last: Form, tiles: int) -> list[Form]:
    (inner,) = (layer for layer in graph.layers if layer.name in kernel.fuses)
    assert isinstance(inner, DepthwiseConv2D)
    if short_depthwise(graph, inner) is None:
        return []
    windows = _SHORT_WINDOW * tiles * graph.tensor_out(inner).channels
    return [Form({**last.decisions, "window_records": SHORT}, last.instructions + windows)]


def _short_cost(product: MatMul, kind: str, pairs: int) -> int:
    if kind == QUADS:
        # One pixel at a time: as many outputs as there are pairs of two by four.
        return 8 * pairs * _SHORT_QUAD
    return pairs * (_SHORT_COMMON if product.has_common_shift(kind) else _SHORT_TILE)
