"""Inner loops of 1x1 convolution in WebAssembly: `i32x4.dot_i16x8_s`, or products and sums.

int8: pixels of a tile are widened (and doubled, which requantisation wants) in scratch memory, a
pair of channels is one splat; weights are widened by the instruction that loads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.avx2.float_gemm import FloatGemm
from edgemnv2.schedules.avx2.gemm import reduction
from edgemnv2.schedules.avx2.int8_gemm import Int8Gemm
from edgemnv2.schedules.gemm import Pointers
from edgemnv2.schedules.wasm.isa import NO_SIMD, Isa
from edgemnv2.schedules.wasm.requantize import BLOCK
from edgemnv2.tir.builder import Builder, broadcast, cast, element, load, reinterpret
from edgemnv2.tir.tiling import Panel

__all__ = ["WebFloatGemm", "WebInt8Gemm"]

Expr = Any
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class WebInt8Gemm(Int8Gemm):
    """int8 by sums of two products. `bias` has the input's zero point folded in."""

    isa: Isa = NO_SIMD

    def constants(self) -> list[Array]:
        """Per panel `[K/2][NR][2]`; parameters."""
        weight = np.zeros((self.padded, self.weight.shape[1]), self.weights_dtype)
        weight[: self.depth] = self.weight
        pairs = weight.reshape(self.padded // 2, 2, -1).transpose(0, 2, 1)
        blocks = self.panels.blocks()
        packed = np.concatenate([pairs[:, n0 : n0 + n].ravel() for n0, n in blocks])
        return [packed, self.epilogue.pack(self.bias, blocks)]

    def _tile(self, k: Builder, p: Pointers, at: Expr, first: Expr, mr: int, panel: Panel) -> None:
        """`at`: the tile's first pixel in scratch; `first`: in the output."""
        blocks, epilogue = range(panel.width // BLOCK), self.epilogue
        acc = [k.registers("int32x4", len(blocks)) for _ in range(mr)]
        w0, q0 = k.let(panel.packed * self.padded), k.let(panel.packed * epilogue.rows)
        x0 = [k.let((at + r) * self.padded) for r in range(mr)]
        for j in blocks:
            bias = k.let(epilogue.bias(p.second, q0, j))
            for row in acc:
                k.set(row, j, bias)

        def step(pair: Expr) -> None:
            weights = []
            for j in blocks:
                begin = w0 + pair * (2 * panel.width) + 2 * BLOCK * j
                stored = load(p.weights, begin, f"{self.weights_dtype}x8")
                weights.append(k.let(cast(stored, "int16x8")))
            for r, row in enumerate(acc):
                both = reinterpret(load(p.scratch, x0[r] + pair * 2, "int16x2"), "int32")
                value = k.let(reinterpret(broadcast(both, BLOCK), "int16x8"))
                for j in blocks:
                    k.set(row, j, element(row, j) + self.isa.dot(value, weights[j]))

        reduction(k, self.padded // 2, self.unroll, step)
        factors = [epilogue.load(k, p.second, q0, j) for j in blocks]
        for r, row in enumerate(acc):
            to = k.let((first + r) * self.panels.channels + panel.channel)
            made = [epilogue.rescale(k, k.let(element(row, j)), factors[j]) for j in blocks]
            epilogue.store(k, p.out, to, made)


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
