"""float32 inner loop of 1x1 convolution: a channel, broadcast, times a panel of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.schedules.avx2.gemm import Gemm, reduction
from edgemnv2.schedules.avx2.simd import clamp_float, fma
from edgemnv2.schedules.gemm import Pointers
from edgemnv2.tir.builder import Builder, broadcast, element, load
from edgemnv2.tir.tiling import Panel, pack_columns, walk

__all__ = ["FloatGemm"]

Expr = Any
Array = NDArray[Any]
PREFETCH_BYTES = 1 << 17
"""Weights of a layer from which on they are prefetched: a good part of an L2 cache."""
PREFETCH_STEPS = 4
"""Input channels between two prefetches; more lines than a tile's share, which does no harm."""
LINE_FLOATS = 16


@dataclass(frozen=True, eq=False)
class FloatGemm(Gemm):
    """float32 by vectors of eight (AVX2) or sixteen (AVX-512)."""

    clamp: tuple[float, float]
    lanes: int = 8

    def key(self) -> dict[str, Any]:
        """Also the clamp."""
        return {**super().key(), "clamp": self.clamp, "lanes": self.lanes}

    def constants(self) -> list[Array]:
        """Per panel `[K][NR]`; biases by panels."""
        blocks = self.panels.blocks()
        return [
            pack_columns(self.weight, blocks),
            pack_columns(self.bias, blocks),
        ]

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Tiles in either order; nothing to prepare."""
        # Weights that other layers have driven out of L2 come too slowly for the first tile of a
        # panel: each tile asks for its share of the next panel.
        ahead = order == "panel" and self.weight.nbytes >= PREFETCH_BYTES and pixels > mr
        share = self.depth * self.panels.nr // pixels if ahead else 0
        walk(
            k,
            pixels,
            mr,
            self.panels,
            order,
            lambda f, m, panel: self._tile(k, p, f, m, panel, share),
        )

    def emit_gathered(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """float32 pixels need no other form: `p.x` is the scratch."""
        self.emit(k, p, pixels, mr, order)

    def _tile(
        self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel, share: int
    ) -> None:
        """`share`: weights of the next panel to prefetch for each pixel; 0 for none."""
        nr, depth, lanes = panel.width, self.depth, self.lanes
        vectors, dtype = nr // lanes, f"float32x{lanes}"
        acc = k.registers(dtype, mr * vectors)
        w0 = k.let(panel.packed * depth)
        x0 = [k.let((first + r) * depth) for r in range(mr)]
        for j in range(vectors):
            b = k.let(load(p.second, panel.packed + lanes * j, dtype))
            for r in range(mr):
                k.set(acc, r * vectors + j, b)

        position = [0]
        after = k.let(w0 + depth * nr + first * share) if share else None

        def step(at: Expr) -> None:
            if share and position[0] % PREFETCH_STEPS == 0:
                k.prefetch(p.weights, after + at * (LINE_FLOATS // PREFETCH_STEPS))
            position[0] += 1
            wv = [k.let(load(p.weights, w0 + at * nr + lanes * j, dtype)) for j in range(vectors)]
            for r in range(mr):
                value = k.let(broadcast(element(p.x, x0[r] + at), lanes))
                for j in range(vectors):
                    n = r * vectors + j
                    k.set(acc, n, fma(element(acc, n), value, wv[j], lanes))

        reduction(k, depth, self.unroll, step)
        for r in range(mr):
            at = k.let((first + r) * self.panels.channels + panel.channel)
            for j in range(vectors):
                value = clamp_float(element(acc, r * vectors + j), self.clamp, lanes)
                k.store(p.out, at + lanes * j, value)
