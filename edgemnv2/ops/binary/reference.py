"""Two operands in NumPy.

Source: TFLite `reference/{add,sub,mul,maximum_minimum,comparisons}.h`,
`kernels/squared_difference.cc`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled, round_half_even
from edgemnv2.ops.binary.layer import COMPARISONS, Binary
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.values import clamp_floats, quant_of

__all__ = ["run"]

Array = NDArray[Any]
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "squared_difference": lambda a, b: np.square(np.subtract(a, b)),
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Binary)
    target = graph.tensor_out(layer)
    operands = list(inputs)
    if layer.constant is not None:
        operands.insert(0 if layer.constant_first else 1, layer.constant)
    shape = (len(inputs[0]), *target.shape)
    if layer.rescale is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.asarray(FUNCTIONS[layer.function](*operands))
        out = np.broadcast_to(out, shape).astype(target.dtype)
        if target.dtype == "float32":
            clamp_floats(out, layer.clamp)
            return out
        limited: Array = np.clip(out, int(layer.clamp[0]), int(layer.clamp[1])).astype(target.dtype)
        return limited
    centred = [_centred(graph, layer, i, x) for i, x in enumerate(operands)]
    if layer.function == "multiply":
        total = _scaled(centred[0] * centred[1], layer, 0)
    elif layer.function in COMPARISONS:
        parts = [_scaled(x << layer.left_shift, layer, i) for i, x in enumerate(centred)]
        total = np.asarray(FUNCTIONS[layer.function](*parts)).astype(np.int64)
    elif len(layer.rescale) == 2:
        products = [
            x * int(factor.multiplier[0]) for x, factor in zip(centred, layer.rescale, strict=True)
        ]
        total = np.asarray(FUNCTIONS[layer.function](*products))
        more = layer.rescale[0].addend
        total = total if more is None else total + more
        total = round_half_even(total, 31 - layer.rescale[0].shift.astype(np.int64))
    else:
        parts = [_scaled(x << layer.left_shift, layer, i) for i, x in enumerate(centred)]
        total = _scaled(np.asarray(FUNCTIONS[layer.function](*parts)), layer, 2)
    total = np.broadcast_to(total + quant_of(target).zero_point, shape)
    clipped: Array = np.clip(total, int(layer.clamp[0]), int(layer.clamp[1])).astype(target.dtype)
    return clipped


def _centred(graph: Graph, layer: Binary, place: int, x: Array) -> Array:
    """Operand `place` with its zero point taken off, int64."""
    if layer.constant is not None and place == (0 if layer.constant_first else 1):
        return x.astype(np.int64)
    index = 0 if layer.constant is not None else place
    return x.astype(np.int64) - quant_of(graph.tensor_in(layer, index)).zero_point


def _scaled(x: Array, layer: Binary, index: int) -> Array:
    assert layer.rescale is not None
    return rescaled(x, layer.rescale[index])
