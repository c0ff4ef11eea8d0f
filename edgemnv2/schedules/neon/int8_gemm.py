"""int8 inner loops of 1x1 convolution on NEON: with dot products (`sdot` by lane), and without.

Without, `smull` and `smlal2` take 16 input channels: two products are added in int16, then `sadalp`
adds neighbours to int32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.gemm import Pointers
from edgemnv2.schedules.neon.gemm import Gemm, accumulate, step_runs
from edgemnv2.schedules.neon.isa import high, low
from edgemnv2.schedules.neon.requantize import Int8Epilogue, pack_parameters
from edgemnv2.tir.builder import Builder, broadcast, element, lane, load, reinterpret
from edgemnv2.tir.tiling import Panel

__all__ = ["LARGEST_SPLIT", "Int8Gemm", "SdotGemm", "WideningGemm", "pairs_fit", "split_weights"]

Expr = Any
Array = NDArray[Any]


SHORT_SUM = 24
"""Input channels up to which a copied bias costs more than one that is loaded anew."""
LARGEST_SPLIT = 254
"""Magnitude of the largest weight that is a sum of two int8 above -128."""


def split_weights(weight: Array) -> list[Array]:
    """int8 arrays that add up to `weight`: one for int8, two for int16 (up to `LARGEST_SPLIT`)."""
    if weight.dtype == np.int8:
        return [weight]
    first = np.clip(weight, -127, 127)
    return [first.astype(np.int8), (weight - first).astype(np.int8)]


def pairs_fit(weight: Array) -> bool:
    """Whether two products fit int16: not if both weights are -128, and both inputs.

    Of weights that are a sum of two, neither is.
    """
    return weight.dtype != np.int8 or int(weight.min()) > -128


@dataclass(frozen=True, eq=False)
class Int8Gemm(Gemm):
    """What the two int8 loops share. `bias` has the input's zero point folded in."""

    requantize: Requantize
    epilogue: Int8Epilogue

    @property
    def parts(self) -> list[Array]:
        """int16 weights (of uint8 models) are sums of two int8 ones, see `split_weights`."""
        return split_weights(self.weight)

    def key(self) -> dict[str, Any]:
        """Also the epilogue's form, and what stands behind the loop."""
        key = {**super().key(), "epilogue": self.epilogue.key, "parts": len(self.parts)}
        return {**key, "apart": self.apart} if self.apart else key

    @property
    def apart(self) -> int:
        """Last steps that are no loop: a core out of order begins what ends a tile beside them."""
        return int(self.isa.reorders and not self.isa.dotprod)

    def accumulate(
        self,
        k: Builder,
        nr: int,
        x0: Expr,
        w0: Expr,
        step: Callable[[Expr, Expr, int, bool], None],
    ) -> None:
        """`step` over all channels, for each part of the weights."""
        for number in range(len(self.parts)):
            at = w0 + number * (self.part_depth * nr)
            accumulate(
                k,
                self.steps,
                nr,
                x0,
                at,
                self.unroll,
                step,
                begins=number == 0,
                apart=self.apart,
            )

    def finish(
        self,
        k: Builder,
        p: Pointers,
        first: Expr,
        mr: int,
        panel: Panel,
        sums: Callable[[int], list[Expr]],
    ) -> None:
        """Requantise and store, pixel by pixel, what `sums` gives of it: int32x4 without bias."""
        epilogue, nr = self.epilogue, panel.width
        constants = epilogue.load(k, p.second, k.let(panel.packed * epilogue.rows), nr)
        rows: list[tuple[Expr, list[Expr]]] = []
        for r in range(mr):
            of_pixel = sums(r)
            if not epilogue.folded:
                pairs = zip(of_pixel, constants.bias, strict=True)
                of_pixel = [k.let(total + bias) for total, bias in pairs]
            rows.append((k.let((first + r) * self.panels.channels + panel.channel), of_pixel))
            # Four channels of two pixels are narrowed together.
            if nr == 4 and r % 2 == 0 and r + 1 < mr:
                continue
            epilogue.store_rows(k, p.out, rows, constants)
            rows = []

    def parameters(self) -> Array:
        """Bias, multiplier and shift, by panels."""
        return pack_parameters(self.bias, self.requantize, self.panels.blocks(), self.epilogue)


