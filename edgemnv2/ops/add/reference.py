"""The residual sum in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import (
    multiply_by_quantized_multiplier,
    round_half_even,
)
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.values import clamp_floats, index_of, product_table, quant_of, rescale_table
from edgemnv2.ops.windows import BLOCK_ELEMENTS

__all__ = ["add", "float_add", "run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Add)
    if layer.rescale is None:
        return float_add(layer, inputs[0], inputs[1])
    sources = graph.tensor_in(layer, 0), graph.tensor_in(layer, 1)
    return add(layer, inputs[0], inputs[1], sources, graph.tensor_out(layer))


def float_add(layer: Add, a: Array, b: Array) -> Array:
    """Elementwise sum and clamp."""
    out = np.asarray(a + b, np.float32)
    clamp_floats(out, layer.clamp)
    return out


def add(layer: Add, a: Array, b: Array, sources: tuple[Tensor, Tensor], target: Tensor) -> Array:
    """TFLite's ADD, or ONNX's. Either input has 256 values at most, so its rescaling is a table."""
    if layer.rescale is None:
        raise AssertionError(f"{layer.name}: integer add without rescale")
    if layer.is_real:
        tables = [product_table(s, f) for s, f in zip(sources, layer.rescale, strict=True)]
    else:
        tables = [
            rescale_table(source, layer.rescale[i], layer.left_shift)
            for i, source in enumerate(sources)
        ]
    out = np.empty(a.shape, target.dtype)
    flat_a, flat_b, flat = a.reshape(-1), b.reshape(-1), out.reshape(-1)
    factor = layer.rescale[-1]
    for first in range(0, flat.size, BLOCK_ELEMENTS):
        block = slice(first, first + BLOCK_ELEMENTS)
        total = tables[0][index_of(flat_a[block])]
        total += tables[1][index_of(flat_b[block])]
        if layer.is_real:
            more = layer.rescale[0].addend
            total = total if more is None else total + more
            total = round_half_even(total, 31 - factor.shift.astype(np.int64))
        else:
            total = multiply_by_quantized_multiplier(total, factor.multiplier, factor.shift)
        total += quant_of(target).zero_point
        flat[block] = np.clip(total, int(layer.clamp[0]), int(layer.clamp[1]))
    return out
