"""The resize layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer, Tensor, added_field

__all__ = ["FIXED_BITS", "FIXED_ONE", "Resize"]

Array = NDArray[Any]
FIXED_ONE = 1024
"""The sum of a position's weights, where they are int32."""
FIXED_BITS = 20
"""Of the product of two such weights."""


@dataclass(frozen=True, eq=False)
class Resize(Layer):
    """Height and width resized; how, is in tables.

    `rows` int32 `[OH, taps]` and `columns` int32 `[OW, taps]`: the positions in the map that each
    output position is made of. One tap: what is stored there (nearest). Two: between them, by
    `row_weights` and `column_weights` of the same shape. float32 weights give the weighted sum,
    for uint8 rounded half up (LiteRT computes it in float32, product by product); int32 weights
    are 1024ths, and the sum in 2**20ths is rounded as `rounding` says: "away", half away from zero
    (LiteRT on int8), or "even", to an even distance from the zero point (what ONNX makes of it in
    floats, where these weights are exact). "zero": integers of either type lose what is behind the
    point, and the weights of a corner are multiplied with one another first, all in float32
    (onnxruntime on stored integers).
    """

    rows: Array
    columns: Array
    row_weights: Array | None = None
    column_weights: Array | None = None
    rounding: str = added_field(default="away")

    @property
    def keeps_storage(self) -> bool:
        """What is stored is moved, or weighted as it is."""
        return True

    def rounds_storage(self, source: Tensor) -> bool:
        """Sums are rounded, for int8 and uint8 in different ways."""
        return self.row_weights is not None

    @property
    def is_linear(self) -> bool:
        """Whether outputs lie between two positions."""
        return self.row_weights is not None

    def share_of_halves(self, source: Tensor) -> float:
        """One in as many as the weights have parts, where these parts are halves of halves."""
        if self.rounding != "even" or self.row_weights is None or self.column_weights is None:
            return 0.0
        shares = [_parts(weights) for weights in (self.row_weights, self.column_weights)]
        product = np.multiply.outer(*shares)
        return float(np.where(product > 1, 1.0 / product, 0.0).mean())


def _parts(weights: Array) -> Array:
    """int64 `[out]`: into how many equal parts the weights of each position cut a step."""
    both = np.gcd.reduce(weights.astype(np.int64), axis=1)
    return np.asarray(FIXED_ONE // np.gcd(both, FIXED_ONE))
