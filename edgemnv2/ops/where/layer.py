"""The layer that chooses between two operands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer

__all__ = ["Where"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Where(Layer):
    """`when` where the condition is true, else `otherwise`, element by element.

    Three operands: the condition (8-bit integers, true where they are not their zero point), what
    is taken where it is true, what is taken where it is not. Each is an activation of the output's
    shape, or the constant `condition`, `when`, `otherwise`: `[1]` or a map `[H, W, C]` of stored
    values (of the condition 0 and 1). `inputs` are the activations in this order.
    """

    condition: Array | None = None
    when: Array | None = None
    otherwise: Array | None = None

    @property
    def constants(self) -> tuple[Array | None, Array | None, Array | None]:
        """The three operands, None for an activation."""
        return self.condition, self.when, self.otherwise

    @property
    def keeps_storage(self) -> bool:
        """What is stored of one operand or the other."""
        return True

    def stored_higher(self, by: int) -> Layer:
        """Stored constants move, too."""
        moved = [None if x is None else x + by for x in (self.when, self.otherwise)]
        return replace(self, when=moved[0], otherwise=moved[1])
