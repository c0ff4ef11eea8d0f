"""Which pixels an image input wants, where the network itself tells.

An integer input tells by its scale: stored values stand for real numbers. A float input tells where
the preprocessing is inside the network: factors and sums by constants in front of the first layer
that looks at more than one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.binary.layer import Binary
from edgemnv2.ops.graph import Graph, Tensor

__all__ = ["FULL_BYTE", "INSIDE", "SCALE", "Pixels", "wanted_pixels"]

Array = NDArray[Any]
SCALE, INSIDE = "the input's scale", "arithmetic inside the model"
PASSING = ("copy", "dequantize", "pad", "quantize", "rescale", "reshape", "transpose")
FULL_BYTE, UNIT = 255.0, 1.0
LEAST_SPAN, MOST_SPAN = 0.9, 6.0
"""Of what networks are trained on: [0, 1] spans 1, [-1, 1] 2, torchvision's 4.4 to 4.5."""


@dataclass(frozen=True)
class Pixels:
    """Black is `low`, white `high`, in the input's real numbers; `told_by` says how it is known."""

    low: float
    high: float
    told_by: str


def wanted_pixels(graph: Graph, index: int) -> Pixels | None:
    """What input `index` wants; None where only who trained the network knows."""
    tensor = graph.tensors[graph.inputs[index]]
    if tensor.quant is not None:
        limits = np.iinfo(tensor.dtype)
        low, high = (
            round(tensor.quant.scale * (stored - tensor.quant.zero_point), 4)
            for stored in (int(limits.min), int(limits.max))
        )
        return Pixels(low, high, SCALE)
    found = _affine(graph, tensor)
    if found is None:
        return None
    factor, _ = found
    if np.all(factor == 1):
        return None
    for white in (FULL_BYTE, UNIT):
        span = white * float(np.abs(factor).max())
        if LEAST_SPAN <= span <= MOST_SPAN:
            return Pixels(0.0, white, INSIDE)
    return None


def _affine(graph: Graph, tensor: Tensor) -> tuple[Array, Array] | None:
    """`(factor, sum)` of what the network does to each pixel first; None for nothing."""
    factor, shift = np.ones(1), np.zeros(1)
    name, seen = tensor.name, False
    while True:
        readers = [layer for layer in graph.layers if name in layer.inputs]
        if len(readers) != 1 or graph.tensors[name].dtype not in ("float32", "float16"):
            break
        (layer,) = readers
        if isinstance(layer, Binary) and _is_affine(layer, tensor):
            constant = np.asarray(layer.constant, np.float64).reshape(-1)
            factor, shift = _then(layer, constant, factor, shift)
            seen = True
        elif layer.op not in PASSING:
            break
        name = layer.output
    return (factor, shift) if seen else None


def _is_affine(layer: Binary, tensor: Tensor) -> bool:
    if layer.constant is None or layer.constant.size not in (1, tensor.channels):
        return False
    if layer.function == "divide":
        return not layer.constant_first
    return layer.function in ("add", "subtract", "multiply")


def _then(layer: Binary, constant: Array, factor: Array, shift: Array) -> tuple[Array, Array]:
    """`layer` behind `factor * x + shift`."""
    if layer.function == "add":
        return factor, shift + constant
    if layer.function == "subtract":
        sign = -1.0 if layer.constant_first else 1.0
        return sign * factor, sign * (shift - constant)
    by = constant if layer.function == "multiply" else 1.0 / constant
    return factor * by, shift * by
