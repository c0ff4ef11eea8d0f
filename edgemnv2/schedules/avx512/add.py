"""The int8 residual addition on AVX-512, for layers that have a linear form; also in place."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx512.requantize import narrow_blocks
from edgemnv2.schedules.elementwise import elementwise
from edgemnv2.schedules.linear_add import linear_add
from edgemnv2.tir.builder import Builder, cast, shuffle, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["add_kernel"]

Expr = Any


def add_kernel(graph: Graph, layer: Add) -> RowKernel | None:
    """The kernel for one row, or None for other dtypes, short rows and sums that are not linear."""
    out = graph.tensor_out(layer)
    elements = out.width * out.channels
    form = linear_add(graph, layer) if elements >= 64 else None
    if form is None:
        return None
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    description = {
        "elements": elements,
        "form": form,
        "clamp": (low, high),
        "avx512": True,
        **form.facts,
    }
    # No `noalias`: the output may be an operand.
    k = Builder(symbol_name("add_int8", description), noalias=False)
    sources = [k.pointer(name, "int8") for name in ("a", "b")]
    output = k.pointer("out", "int8")

    def add(vectors: list[Expr], lanes: int) -> Expr:
        blocks = []
        for begin in range(0, lanes, 16):
            a, b = (cast(shuffle([v], range(begin, begin + 16)), "int32x16") for v in vectors)
            blocks.append(form.emit(k, a, b, 16))
        value = narrow_blocks(k, blocks, 16, low, high)
        return shuffle([value], range(16)) if lanes == 16 else value

    elementwise(k, sources, output, "int8", elements, (64, 16), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))
