"""What the inner loops of 1x1 convolution on AVX2 share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.schedules.gemm import Pointers
from edgemnv2.tir.builder import Builder
from edgemnv2.tir.tiling import Panels

__all__ = ["LANES", "Gemm", "reduction"]

Expr = Any
Array = NDArray[Any]
LANES = 8


@dataclass(frozen=True, eq=False)
class Gemm(ABC):
    """`[pixels, depth] x weight` `[depth, N]` with bias and epilogue."""

    weight: Array
    bias: Array
    panels: Panels
    unroll: int

    dtype = "float32"
    second_dtype = "float32"
    scratch_dtype = "float32"
    weights_dtype = "float32"

    @property
    def out_dtype(self) -> str:
        """Of what is stored: the pixels' own."""
        return self.dtype

    @property
    def depth(self) -> int:
        """Input channels, the distance from one pixel to the next."""
        return int(self.weight.shape[0])

    @property
    def padded(self) -> int:
        """Input channels of a gathered pixel."""
        return self.depth

    @property
    def factor(self) -> int:
        """By which gathered pixels are multiplied."""
        return 1

    @property
    def extra_bytes(self) -> int:
        """Scratch behind the gathered pixels."""
        return 0

    def key(self) -> dict[str, Any]:
        """What of this shapes the code."""
        return {
            "K": self.depth,
            "N": self.panels.key,
            "unroll": self.unroll,
        }

    @abstractmethod
    def constants(self) -> list[Array]:
        """Packed weights, packed biases or requantisation parameters."""

    def scratch_bytes(self, pixels: int, mr: int, order: str) -> int:
        """Scratch that `emit` needs."""
        return 0

    @abstractmethod
    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Emit all tiles of `pixels` pixels."""

    @abstractmethod
    def emit_gathered(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """The same for pixels that lie in `p.scratch`, in the form that the loop reads."""


def reduction(k: Builder, total: int, unroll: int, step: Callable[[Expr], None]) -> None:
    """Call `step(index)` for `0 <= index < total`, in a loop of `unroll` copies and a rest."""
    loops = total // unroll
    if loops > 1:
        with k.loop(loops) as i:
            for u in range(unroll):
                step(i * unroll + u)
    else:
        loops = 0
    for index in range(loops * unroll, total):
        step(index)
