"""int8 inner loop of 1x1 convolution on AVX2: `vpmaddwd`.

It takes pairs of input channels as int16. The pixels of a tile are widened (and doubled, which
requantisation wants) in scratch memory; weights stored as int8 are widened by their load, at the
price of a shuffle, so few ones are stored as int16. `vpmaddubsw` would take bytes, but saturates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.avx2.gemm import LANES, Gemm, reduction
from edgemnv2.schedules.avx2.requantize import Epilogue
from edgemnv2.schedules.avx2.simd import madd, panel_order
from edgemnv2.schedules.gemm import Pointers
from edgemnv2.tir.builder import (
    Builder,
    broadcast,
    cast,
    element,
    load,
    reinterpret,
    scalar,
)
from edgemnv2.tir.tiling import Panel, walk

__all__ = ["Int8Gemm", "WidenedGemm"]

Expr = Any
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class WidenedGemm(Gemm):
    """int8 pixels that are widened in scratch memory, in pairs of input channels."""

    dtype = "int8"
    second_dtype = "int32"
    scratch_dtype = "int16"

    @property
    def padded(self) -> int:
        """Input channels of a pixel in scratch: an even number."""
        return self.depth + self.depth % 2

    def _widen(self, k: Builder, p: Pointers, first: Expr, pixels: int) -> None:
        """Pixels from `first` on into scratch, as int16 times `factor`."""

        def copy(source: Expr, to: Expr, lanes: int) -> None:
            value = cast(load(p.x, source, f"int8x{lanes}"), f"int16x{lanes}")
            if self.factor == 2:
                value = k.let(value)
                value = value + value
            k.store(p.scratch, to, value)

        if self.depth % 2 == 0 and pixels * self.depth >= 16:
            total, count = pixels * self.depth, 1
        else:
            total, count = self.depth, pixels
        for number in range(count):
            source = k.let((first + number) * self.depth)
            to = number * self.padded
            vectors, rest = divmod(total, 16)
            if vectors > 4:
                with k.loop(vectors) as i:
                    copy(source + i * 16, to + i * 16, 16)
            else:
                for i in range(vectors):
                    copy(source + i * 16, to + i * 16, 16)
            if rest and vectors:
                copy(source + (total - 16), to + (total - 16), 16)
            elif rest:
                self._copy_short(k, p, source, to, rest)
            if self.padded != self.depth:
                k.store(p.scratch, to + self.depth, scalar(0, "int16"))

    def _copy_short(self, k: Builder, p: Pointers, source: Expr, to: Expr, count: int) -> None:
        for i in range(count):
            value = cast(load(p.x, source + i, "int8"), "int32") * self.factor
            k.store(p.scratch, to + i, cast(value, "int16"))


@dataclass(frozen=True, eq=False)
class Int8Gemm(WidenedGemm):
    """int8 by `vpmaddwd`. `bias` has the input's zero point folded in."""

    requantize: Requantize
    epilogue: Epilogue
    weights_dtype: str = "int8"

    @property
    def factor(self) -> int:
        """That of the epilogue."""
        return self.epilogue.doubled

    def key(self) -> dict[str, Any]:
        """Also the epilogue's form."""
        return {**super().key(), "epilogue": self.epilogue.key, "weights": self.weights_dtype}

    def constants(self) -> list[Array]:
        """Per panel `[K/2][NR][2]` in the panel's lane order; parameters."""
        weight = np.zeros((self.padded, self.weight.shape[1]), self.weights_dtype)
        weight[: self.depth] = self.weight
        parts = []
        for n0, n in self.panels.blocks():
            block = weight[:, n0 + np.array(panel_order(n))]
            parts.append(block.reshape(-1, 2, n).transpose(0, 2, 1).ravel())
        parameters = self.epilogue.pack(self.bias, self.requantize, self.panels.blocks())
        return [np.concatenate(parts), parameters]

    def scratch_bytes(self, pixels: int, mr: int, order: str) -> int:
        """Widened pixels: one tile's, or all of them when panels are outermost."""
        return 2 * self.padded * (pixels if order == "panel" else min(mr, pixels))

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Widen, then multiply: all pixels at once, or tile by tile."""
        if order == "panel":
            self._widen(k, p, 0, pixels)
            self.emit_gathered(k, p, pixels, mr, order)
            return
        walk(
            k,
            pixels,
            mr,
            self.panels,
            order,
            lambda f, m, panel: self._tile(k, p, 0, f, m, panel),
            before=lambda f, m: self._widen(k, p, f, m),
        )

    def emit_gathered(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """All pixels are in scratch as int16 already."""
        walk(k, pixels, mr, self.panels, order, lambda f, m, q: self._tile(k, p, f, f, m, q))

    def _tile(self, k: Builder, p: Pointers, at: Expr, first: Expr, mr: int, panel: Panel) -> None:
        """`at`: the tile's first pixel in scratch; `first`: in the output."""
        nr, padded, epilogue = panel.width, self.padded, self.epilogue
        vectors = nr // LANES
        acc = k.registers("int32x8", mr * vectors)
        w0, q0 = k.let(panel.packed * self.padded), k.let(panel.packed * epilogue.rows)
        x0 = [k.let((at + r) * padded) for r in range(mr)]
        for j in range(vectors):
            b = k.let(epilogue.bias(p.second, q0, j))
            for r in range(mr):
                k.set(acc, r * vectors + j, b)

        def step(i: Expr) -> None:
            wv = []
            for j in range(vectors):
                stored = f"{self.weights_dtype}x16"
                value = load(p.weights, w0 + i * (2 * nr) + 2 * LANES * j, stored)
                wv.append(k.let(value if stored == "int16x16" else cast(value, "int16x16")))
            for r in range(mr):
                pair = reinterpret(load(p.scratch, x0[r] + i * 2, "int16x2"), "int32")
                value = k.let(reinterpret(broadcast(pair, LANES), "int16x16"))
                for j in range(vectors):
                    n = r * vectors + j
                    k.set(acc, n, element(acc, n) + madd(value, wv[j]))

        reduction(k, padded // 2, self.unroll, step)
        q = [epilogue.load(k, p.second, q0, j) for j in range(vectors)]
        for r in range(mr):
            to = k.let((first + r) * self.panels.channels + panel.channel)
            values = [
                epilogue.rescale(k, element(acc, r * vectors + j), q[j]) for j in range(vectors)
            ]
            epilogue.store(k, p.out, to, values)
