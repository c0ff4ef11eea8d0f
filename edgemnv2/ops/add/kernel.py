"""The residual sum in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.requantize import clamped, halves_to_even, rescale, wide

__all__ = ["kernels"]

Expr = Any


def _zero_point(tensor: Tensor) -> int:
    return 0 if tensor.quant is None else tensor.quant.zero_point


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Add)
    return {layer.name: add_kernel(graph, layer)}


def add_kernel(graph: Graph, layer: Add) -> RowKernel:
    """`row_0, row_1, out, factors`; `out` may be one of the rows."""
    a, b = graph.tensor_in(layer, 0), graph.tensor_in(layer, 1)
    out = graph.tensor_out(layer)
    factors = np.zeros(0, np.int32)
    if layer.rescale is not None:
        pairs = [(factor.multiplier[0], factor.shift[0]) for factor in layer.rescale]
        factors = np.array(pairs, np.int32).reshape(-1)
        if layer.rescale[0].addend is not None:
            factors = np.append(factors, layer.rescale[0].addend.astype(np.int32))
    description = {
        "elements": out.width * out.channels,
        "dtypes": (a.dtype, b.dtype, out.dtype),
        "zero": (_zero_point(a), _zero_point(b), _zero_point(out)),
        "integer": layer.rescale is not None,
        "left_shift": layer.left_shift,
        "clamp": layer.clamp,
        **({"rounding": "even", "factors": factors.size} if layer.is_real else {}),
    }
    symbol = symbol_name("plain_add", description)
    # Not noalias: the output row may be an input row.
    k = Builder(symbol, noalias=False, scope="global")
    row_a, row_b = k.pointer("row0", a.dtype), k.pointer("row1", b.dtype)
    target = k.pointer("out", out.dtype)
    constants: tuple[Any, ...] = ()
    if layer.rescale is None:
        with k.loop(out.width * out.channels) as i:
            total = load(row_a, i, a.dtype) + load(row_b, i, b.dtype)
            k.store(target, i, clamped(total, layer.clamp, "float32", out.dtype))
    else:
        constants = (factors,)
        table = k.pointer("factors", "int32")
        numbers = [k.let(load(table, i, "int32")) for i in range(factors.size)]
        with k.loop(out.width * out.channels) as i:
            parts = []
            for row, tensor, at in ((row_a, a, 0), (row_b, b, 2)):
                value = cast(load(row, i, tensor.dtype), "int32")
                value = value - scalar(_zero_point(tensor), "int32")
                if layer.is_real:
                    parts.append(k.let(cast(value, "int64") * cast(numbers[at], "int64")))
                    continue
                value = k.let(value << scalar(layer.left_shift, "int32"))
                parts.append(k.let(rescale(k, value, numbers[at], numbers[at + 1])))
            total = k.let(parts[0] + parts[1])
            if layer.is_real:
                bits = k.let(wide(31) - cast(numbers[1], "int64"))
                if factors.size > 4:
                    total = k.let(total + cast(numbers[4], "int64"))
                total = halves_to_even(k, total, bits)
            else:
                total = rescale(k, total, numbers[4], numbers[5])
            total = k.let(total + scalar(_zero_point(out), "int32"))
            k.store(target, i, clamped(total, layer.clamp, "int32", out.dtype))
    return RowKernel(symbol, constants, code=Code.of(k), schedule="fallback")
