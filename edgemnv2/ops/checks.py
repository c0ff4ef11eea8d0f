"""What the checks of operators share: a breach is a bug of ours, hence ValueError."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["NORMALISED", "expect", "expect_factor", "expect_same_shape"]

NORMALISED = 2**30
LARGEST_ADDEND = 2**61


def expect(condition: bool, layer: Layer, message: str) -> None:
    """ValueError that names the layer, unless `condition`."""
    if not condition:
        raise ValueError(f"layer {layer.name!r}: {message}")


def expect_same_shape(graph: Graph, layer: Layer) -> None:
    """All inputs have the output's shape."""
    for index in range(len(layer.inputs)):
        same = graph.tensor_in(layer, index).shape == graph.tensor_out(layer).shape
        expect(same, layer, "elementwise layers keep their shape")


def expect_factor(
    layer: Layer, factor: Requantize | None, channels: int, least: int = NORMALISED
) -> None:
    """One normalised multiplier per channel, or one for all."""
    expect(factor is not None, layer, "integer layer without a factor")
    assert factor is not None
    multiplier, shift = factor.multiplier, factor.shift
    expect(multiplier.shape == shift.shape == (channels,), layer, "factor is not one per channel")
    if factor.rounding == "even":
        least = 0
        addend = factor.addend
        sound = addend is None or (
            addend.shape == (channels,) and bool(np.abs(addend).max(initial=0) < LARGEST_ADDEND)
        )
        expect(sound, layer, "addend is not one per channel, or too large")
    normal = (multiplier >= least) | (multiplier == 0)
    expect(bool(np.all(normal)), layer, "multiplier is not normalised")
    in_range = np.all((shift >= -31) & (shift <= 30))
    expect(bool(in_range), layer, "shift is out of range")
