"""The residual addition on AVX2; in place over either operand if the caller wishes.

int8 is TFLite's ADD: in its linear form where the layer has one; else both operands, zero points
taken off, shifted left by 20, rescaled, added, rescaled again.
"""

from __future__ import annotations

from typing import Any

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx2.requantize import Epilogue, Parameters, requantize_constants
from edgemnv2.schedules.avx2.simd import clamp_float
from edgemnv2.schedules.elementwise import elementwise
from edgemnv2.schedules.linear_add import LinearAdd, linear_add
from edgemnv2.tir.builder import (
    Builder,
    cast,
    constant,
    shuffle,
    symbol_name,
)
from edgemnv2.tir.code import Code

__all__ = ["add_kernel"]

Expr = Any


def add_kernel(graph: Graph, layer: Add) -> RowKernel | None:
    """The kernel for one row, or None for other dtypes and rows of less than one vector."""
    tensors = [graph.tensor_in(layer, 0), graph.tensor_in(layer, 1), graph.tensor_out(layer)]
    dtypes = {t.dtype for t in tensors}
    elements = tensors[2].width * tensors[2].channels
    if dtypes == {"int8"} and layer.rescale is not None:
        return _int8(graph, layer, elements) if elements >= 16 else None
    if dtypes == {"float32"} and layer.rescale is None:
        return _float(layer, elements) if elements >= 8 else None
    return None


def _float(layer: Add, elements: int) -> RowKernel:
    # No `noalias`: the output may be an operand.
    k = Builder(
        symbol_name("add_float32", {"elements": elements, "clamp": layer.clamp}), noalias=False
    )
    sources = [k.pointer(name, "float32") for name in ("a", "b")]
    out = k.pointer("out", "float32")

    def add(vectors: list[Expr], _: int) -> Expr:
        return clamp_float(vectors[0] + vectors[1], layer.clamp)

    elementwise(k, sources, out, "float32", elements, (8,), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))


def _parameters(requantize: Requantize) -> tuple[Parameters, tuple[int, int, int, int, int], bool]:
    """Constants of one factor in registers, and whether they need the general form."""
    multiplier, shift = int(requantize.multiplier[0]), int(requantize.shift[0])
    general = shift >= 0 and multiplier != 0
    row = requantize_constants(multiplier, shift, general)
    wide = constant(row[0], "int64", 4)
    addend = constant(row[1], "int64", 4)
    parameters = Parameters(
        wide,
        wide,
        addend,
        addend,
        constant(row[2], "int32", 8),
        constant(row[3], "int32", 8),
        constant(row[4], "int32", 8),
    )
    return parameters, row, general


def _linear(graph: Graph, layer: Add, elements: int, form: LinearAdd) -> RowKernel:
    """ONNX's sum."""
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    description = {"elements": elements, "form": form, "clamp": (low, high), **form.facts}
    k = Builder(symbol_name("add_int8", description), noalias=False)
    sources = [k.pointer(name, "int8") for name in ("a", "b")]
    out = k.pointer("out", "int8")
    last = Epilogue(0, low, high, False, False)

    def add(vectors: list[Expr], _: int) -> Expr:
        results = []
        for lanes in ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)):
            a, b = (k.let(cast(shuffle([v], lanes), "int32x8")) for v in vectors)
            results.append(form.emit(k, a, b, 8))
        return last.narrow16(k, results[0], results[1])

    elementwise(k, sources, out, "int8", elements, (16,), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))


def _int8(graph: Graph, layer: Add, elements: int) -> RowKernel | None:
    assert layer.rescale is not None
    form = linear_add(graph, layer)
    if layer.is_real:
        return None if form is None else _linear(graph, layer, elements, form)
    quants = [graph.tensor_in(layer, 0).quant, graph.tensor_in(layer, 1).quant]
    out_quant = graph.tensor_out(layer).quant
    assert quants[0] is not None and quants[1] is not None and out_quant is not None
    zeros = [quants[0].zero_point, quants[1].zero_point]
    factors = [_parameters(r) for r in layer.rescale]
    zero_out = out_quant.zero_point
    low, high = int(layer.clamp[0]), int(layer.clamp[1])
    description = {
        "elements": elements,
        "form": form,
        "zeros": (*zeros, zero_out),
        "factors": [row for _, row, _ in factors],
        "left_shift": layer.left_shift,
        "clamp": (low, high),
    }
    k = Builder(symbol_name("add_int8", description), noalias=False)
    sources = [k.pointer(name, "int8") for name in ("a", "b")]
    out = k.pointer("out", "int8")
    last = Epilogue(zero_out, low, high, False, False)

    def rescale(value: Expr, number: int, doubled: bool) -> Expr:
        """`value` by factor `number`; `doubled` says that it carries a factor of two."""
        parameters, _, general = factors[number]
        if general == doubled:
            one = constant(1, "int32", 8)
            value = (value >> one) if doubled else (value << one)
        epilogue = Epilogue(0, low, high, False, general)
        return epilogue.rescale(k, k.let(value), parameters)

    def operand(value: Expr, number: int) -> Expr:
        shift = layer.left_shift
        _, row, _ = factors[number]
        half = row[0] == 1 << 30 and row[2] == 0 and row[3] == 0
        if half:
            # A multiplier of one half after a left shift is one shift less, exactly.
            shift -= 1
        doubled = not half and not factors[number][2]
        if doubled:
            shift += 1
        wide = value << constant(shift, "int32", 8)
        wide = k.let(wide - constant(zeros[number] << shift, "int32", 8))
        return wide if half else rescale(wide, number, doubled)

    def linear(a: Expr, b: Expr, form: LinearAdd) -> Expr:
        total = a * constant(form.first, "int32", 8) + constant(form.offset, "int32", 8)
        total = total + b * constant(form.second, "int32", 8)
        # The epilogue adds the zero point.
        return k.let((total >> constant(form.shift, "int32", 8)) - constant(zero_out, "int32", 8))

    def add(vectors: list[Expr], _: int) -> Expr:
        results = []
        for lanes in ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)):
            a, b = (k.let(cast(shuffle([v], lanes), "int32x8")) for v in vectors)
            if form is not None:
                results.append(linear(a, b, form))
            else:
                results.append(rescale(k.let(operand(a, 0) + operand(b, 1)), 2, False))
        return last.narrow16(k, results[0], results[1])

    elementwise(k, sources, out, "int8", elements, (16,), add)
    return RowKernel(symbol=k.symbol, constants=(), code=Code.of(k))
