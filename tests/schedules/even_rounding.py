"""Layers of ONNX's rounding for the kernels of every family, and what they must give."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from edgemnv2.arithmetic.onnx import add_rescale, requantize_of
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph

KINDS = ("free", "halves", "fractions", "both")


def with_even_rounding(graph: Graph, kind: str, seed: int = 0) -> Graph:
    """The one-layer `graph` with ONNX's factors of about the same size.

    `kind`: "free" (no sum meets a half), "halves" (every eighth does), "fractions" (biases finer
    than a step), "both".
    """
    layer = graph.layers[0]
    random = np.random.default_rng(seed)
    if isinstance(layer, Add):
        scales = (0.5, 0.25, 0.5) if kind in ("halves", "both") else (0.02, 0.03, 0.041)
        zeros = [graph.tensors[name].quant.zero_point for name in (*layer.inputs, layer.output)]
        quants = [QuantParams(s, z) for s, z in zip(scales, zeros, strict=True)]
        names = (*layer.inputs, layer.output)
        tensors = {
            **graph.tensors,
            **{n: replace(graph.tensors[n], quant=q) for n, q in zip(names, quants, strict=True)},
        }
        factors = add_rescale(quants[0], quants[1], quants[2], ("int8", "int8"))
        changed: Any = replace(layer, left_shift=0, rescale=factors)
        return replace(graph, layers=(changed,), tensors=tensors)
    assert isinstance(layer, Conv2D | DepthwiseConv2D)
    old = layer.requantize
    assert old is not None
    reals = [Fraction(int(m)) * Fraction(2) ** (int(s) - 31) for m, s in _pairs(old)]
    weight, bias = layer.weight, layer.bias
    if kind in ("halves", "both"):
        weight = random.choice(np.array([-64, 0, 64], weight.dtype), weight.shape)
        bias = bias // 64 * 64
        reals = [Fraction(1 + 2 * (i % 2), 512) if r else r for i, r in enumerate(reals)]
    factor = requantize_of([r * Fraction(101, 103) if kind == "free" else r for r in reals])
    if kind in ("fractions", "both"):
        fractions = random.integers(0, 256, len(reals))
        if kind == "both":
            fractions[::2] = 0
        addend = (fractions * factor.multiplier.astype(np.int64)) >> 8
        factor = replace(factor, addend=addend)
    return replace(graph, layers=(replace(layer, weight=weight, bias=bias, requantize=factor),))


def _pairs(factor: Requantize) -> Any:
    return zip(factor.multiplier, factor.shift, strict=True)


def expected(graph: Graph, inputs: list[Any]) -> Any:
    """The layer in NumPy, halves to even."""
    layer = graph.layers[0]
    out = graph.tensor_out(layer)
    centred = [
        x.astype(np.int64) - graph.tensors[name].quant.zero_point
        for x, name in zip(inputs, layer.inputs, strict=True)
    ]
    if isinstance(layer, Add):
        assert layer.rescale is not None
        products = sum(
            x * int(f.multiplier[0]) for x, f in zip(centred, layer.rescale, strict=True)
        )
        if layer.rescale[0].addend is not None:
            products = products + layer.rescale[0].addend
        rounded = to_even(products, 31 - layer.rescale[0].shift.astype(np.int64))
    else:
        assert isinstance(layer, Conv2D | DepthwiseConv2D) and layer.requantize is not None
        top, left, bottom, right = layer.padding
        data = np.pad(centred[0], ((top, bottom), (left, right), (0, 0)))
        sums = np.zeros(out.shape, np.int64) + layer.bias
        s = layer.stride[0]
        for i in range(layer.kernel[0]):
            for j in range(layer.kernel[1]):
                rows = slice(i, i + (out.height - 1) * s + 1, s)
                part = data[rows, j : j + (out.width - 1) * s + 1 : s]
                w = layer.weight[i, j].astype(np.int64)
                sums += part * w if isinstance(layer, DepthwiseConv2D) else part @ w
        factor = layer.requantize
        product = sums * factor.multiplier.astype(np.int64)
        if factor.addend is not None:
            product = product + factor.addend
        rounded = to_even(product, 31 - factor.shift.astype(np.int64))
    return np.clip(rounded + out.quant.zero_point, *layer.clamp).astype(out.dtype)


def to_even(product: Any, bits: Any) -> Any:
    """`product / 2**bits`: up from halves on, then one back from odd numbers that were halves."""
    twice = 2 * product + (np.int64(1) << bits)
    up, rest = twice >> (bits + 1), twice & ((np.int64(2) << bits) - 1)
    return up - ((rest == 0) & (up % 2 == 1))
