"""The resize layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer, Tensor, added_field

__all__ = ["Resize"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Resize(Layer):
    """Height and width resized; how, is in tables.

    `rows` int32 `[OH, taps]` and `columns` int32 `[OW, taps]`: the positions in the map that each
    output position is made of. One tap: what is stored there (nearest). Two: between them, by
    `row_weights` and `column_weights` of the same shape. float32 weights give the weighted sum,
    for uint8 rounded half up (LiteRT computes it in float32, product by product); int32 weights
    are 1024ths, and the sum in 2**20ths is rounded half away from zero (LiteRT on int8).
    `truncates`: integers of either type lose what is behind the point, and the weights of a corner
    are multiplied with one another first, all in float32 (onnxruntime).
    """

    rows: Array
    columns: Array
    row_weights: Array | None = None
    column_weights: Array | None = None
    truncates: bool = added_field(default=False)

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
