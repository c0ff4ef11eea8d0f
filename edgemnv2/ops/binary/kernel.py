"""Two operands in plain loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.binary.layer import COMPARISONS, Binary
from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.requantize import clamped, even_facts, halves_to_even, rescale, wide

__all__ = ["kernels"]

Expr = Any
FUNCTIONS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "minimum": tirx.Min,
    "maximum": tirx.Max,
    "squared_difference": lambda a, b: (a - b) * (a - b),
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
}


def _flag(true: Expr, dtype: str) -> Expr:
    """1 or 0."""
    return tirx.Select(true, scalar(1, dtype), scalar(0, dtype))


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0, [row_1,] out, constants`."""
    assert isinstance(layer, Binary)
    out = graph.tensor_out(layer)
    sources = [graph.tensor_in(layer, i) for i in range(len(layer.inputs))]
    constant = layer.constant
    description = {
        "function": layer.function,
        "in": [(t.width, t.channels, t.dtype, zero_point_of(t)) for t in sources],
        "out": (out.width, out.channels, out.dtype, zero_point_of(out)),
        "constant": None if constant is None else (constant.shape, str(constant.dtype)),
        "first": layer.constant_first,
        "left_shift": layer.left_shift,
        "factors": None if layer.rescale is None else len(layer.rescale),
        "clamp": layer.clamp,
    }
    if layer.rescale is not None and layer.rescale[0].rounding == "even":
        description |= even_facts(layer.rescale[0])
    symbol = symbol_name("plain_binary", description)
    # Not noalias: both operands may be one tensor.
    k = Builder(symbol, noalias=False, scope="global")
    rows = [k.pointer(f"row{i}", t.dtype) for i, t in enumerate(sources)]
    target = k.pointer("out", out.dtype)
    number = k.number("row") if _is_map(layer) else None
    constants: list[Any] = []
    compute = "float32" if out.dtype.startswith("float") else "int32"
    values = None
    if constant is not None:
        constants.append(np.ascontiguousarray(constant, np.dtype(compute)))
        values = k.pointer("constant", compute)
    factors = []
    if layer.rescale is not None:
        pairs = [(f.multiplier[0], f.shift[0]) for f in layer.rescale]
        numbers = np.array(pairs, np.int32).reshape(-1)
        if layer.rescale[0].addend is not None:
            numbers = np.append(numbers, layer.rescale[0].addend.astype(np.int32))
        constants.append(numbers)
        table = k.pointer("factors", "int32")
        factors = [k.let(load(table, i, "int32")) for i in range(numbers.size)]
    with k.loop(out.width) as x, k.loop(out.channels) as c:
        operands = [
            _operand(k, row, t, x, c, compute) for row, t in zip(rows, sources, strict=True)
        ]
        if constant is not None:
            value = load(values, _place(constant.shape, number, x, c), compute)
            operands.insert(0 if layer.constant_first else 1, value)
        if layer.rescale is not None:
            operands = [
                value
                if layer.constant is not None and i == (0 if layer.constant_first else 1)
                else value - scalar(_zero(layer, sources, i), "int32")
                for i, value in enumerate(operands)
            ]
        total = _total(k, layer, operands, factors, out)
        k.store(target, x * out.channels + c, clamped(total, layer.clamp, compute, out.dtype))
    return {
        layer.name: RowKernel(
            symbol,
            tuple(constants),
            code=Code.of(k),
            schedule="fallback",
            takes_row_number=_is_map(layer),
        )
    }


def _is_map(layer: Binary) -> bool:
    return layer.constant is not None and layer.constant.ndim == 3


def _zero(layer: Binary, sources: list[Tensor], place: int) -> int:
    return zero_point_of(sources[0 if layer.constant is not None else place])


def _operand(k: Builder, row: Any, tensor: Tensor, x: Expr, c: Expr, compute: str) -> Expr:
    """One value, repeated along what has extent 1."""
    at: Expr = scalar(0, "int32")
    if tensor.width > 1:
        at = at + x * tensor.channels
    if tensor.channels > 1:
        at = at + c
    value = load(row, at, tensor.dtype)
    return value if tensor.dtype == compute else cast(value, compute)


def _place(shape: tuple[int, ...], number: Any, x: Expr, c: Expr) -> Expr:
    if len(shape) == 3:
        return (number * shape[1] + x) * shape[2] + c
    return c if shape[0] > 1 else scalar(0, "int32")


def _total(
    k: Builder, layer: Binary, operands: list[Expr], factors: list[Expr], out: Tensor
) -> Expr:
    function = FUNCTIONS[layer.function]
    compares = layer.function in COMPARISONS
    if layer.rescale is None:
        made = function(*operands)
        return _flag(made, "float32") if compares else made
    zero = scalar(zero_point_of(out), "int32")
    if layer.function == "multiply":
        product = k.let(operands[0] * operands[1])
        scaled = rescale(k, product, factors[0], factors[1], layer.rescale[0])
        return k.let(scaled) + zero
    if len(layer.rescale) == 2 and not compares:
        products = [
            k.let(cast(value, "int64") * cast(factors[2 * i], "int64"))
            for i, value in enumerate(operands)
        ]
        bits = k.let(wide(31) - cast(factors[1], "int64"))
        total = function(*products)
        if len(factors) > 4:
            total = total + cast(factors[4], "int64")
        return k.let(halves_to_even(k, k.let(total), bits)) + zero
    parts = []
    for index, value in enumerate(operands):
        shifted = k.let(value << scalar(layer.left_shift, "int32"))
        parts.append(k.let(rescale(k, shifted, factors[2 * index], factors[2 * index + 1])))
    if compares:
        return _flag(function(parts[0], parts[1]), "int32") + zero
    total = k.let(function(parts[0], parts[1]))
    return k.let(rescale(k, total, factors[4], factors[5])) + zero
