"""The layer of two operands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer

__all__ = ["COMPARISONS", "FUNCTIONS", "Binary"]

Array = NDArray[Any]
COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
FUNCTIONS = (
    "add", "subtract", "multiply", "divide", "minimum", "maximum", "squared_difference",
    *COMPARISONS,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Binary(Layer):
    """`function` of two operands, element by element.

    Both are activations, or one is `constant`: `[1]`, `[C]` or a map `[H, W, C]`; it is the first
    operand where `constant_first`. An activation of height, width or channels 1 is repeated.

    Floats: float32. Integers with `rescale` follow TFLite. ADD and SUB: each operand, its zero
    point taken off, is shifted left by `left_shift` and rescaled by `rescale[0]` / `rescale[1]`,
    the sum or difference by `rescale[2]`, SQUARED_DIFFERENCE its square. MUL: the product by
    `rescale[0]`. Comparisons give the numbers 1 and 0, of operands shifted and rescaled as ADD's.
    With factors that round to even they follow ONNX: as MUL, or the sum or difference of two
    products by factors of one shift is rounded. `constant` then holds stored integers, its zero
    point taken off (int32). Integers without `rescale` (minimum, maximum): stored values are
    compared; all ends have one scale.
    """

    function: str
    clamp: tuple[float, float]
    constant: Array | None = None
    constant_first: bool = False
    left_shift: int = 0
    rescale: tuple[Requantize, ...] | None = None

    @property
    def decides(self) -> bool:
        """Comparisons do."""
        return self.function in COMPARISONS

    @property
    def keeps_storage(self) -> bool:
        """Minima and maxima compare what is stored."""
        return self.rescale is None

    def stored_higher(self, by: int) -> Layer:
        """A stored constant moves, too."""
        moved = super().stored_higher(by)
        if self.rescale is not None or self.constant is None:
            return moved
        return replace(moved, constant=self.constant + by)  # type: ignore[call-arg]
