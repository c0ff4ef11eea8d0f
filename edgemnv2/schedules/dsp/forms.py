"""In which forms the constants of a kernel can lie: the faster, the more flash.

Instructions are estimates, of what a form takes more than the kernel's own, by what the
micro-kernels of the M4 have: only their order matters.
"""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.dsp.depthwise import short_depthwise
from edgemnv2.schedules.dsp.matmul import BYTES, HALVES, QUADS, MatMul, matmul_of
from edgemnv2.schedules.dsp.rows import pixel_tiles
from edgemnv2.schedules.dsp.short import SHORT
from edgemnv2.schedules.family import Form

__all__ = ["forms"]

_SHORT_TILE, _SHORT_COMMON, _SHORT_QUAD = 8, 4, 3
"""More for two channels of a tile, with a shift in the code, for one channel of a pixel."""
_SHORT_ROW, _SHORT_WINDOW = 18, 24
"""More for a channel's row, for a channel's window of a tile."""
_BYTES_GROUP, _SPLIT, _COMMON_SHIFT = 2, 2, 2
"""More for four input channels; for a pixel of two channels, where HALVES had a common shift."""


def forms(graph: Graph, layer: Layer, kernel: RowKernel) -> tuple[Form, ...]:
    """Those of `kernel`, which makes `layer`, from its own to the smallest."""
    found = [Form({}, 0)]
    tiles = graph.tensor_out(layer).height * sum(
        count for _, _, count in pixel_tiles(graph.tensor_out(layer).width)
    )
    if isinstance(layer, DepthwiseConv2D):
        if short_depthwise(graph, layer) is not None and graph.tensor_out(layer).width > 1:
            rows = graph.tensor_out(layer).height * layer.weight.shape[2]
            found.append(Form({"records": SHORT}, _SHORT_ROW * rows))
        return tuple(found)
    product = matmul_of(graph, layer) if isinstance(layer, Conv2D) else None
    if product is None or "weights" not in kernel.decisions:
        return tuple(found)
    kind = str(kernel.decisions["weights"])
    pairs = -(-graph.tensor_out(layer).channels // 2) * tiles
    if product.short(kind) is not None:
        found.append(Form({"records": SHORT}, _short_cost(product, kind, pairs)))
    if kernel.fuses:
        inner = next(each for each in graph.layers if each.name in kernel.fuses)
        assert isinstance(inner, DepthwiseConv2D)
        if short_depthwise(graph, inner) is not None:
            windows = _SHORT_WINDOW * tiles * inner.weight.shape[2]
            last = found[-1]
            both = {**last.decisions, "window_records": SHORT}
            found.append(Form(both, last.instructions + windows))
    elif kind == HALVES and BYTES in product.kinds:
        cost = pairs * (_BYTES_GROUP * product.groups + 4 * _SPLIT)
        cost += pairs * 4 * _COMMON_SHIFT * product.has_common_shift(HALVES)
        decisions: dict[str, Any] = {"weights": BYTES}
        if product.short(BYTES) is not None:
            decisions["records"] = SHORT
            cost += _short_cost(product, BYTES, pairs)
        found.append(Form(decisions, cost))
    return tuple(found)


def _short_cost(product: MatMul, kind: str, pairs: int) -> int:
    if kind == QUADS:
        # One pixel at a time: as many outputs as there are pairs of two by four.
        return 8 * pairs * _SHORT_QUAD
    return pairs * (_SHORT_COMMON if product.has_common_shift(kind) else _SHORT_TILE)
