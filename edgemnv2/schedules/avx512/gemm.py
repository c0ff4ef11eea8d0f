"""int8 matrix product by `vpdpbusd`: exact sums of four products, unsigned by signed bytes.

The pixels come with their top bit flipped, that is, plus 128; the bias has that folded in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.avx2.gemm import reduction
from edgemnv2.schedules.avx512.requantize import Epilogue
from edgemnv2.schedules.avx512.simd import dot4
from edgemnv2.tir.builder import (
    Builder,
    broadcast,
    element,
    load,
    reinterpret,
    shuffle,
)
from edgemnv2.tir.tiling import Panel, Panels

__all__ = ["ByteGemm", "lanes_of"]

Expr = Any
Array = NDArray[Any]


def lanes_of(nr: int) -> int:
    """int32 lanes of the vectors that a panel of `nr` channels is made of."""
    return 8 if nr % 16 else 16


@dataclass(frozen=True, eq=False)
class ByteGemm:
    """`weight` is `[groups of four inputs, 4, N]`; `bias` the one for pixels plus 128."""

    weight: Array
    bias: Array
    panels: Panels
    requantize: Requantize
    epilogue: Epilogue
    unroll: int

    @property
    def lanes(self) -> int:
        """int32 lanes of a vector."""
        return lanes_of(self.panels.nr)

    @property
    def key(self) -> dict[str, Any]:
        """What of this shapes the code."""
        return {
            "K": self.weight.shape[0],
            "N": self.panels.key,
            "unroll": self.unroll,
            "epilogue": self.epilogue.key,
        }

    def constants(self) -> tuple[Array, Array]:
        """Weights per panel, `[K/4][NR][4]`; parameters per vector of channels."""
        blocks = self.panels.blocks()
        weights = [self.weight[:, :, n0 : n0 + n].transpose(0, 2, 1).ravel() for n0, n in blocks]
        vectors = [
            np.arange(c, c + self.lanes) for n0, n in blocks for c in range(n0, n0 + n, self.lanes)
        ]
        return np.concatenate(weights), self.epilogue.pack(self.bias, self.requantize, vectors)

    def tile(
        self,
        k: Builder,
        out: Any,
        weights: Any,
        parameters: Any,
        pixels: Sequence[Callable[[Expr], Expr]],
        first: Expr,
        panel: Panel,
    ) -> None:
        """One panel's channels of some pixels; `pixels[r](i)` is four inputs of one as int32.

        `first` is the first pixel's number in `out`.
        """
        nr, lanes, groups, mr = panel.width, self.lanes, self.weight.shape[0], len(pixels)
        words = self.epilogue.rows
        vectors = nr // lanes
        acc = k.registers(f"int32x{lanes}", mr * vectors)
        w0, q0 = k.let(panel.packed * (4 * groups)), k.let(panel.packed * words)
        for j in range(vectors):
            b = k.let(load(parameters, q0 + j * words * lanes, f"int32x{lanes}"))
            for r in range(mr):
                k.set(acc, r * vectors + j, b)

        def step(i: Expr) -> None:
            wv = [
                k.let(load(weights, w0 + i * (4 * nr) + 4 * lanes * j, f"int8x{4 * lanes}"))
                for j in range(vectors)
            ]
            for r in range(mr):
                value = k.let(reinterpret(broadcast(pixels[r](i), lanes), f"int8x{4 * lanes}"))
                for j in range(vectors):
                    n = r * vectors + j
                    k.set(acc, n, dot4(element(acc, n), value, wv[j], lanes))

        reduction(k, groups, self.unroll, step)
        self._store(k, out, acc, parameters, q0, mr, vectors, first, panel)

    def _store(
        self,
        k: Builder,
        out: Any,
        acc: Any,
        parameters: Any,
        q0: Expr,
        mr: int,
        vectors: int,
        first: Expr,
        panel: Panel,
    ) -> None:
        """Requantise four vectors at a time; store what of them is neighbouring at once."""
        lanes, epilogue = self.lanes, self.epilogue
        blocks = [q0 + j * epilogue.rows * lanes for j in range(vectors)]
        q = [epilogue.load(k, parameters, at, lanes) for at in blocks]
        to = [k.let((first + r) * self.panels.channels + panel.channel) for r in range(mr)]
        slots = [(r, j) for r in range(mr) for j in range(vectors)]
        for begin in range(0, len(slots), 4):
            group = slots[begin : begin + 4]
            values = [
                epilogue.rescale(k, element(acc, r * vectors + j), q[j], lanes) for r, j in group
            ]
            packed = epilogue.narrow(k, values, lanes)
            at = 0
            while at < len(group):
                r, j = group[at]
                count = next(
                    n for n in (4, 2, 1) if at + n <= len(group) and group[at + n - 1][0] == r
                )
                part = shuffle([packed], range(at * lanes, (at + count) * lanes))
                k.store(out, to[r] + j * lanes, packed if count == 4 else part)
                at += count
