"""Inner loops of 1x1 convolution in WebAssembly: `i32x4.dot_i16x8_s`, or products and sums.

V8 has 15 vectors: what a step of the inner loop loads must fit beside the accumulators, so steps
are not copied. int8: the pixels of a block are widened in scratch memory, a pair of channels is one
splat; the weights of a panel are widened there, too, once for all pixels of the block (`wide`), or
by the instruction that loads them. The sums of a block's pixels are requantised in a loop of their
own, which keeps the constants of eight channels in vectors.

On an x86 core two `pmaddwd` begin in a cycle, but a `paddd` may take the place of one: a pair of
both takes 0.61 cycles on a Zen 4, so 64 multiplications 4.9 cycles. The loop takes 5.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.avx2.float_gemm import FloatGemm
from edgemnv2.schedules.avx2.gemm import reduction
from edgemnv2.schedules.avx2.int8_gemm import WidenedGemm
from edgemnv2.schedules.gemm import Pointers
from edgemnv2.schedules.wasm.isa import NO_SIMD, Isa
from edgemnv2.schedules.wasm.requantize import BLOCK, WebEpilogue
from edgemnv2.tir.builder import Builder, broadcast, cast, element, load, reinterpret
from edgemnv2.tir.tiling import Panel, runs

__all__ = ["WebFloatGemm", "WebInt8Gemm"]

Expr = Any
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class WebInt8Gemm(WidenedGemm):
    """int8 by sums of two products. `bias` has the input's zero point folded in."""

    epilogue: WebEpilogue
    block: int
    weights_dtype: str = "int8"
    wide: bool = False
    isa: Isa = NO_SIMD

    def key(self) -> dict[str, Any]:
        """Also the epilogue's form, the size of blocks, and whether weights are widened first."""
        return {
            **super().key(),
            "epilogue": self.epilogue.key,
            "weights": self.weights_dtype,
            "block": self.block,
            "wide": self.wide,
        }

    def constants(self) -> list[Array]:
        """Per panel `[K/2][NR][2]`; parameters."""
        weight = np.zeros((self.padded, self.weight.shape[1]), self.weights_dtype)
        weight[: self.depth] = self.weight
        pairs = weight.reshape(self.padded // 2, 2, -1).transpose(0, 2, 1)
        blocks = self.panels.blocks()
        packed = np.concatenate([pairs[:, n0 : n0 + n].ravel() for n0, n in blocks])
        return [packed, self.epilogue.pack(self.bias, blocks)]

    @property
    def extra_bytes(self) -> int:
        """The widened weights of a panel, which lie behind the pixels."""
        widest = max(width for _, width in self.panels.blocks())
        return 2 * self.padded * widest if self.wide else 0

    def scratch_bytes(self, pixels: int, mr: int, order: str) -> int:
        """The widened pixels of one block and what is behind them."""
        return 2 * self.padded * min(self.block, pixels) + self.extra_bytes

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Widen, then multiply, block by block."""
        behind = self.padded * min(self.block, pixels)
        for first, size in runs(k, pixels, self.block):
            self._widen(k, p, first, size)
            for panel in self.panels.each(k):
                weights = self._weights(k, p, panel, behind)
                self._panel(k, p, weights, 0, first, size, mr, panel)

    def emit_gathered(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """All pixels are in scratch as int16 already."""
        behind = self.padded * pixels
        for first, size in runs(k, pixels, self.block):
            for panel in self.panels.each(k):
                weights = self._weights(k, p, panel, behind)
                self._panel(k, p, weights, first, first, size, mr, panel)

    def _weights(
        self, k: Builder, p: Pointers, panel: Panel, behind: int
    ) -> Callable[[Expr], Expr]:
        """Eight weights of a panel from a place in it on as int16x8; they are widened here."""
        stored, first = f"{self.weights_dtype}x8", k.let(panel.packed * self.padded)
        if not self.wide:
            return lambda at: cast(load(p.weights, first + at, stored), "int16x8")
        with k.loop(self.padded * panel.width // 8) as i:
            value = cast(load(p.weights, first + i * 8, stored), "int16x8")
            k.store(p.scratch, i * 8 + behind, value)
        return lambda at: load(p.scratch, at + behind, "int16x8")

    def _panel(
        self,
        k: Builder,
        p: Pointers,
        weights: Callable[[Expr], Expr],
        at: Expr,
        first: Expr,
        size: int,
        mr: int,
        panel: Panel,
    ) -> None:
        """`size` pixels, which begin at `at` in scratch, at `first` in the output."""
        vectors, epilogue = panel.width // BLOCK, self.epilogue
        q0 = k.let(panel.packed * epilogue.rows)
        sums = k.registers("int32x4", size * vectors)
        for begin, count in runs(k, size, mr):
            self._sums(k, p, weights, k.let(at + begin), begin, count, panel, sums)
        factors = [epilogue.load(k, p.second, q0, j) for j in range(vectors)]
        with k.loop(size) as i:
            made = [
                epilogue.rescale(k, k.let(element(sums, i * vectors + j)), factors[j])
                for j in range(vectors)
            ]
            to = k.let((first + i) * self.panels.channels + panel.channel)
            epilogue.store(k, p.out, to, made)

    def _sums(
        self,
        k: Builder,
        p: Pointers,
        weights: Callable[[Expr], Expr],
        at: Expr,
        begin: Expr,
        mr: int,
        panel: Panel,
        sums: Any,
    ) -> None:
        """`mr` pixels from `at` in scratch on into `sums` from pixel `begin` on."""
        blocks, epilogue = range(panel.width // BLOCK), self.epilogue
        acc = [k.registers("int32x4", len(blocks)) for _ in range(mr)]
        q0 = k.let(panel.packed * epilogue.rows)
        x0 = k.let(at * self.padded)
        for j in blocks:
            bias = k.let(epilogue.bias(p.second, q0, j))
            for row in acc:
                k.set(row, j, bias)

        def step(pair: Expr) -> None:
            loaded = [k.let(weights(pair * (2 * panel.width) + 2 * BLOCK * j)) for j in blocks]
            for r, row in enumerate(acc):
                both = load(p.scratch, x0 + pair * 2 + r * self.padded, "int16x2")
                value = k.let(reinterpret(broadcast(reinterpret(both, "int32"), BLOCK), "int16x8"))
                for j in blocks:
                    k.set(row, j, element(row, j) + self.isa.dot(value, loaded[j]))

        reduction(k, self.padded // 2, self.unroll, step)
        for r, row in enumerate(acc):
            for j in blocks:
                k.set(sums, (begin + r) * len(blocks) + j, element(row, j))


@dataclass(frozen=True, eq=False)
class WebFloatGemm(FloatGemm):
    """float32 by vectors of four."""

    isa: Isa = NO_SIMD

    def _tile(
        self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel, share: int
    ) -> None:
        """`share` is of prefetching, which WebAssembly has none of."""
        vectors = range(panel.width // BLOCK)
        acc = [k.registers("float32x4", len(vectors)) for _ in range(mr)]
        w0 = k.let(panel.packed * self.depth)
        x0 = [k.let((first + r) * self.depth) for r in range(mr)]
        for j in vectors:
            bias = k.let(load(p.second, panel.packed + BLOCK * j, "float32x4"))
            for row in acc:
                k.set(row, j, bias)

        def step(at: Expr) -> None:
            begin = w0 + at * panel.width
            weights = [k.let(load(p.weights, begin + BLOCK * j, "float32x4")) for j in vectors]
            for r, row in enumerate(acc):
                value = k.let(broadcast(element(p.x, x0[r] + at), BLOCK))
                for j in vectors:
                    total = self.isa.multiply_add(element(row, j), value, weights[j])
                    k.set(row, j, total)

        reduction(k, self.depth, self.unroll, step)
        for r, row in enumerate(acc):
            to = k.let((first + r) * self.panels.channels + panel.channel)
            for j in vectors:
                k.store(p.out, to + BLOCK * j, self.isa.clamp(element(row, j), self.clamp))
