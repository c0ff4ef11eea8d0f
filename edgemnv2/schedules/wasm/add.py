"""The residual addition in WebAssembly; in place over either operand if the caller wishes.

int8 in its linear form (`schedules/linear_add.py`), which nearly every layer has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.elementwise import elementwise
from edgemnv2.schedules.linear_add import linear_add
from edgemnv2.schedules.wasm.isa import Isa
from edgemnv2.tir.builder import Builder, cast, constant, intrinsic, shuffle, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["add_kernel"]

Expr = Any


def add_kernel(
    graph: Graph, layer: Add, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one row; None for other dtypes, short rows and sums without a linear form."""
    tensors = [graph.tensor_in(layer, 0), graph.tensor_in(layer, 1), graph.tensor_out(layer)]
    dtypes = {t.dtype for t in tensors}
    elements = tensors[2].width * tensors[2].channels
    if dtypes == {"int8"} and layer.rescale is not None and elements >= 16:
        return _int8(graph, layer, isa, elements)
    if dtypes == {"float32"} and layer.rescale is None and elements >= 4:
        return _float(layer, isa, elements)
    return None


def _float(layer: Add, isa: Isa, elements: int) -> RowKernel:
    description = {"elements": elements, "clamp": layer.clamp}
    # No `noalias`: the output may be an operand.
    k = Builder(symbol_name("add_float32", description), noalias=False)
    sources = [k.pointer(name, "float32") for name in ("a", "b")]
    out = k.pointer("out", "float32")

    def add(vectors: list[Expr], _: int) -> Expr:
        return isa.clamp(vectors[0] + vectors[1], layer.clamp)

    elementwise(k, sources, out, "float32", elements, (4,), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))


def _int8(graph: Graph, layer: Add, isa: Isa, elements: int) -> RowKernel | None:
    form = linear_add(graph, layer, signed=True)
    if form is None:
        return None
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    description = {
        "elements": elements,
        "form": form,
        "clamp": (low, high),
        **form.facts,
    }
    k = Builder(symbol_name("add_int8", description), noalias=False)
    sources = [k.pointer(name, "int8") for name in ("a", "b")]
    out = k.pointer("out", "int8")

    def add(vectors: list[Expr], _: int) -> Expr:
        quarters = []
        for start in range(0, 16, 4):
            lanes = range(start, start + 4)
            a, b = (k.let(cast(shuffle([v], lanes), "int32x4")) for v in vectors)
            quarters.append(form.emit(k, a, b, 4))
        halves = [k.let(isa.words(*quarters[i : i + 2])) for i in (0, 2)]
        value = isa.bytes(*halves)
        if low > -128:
            value = intrinsic("llvm.smax.v16i8", "int8x16", value, constant(low, "int8", 16))
        if high < 127:
            value = intrinsic("llvm.smin.v16i8", "int8x16", value, constant(high, "int8", 16))
        return value

    elementwise(k, sources, out, "int8", elements, (16,), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))
