"""The layer of two operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer

__all__ = ["FUNCTIONS", "Binary"]

Array = NDArray[Any]
FUNCTIONS = ("add", "subtract", "multiply", "divide", "minimum", "maximum")


@dataclass(frozen=True, eq=False)
class Binary(Layer):
    """`function` of two operands, element by element.

    Both are activations, or one is `constant`: `[1]`, `[C]` or a whole map; it is the first operand
    where `constant_first`. An operand of height, width or channels 1 is repeated.
    """

    function: str
    clamp: tuple[float, float]
    constant: Array | None = None
    constant_first: bool = False
