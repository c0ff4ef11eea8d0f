"""The softmax layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer, added_field

__all__ = ["Softmax"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """Softmax over channels at every pixel.

    Integer: TFLite's reference kernel; `exp_table` int32 `[256]` holds exp(-d * scale * beta) in
    Q0.31 for d = max - x, 0 where TFLite's `diff_min` cuts it off. ONNX, with `inverse` (a number
    and the power of two that it is over: one over the output's scale): the quotient of a table's
    exponential, of any unit, and their sum, times that, rounded once, halves to even. Float: no
    table, `beta` times the difference.
    """

    exp_table: Array | None = None
    beta: float = added_field(1.0)
    inverse: tuple[int, int] | None = added_field(None)
