"""Products of matrices in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.matrix_product.layer import MatrixProduct
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.requantize import clamped, even_facts, rescale

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0, row_1, out, [factor]`."""
    assert isinstance(layer, MatrixProduct)
    a, b, out = graph.tensor_in(layer), graph.tensor_in(layer, 1), graph.tensor_out(layer)
    zeros = [zero_point_of(t) for t in (a, b, out)]
    facts = {
        "sizes": (out.width, a.channels, out.channels),
        "dtypes": (a.dtype, b.dtype, out.dtype),
        "zeros": zeros,
        "clamp": layer.clamp,
        "integer": layer.requantize is not None,
        **even_facts(layer.requantize),
    }
    if layer.requantize is not None and layer.requantize.rounding == "once":
        facts["rounding"] = "once"
    # Not noalias: a matrix may be multiplied by itself.
    k = Builder(symbol_name("plain_matrix_product", facts), noalias=False, scope="global")
    left, right = k.pointer("row0", a.dtype), k.pointer("row1", b.dtype)
    target = k.pointer("out", out.dtype)
    constants: tuple[Any, ...] = ()
    compute, table = "float32" if layer.requantize is None else "int32", None
    if layer.requantize is not None:
        factor = layer.requantize
        constants = (np.array([factor.multiplier[0], factor.shift[0]], np.int32),)
        table = k.pointer("factor", "int32")
    total = k.registers(compute, 1)

    def value(buffer: Any, at: Any, dtype: str, zero: int) -> Any:
        found = load(buffer, at, dtype)
        return found if compute == "float32" else cast(found, "int32") - scalar(zero, "int32")

    with k.loop(out.width) as x, k.loop(out.channels) as c:
        k.set(total, 0, scalar(0, compute))
        with k.loop(a.channels) as i:
            first = value(left, x * a.channels + i, a.dtype, zeros[0])
            second = value(right, i * b.channels + c, b.dtype, zeros[1])
            k.set(total, 0, element(total, 0) + first * second)
        made = k.let(element(total, 0))
        if layer.requantize is not None:
            numbers = load(table, 0, "int32"), load(table, 1, "int32")
            made = k.let(rescale(k, made, *numbers, layer.requantize))
            made = made + scalar(zeros[2], "int32")
        k.store(target, x * out.channels + c, clamped(made, layer.clamp, compute, out.dtype))
    return {layer.name: RowKernel(k.symbol, constants, code=Code.of(k), schedule="fallback")}
