"""The residual sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer

__all__ = ["Add"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """Elementwise sum of two activations of one shape (the residual).

    Integer: TFLite's ADD; each input, its zero point taken off, is shifted left by `left_shift`
    and rescaled by `rescale[0]` / `rescale[1]`, the sum by `rescale[2]` (each of one channel).
    ONNX's, with two factors of one shift that round to even: the sum of both products is rounded.
    Float: `left_shift` 0 and no `rescale`.
    """

    clamp: tuple[float, float]
    left_shift: int = 0
    rescale: tuple[Requantize, ...] | None = None

    @property
    def is_real(self) -> bool:
        """Whether the integer sum is ONNX's: of real numbers, rounded once."""
        return self.rescale is not None and len(self.rescale) == 2
