"""The residual addition on NEON; in place over either operand if the caller wishes.

int8 is TFLite's ADD: both operands, zero points taken off, shifted left by 20, rescaled, added,
rescaled again. ONNX's is one linear form, rounded once.
"""

from __future__ import annotations

from typing import Any

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.elementwise import elementwise
from edgemnv2.schedules.linear_add import LinearAdd, linear_add
from edgemnv2.schedules.neon.isa import LANES, Isa, high, low
from edgemnv2.tir.builder import (
    Builder,
    cast,
    concat,
    constant,
    shuffle,
    symbol_name,
)
from edgemnv2.tir.code import Code

__all__ = ["add_kernel"]

Expr = Any


def add_kernel(graph: Graph, layer: Add, isa: Isa) -> RowKernel | None:
    """The kernel for one row, or None for other dtypes and rows of less than one vector."""
    tensors = [graph.tensor_in(layer, 0), graph.tensor_in(layer, 1), graph.tensor_out(layer)]
    dtypes = {t.dtype for t in tensors}
    elements = tensors[2].width * tensors[2].channels
    if dtypes == {"int8"} and layer.rescale is not None:
        return _int8(graph, layer, isa, elements) if elements >= 8 else None
    if layer.rescale is None and len(dtypes) == 1 and tensors[2].dtype in LANES:
        dtype = tensors[2].dtype
        if elements < LANES[dtype] or (dtype == "float16" and not isa.fp16):
            return None
        return _float(layer, isa, elements, dtype)
    return None


def _float(layer: Add, isa: Isa, elements: int, dtype: str) -> RowKernel:
    description = {"elements": elements, "clamp": layer.clamp, "isa": isa}
    # No `noalias`: the output may be an operand.
    k = Builder(symbol_name(f"add_{dtype}", description), noalias=False)
    sources = [k.pointer(name, dtype) for name in ("a", "b")]
    out = k.pointer("out", dtype)
    size = LANES[dtype]

    def add(vectors: list[Expr], lanes: int) -> Expr:
        if lanes == size:
            return isa.clamp(vectors[0] + vectors[1], layer.clamp, dtype)
        parts = [
            [k.let(shuffle([v], range(i, i + size))) for v in vectors]
            for i in range(0, lanes, size)
        ]
        return concat([k.let(isa.clamp(a + b, layer.clamp, dtype)) for a, b in parts], size)

    elementwise(k, sources, out, dtype, elements, (4 * size, size), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))


def _scalars(requantize: Requantize) -> tuple[int, int]:
    return int(requantize.multiplier[0]), int(requantize.shift[0])


def _linear(layer: Add, isa: Isa, elements: int, form: LinearAdd) -> RowKernel:
    """ONNX's sum."""
    ends = int(layer.clamp[0]), int(layer.clamp[1])
    description = {"elements": elements, "form": form, "clamp": ends, "isa": isa, **form.facts}
    k = Builder(symbol_name("add_int8", description), noalias=False)
    sources = [k.pointer(name, "int8") for name in ("a", "b")]
    out = k.pointer("out", "int8")

    def add(vectors: list[Expr], lanes: int) -> Expr:
        halves = []
        for h in range(0, lanes, 8):
            parts = [v if lanes == 8 else shuffle([v], range(h, h + 8)) for v in vectors]
            wide = [k.let(cast(part, "int16x8")) for part in parts]
            quarters = []
            for take in (low, high):
                a, b = (k.let(cast(take(w, 4), "int32x4")) for w in wide)
                quarters.append(isa.sqxtn32(form.emit(k, a, b, 4)))
            halves.append(k.let(isa.sqxtn16(k.let(concat(quarters, 4)))))
        return isa.clamp8(concat(halves, 8), *ends, lanes)

    elementwise(k, sources, out, "int8", elements, (16, 8), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))


def _int8(graph: Graph, layer: Add, isa: Isa, elements: int) -> RowKernel | None:
    assert layer.rescale is not None
    form = linear_add(graph, layer, signed=True)
    if form is not None or layer.is_real:
        return None if form is None else _linear(layer, isa, elements, form)
    quants = [graph.tensor_in(layer, 0).quant, graph.tensor_in(layer, 1).quant]
    out_quant = graph.tensor_out(layer).quant
    assert quants[0] is not None and quants[1] is not None and out_quant is not None
    zeros = [quants[0].zero_point, quants[1].zero_point]
    factors = [_scalars(r) for r in layer.rescale]
    zero_out = out_quant.zero_point
    low_end, high_end = int(layer.clamp[0]), int(layer.clamp[1])
    description = {
        "elements": elements,
        "zeros": (*zeros, zero_out),
        "factors": factors,
        "left_shift": layer.left_shift,
        "clamp": (low_end, high_end),
        "isa": isa,
    }
    k = Builder(symbol_name("add_int8", description), noalias=False)
    sources = [k.pointer(name, "int8") for name in ("a", "b")]
    out = k.pointer("out", "int8")

    def rescale(x: Expr, factor: tuple[int, int]) -> Expr:
        multiplier, shift = factor
        if shift > 0:
            x = x << constant(shift, "int32", 4)
        x = k.let(isa.sqrdmulh32(x, constant(multiplier, "int32", 4)))
        if shift >= 0:
            return x
        x = x + (x >> constant(31, "int32", 4))
        return k.let(isa.srshl32(x, constant(shift, "int32", 4)))

    def operand(x: Expr, number: int) -> Expr:
        """Four int16 values of an operand, rescaled."""
        shift = layer.left_shift
        multiplier, right = factors[number]
        half = multiplier == 1 << 30 and right == 0
        if half:
            # A multiplier of one half after a left shift is one shift less, exactly.
            shift -= 1
        wide = cast(x, "int32x4") << constant(shift, "int32", 4)
        wide = k.let(wide - constant(zeros[number] << shift, "int32", 4))
        return wide if half else rescale(wide, factors[number])

    def add(vectors: list[Expr], lanes: int) -> Expr:
        halves = []
        for h in range(0, lanes, 8):
            wide = []
            for v in vectors:
                part = v if lanes == 8 else shuffle([v], range(h, h + 8))
                wide.append(k.let(cast(part, "int16x8")))
            quarters = []
            for take in (low, high):
                a, b = (operand(take(w, 4), n) for n, w in enumerate(wide))
                quarters.append(isa.sqxtn32(rescale(k.let(a + b), factors[2])))
            both = k.let(concat(quarters, 4))
            both = isa.sqadd16(both, constant(zero_out, "int16", 8))
            halves.append(k.let(isa.sqxtn16(both)))
        return isa.clamp8(concat(halves, 8), low_end, high_end, lanes)

    elementwise(k, sources, out, "int8", elements, (16, 8), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))
