"""Convolution of floats, the same bits on every machine.

Dense layers are sums of float64 products that no order can round; `arithmetic.reproducible` says
how. Depthwise ones are computed tap by tap, without BLAS: their reference is that already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import exact_weight
from edgemnv2.ops.convolution.layer import Conv2D, TransposedConv2D
from edgemnv2.ops.convolution.reference import spread_out
from edgemnv2.ops.graph import Layer, Tensor
from edgemnv2.ops.windows import pad, patches

__all__ = ["prepare"]

Array = NDArray[Any]

BLOCK_ELEMENTS = 1 << 18
"""Of the larger operand or result of one product: what stays in the cache as float64."""


def prepare(layer: Layer, out: Tensor) -> Callable[[list[Array]], Array] | None:
    """The layer made ready to be run many times; None where its reference is exact."""
    if isinstance(layer, TransposedConv2D):
        transposed = layer
        turned = exact_weight(layer.weight[::-1, ::-1].reshape(-1, layer.weight.shape[-1]))
        return lambda inputs: _dense(*_spread(transposed, turned, inputs[0], out))
    if not isinstance(layer, Conv2D):
        return None
    if layer.groups > 1:
        return _grouped(layer)
    weight = exact_weight(layer.weight.reshape(-1, layer.weight.shape[-1]))
    return lambda inputs: _dense(layer, weight, inputs[0])


def _spread(
    layer: TransposedConv2D, weight: Array, x: Array, out: Tensor
) -> tuple[Conv2D, Array, Array]:
    plain, canvas = spread_out(layer, x, out)
    return plain, weight, canvas


def _grouped(layer: Conv2D) -> Callable[[list[Array]], Array]:
    """Each group by itself."""
    inner, outer = layer.weight.shape[2], layer.weight.shape[3] // layer.groups
    parts = []
    for group in range(layer.groups):
        made = slice(group * outer, (group + 1) * outer)
        part = replace(layer, weight=layer.weight[..., made], bias=layer.bias[made], groups=1)
        parts.append((part, exact_weight(part.weight.reshape(-1, outer))))

    def compute(inputs: list[Array]) -> Array:
        shares = np.split(inputs[0], layer.groups, axis=-1)
        assert shares[0].shape[-1] == inner
        made = [_dense(part, w, x) for (part, w), x in zip(parts, shares, strict=True)]
        return np.concatenate(made, axis=-1)

    return compute


def _dense(layer: Conv2D, weight: Array, x: Array) -> Array:
    """`weight` is `exact_weight`'s."""
    depth, cout = weight.shape
    bias = layer.bias.astype(np.float64)
    windows = patches(pad(x, layer.padding), layer.kernel, layer.stride, layer.dilation)
    n, oh, ow = windows.shape[:3]
    out = np.empty((n, oh, ow, cout), np.float32)
    rows = max(1, BLOCK_ELEMENTS // (ow * max(depth, cout)))
    for image, result in zip(windows, out, strict=True):
        for first in range(0, oh, rows):
            block = image[first : first + rows].astype(np.float64)
            total = block.reshape(-1, depth) @ weight
            total += bias
            np.clip(total, *layer.clamp, out=total)
            result[first : first + rows] = total.reshape(-1, ow, cout)
    return out