@dataclass(frozen=True, eq=False)
class WideningGemm(Int8Gemm):
    """int8 without dot products. Steps of 16 need weights above -128 (two products in int16)."""

    def constants(self) -> list[Array]:
        """Per panel, step and channel the step's weights side by side; parameters."""
        steps = [run for part in self.parts for run in step_runs(part, self.steps)]
        parts = [
            run[:, :, n0 : n0 + n].transpose(0, 2, 1).ravel()
            for n0, n in self.panels.blocks()
            for run in steps
        ]
        return [np.ascontiguousarray(np.concatenate(parts)), self.parameters()]

    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """Accumulators hold partial sums of one output each, added up at the end."""
        isa, depth, nr = self.isa, self.depth, panel.width
        acc = k.registers("int32x4", mr * nr)
        x0, w0 = k.let(first * depth), k.let(panel.packed * self.packed_depth)
        # Products of one channel keep five pixels' sums in registers, and are enough to not wait.
        together = 1 if mr > 4 else 2

        def step(at: Expr, w_at: Expr, size: int, fresh: bool) -> None:
            a = [k.let(load(p.x, at + r * depth, f"int8x{size}")) for r in range(mr)]
            for j in range(0, nr, together):
                columns = range(j, j + together)
                wv = [k.let(load(p.weights, w_at + c * size, f"int8x{size}")) for c in columns]
                pairs = [(r, c) for r in range(mr) for c in columns]
                products = []
                for r, c in pairs:
                    v = wv[c - j]
                    if size == 16:
                        products.append(k.let(isa.smull8(low(v, 8), low(a[r], 8))))
                    else:
                        products.append(k.let(isa.smull8(v, a[r])))
                if size == 16:
                    products = [
                        k.let(pair + isa.smull8(high(wv[c - j], 8), high(a[r], 8)))
                        for pair, (r, c) in zip(products, pairs, strict=True)
                    ]
                for pair, (r, c) in zip(products, pairs, strict=True):
                    i = r * nr + c
                    if fresh:
                        k.set(acc, i, isa.saddlp16(pair))
                    else:
                        k.set(acc, i, isa.sadalp16(element(acc, i), pair))

        self.accumulate(k, nr, x0, w0, step)

        def sums(r: int) -> list[Expr]:
            totals = []
            for i in range(r * nr, (r + 1) * nr, 4):
                a, b = (isa.addp32(element(acc, i + j), element(acc, i + j + 1)) for j in (0, 2))
                totals.append(k.let(isa.addp32(k.let(a), k.let(b))))
            return totals

        self.finish(k, p, first, mr, panel, sums)


@dataclass(frozen=True, eq=False)
class SdotGemm(Int8Gemm):
    """int8 with `sdot`: four input channels of four output channels at a time."""

    def constants(self) -> list[Array]:
        """Per panel and step `[K/4][NR][4]`; parameters."""
        fours = [
            run.reshape(-1, 4, run.shape[2])
            for part in self.parts
            for run in step_runs(part, self.steps)
        ]
        parts = [
            four[:, :, n0 : n0 + n].transpose(0, 2, 1).ravel()
            for n0, n in self.panels.blocks()
            for four in fours
        ]
        return [np.ascontiguousarray(np.concatenate(parts)), self.parameters()]

    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """One accumulator vector for four channels of a pixel."""
        isa, depth, nr, epilogue = self.isa, self.depth, panel.width, self.epilogue
        vectors = nr // 4
        acc = k.registers("int32x4", mr * vectors)
        x0, w0 = k.let(first * depth), k.let(panel.packed * self.packed_depth)
        block = k.let(panel.packed * epilogue.rows)
        short = depth <= SHORT_SUM
        stride = epilogue.no_stride(k, p.second, block, nr) if short else 0
        for r in range(mr):
            again = k.let(block + (first + r) * stride) if short else block
            for j in range(vectors):
                k.set(acc, r * vectors + j, k.let(epilogue.bias(k, p.second, again, j)))

        def step(at: Expr, w_at: Expr, size: int, fresh: bool) -> None:
            a = [k.let(load(p.x, at + r * depth, f"int8x{size}")) for r in range(mr)]
            for g in range(size // 4):
                wv = [
                    k.let(load(p.weights, w_at + (g * 4 * nr + 16 * j), "int8x16"))
                    for j in range(vectors)
                ]
                for r in range(mr):
                    if size == 4:
                        four = broadcast(reinterpret(a[r], "int32"), 4)
                    else:
                        four = lane(reinterpret(a[r], f"int32x{size // 4}"), g, 4)
                    xg = reinterpret(four, "int8x16")
                    for j in range(vectors):
                        i = r * vectors + j
                        k.set(acc, i, isa.sdot(element(acc, i), wv[j], xg))

        self.accumulate(k, nr, x0, w0, step)
        constants = epilogue.load(k, p.second, block, nr)
        for r in range(mr):
            at = k.let((first + r) * self.panels.channels + panel.channel)
            sums = [element(acc, r * vectors + j) for j in range(vectors)]
            epilogue.store(k, p.out, at, sums, constants)
