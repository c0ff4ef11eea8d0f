"""The inner loops of 1x1 convolution on AVX2: rows of pixels times packed weights.

float32: an input channel, broadcast, times the panel's weights. int8: `vpmaddwd` on pairs of input
channels. The pixels of a tile are widened to int16 (and doubled, which requantisation wants) in
scratch memory; weights stored as int8 are widened by their load, at the price of a shuffle, so few
ones are stored as int16. `vpmaddubsw` would take bytes, but saturates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Requantize
from edgemnv2.schedules.avx2.requantize import Epilogue
from edgemnv2.schedules.avx2.simd import Simd, clamp_float, dot4, fma, madd, panel_order
from edgemnv2.schedules.builder import (
    Builder,
    broadcast,
    cast,
    constant,
    element,
    load,
    reinterpret,
    scalar,
)
from edgemnv2.schedules.tiling import Panel, Panels, copy_pieces, panels_of, walk

__all__ = ["FloatGemm", "Gemm", "Int8Gemm", "Pointers", "gemm_of"]

Expr = Any
Array = NDArray[Any]
LANES = 8
PREFETCH_BYTES = 1 << 17
"""Weights of a layer from which on they are prefetched: a good part of an L2 cache."""
PREFETCH_STEPS = 4
"""Input channels between two prefetches; more lines than a tile's share, which does no harm."""
LINE_FLOATS = 16


@dataclass(frozen=True)
class Pointers:
    """Parameters of the function: input, output, packed weights, bias or parameters, scratch."""

    x: Any
    out: Any
    weights: Any
    second: Any
    scratch: Any = None


@dataclass(frozen=True, eq=False)
class Gemm:
    """`[pixels, depth] x weight` `[depth, N]` with bias and epilogue."""

    simd: Simd
    weight: Array
    bias: Array
    panels: Panels
    unroll: int

    dtype = "float32"
    second_dtype = "float32"
    scratch_dtype = "float32"
    weights_dtype = "float32"

    @property
    def depth(self) -> int:
        """Input channels, the distance from one pixel to the next."""
        return int(self.weight.shape[0])

    def key(self) -> dict[str, Any]:
        """What of this shapes the code."""
        return {
            "K": self.depth,
            "N": self.panels.channels,
            "nr": self.panels.nr,
            "unroll": self.unroll,
            "simd": self.simd,
        }

    def constants(self) -> list[Array]:
        """Packed weights, packed biases or requantisation parameters."""
        raise NotImplementedError

    def scratch_bytes(self, pixels: int, mr: int, order: str) -> int:
        """Scratch that `emit` needs."""
        return 0

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Emit all tiles of `pixels` pixels."""
        raise NotImplementedError

    def emit_gathered(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """The same for pixels that lie in `p.scratch`, in the form that the loop reads."""
        raise NotImplementedError


def reduction(k: Builder, total: int, unroll: int, step: Any) -> None:
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


@dataclass(frozen=True, eq=False)
class FloatGemm(Gemm):
    """float32."""

    clamp: tuple[float, float]

    def key(self) -> dict[str, Any]:
        """Also the clamp."""
        return {**super().key(), "clamp": self.clamp}

    def constants(self) -> list[Array]:
        """Per panel `[K][NR]`; biases by panels."""
        blocks = self.panels.blocks()
        return [
            np.concatenate([self.weight[:, n0 : n0 + n].ravel() for n0, n in blocks]),
            np.concatenate([self.bias[n0 : n0 + n] for n0, n in blocks]),
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
        nr, depth = panel.width, self.depth
        vectors = nr // LANES
        acc = k.registers("float32x8", mr * vectors)
        w0 = k.let(panel.packed * depth)
        x0 = [k.let((first + r) * depth) for r in range(mr)]
        for j in range(vectors):
            b = k.let(load(p.second, panel.packed + LANES * j, "float32x8"))
            for r in range(mr):
                k.set(acc, r * vectors + j, b)

        position = [0]
        after = k.let(w0 + depth * nr + first * share) if share else None

        def step(at: Expr) -> None:
            if share and position[0] % PREFETCH_STEPS == 0:
                k.prefetch(p.weights, after + at * (LINE_FLOATS // PREFETCH_STEPS))
            position[0] += 1
            wv = [
                k.let(load(p.weights, w0 + at * nr + LANES * j, "float32x8"))
                for j in range(vectors)
            ]
            for r in range(mr):
                value = k.let(broadcast(element(p.x, x0[r] + at), LANES))
                for j in range(vectors):
                    n = r * vectors + j
                    k.set(acc, n, fma(element(acc, n), value, wv[j]))

        reduction(k, depth, self.unroll, step)
        for r in range(mr):
            at = k.let((first + r) * self.panels.channels + panel.channel)
            for j in range(vectors):
                value = clamp_float(element(acc, r * vectors + j), self.clamp)
                k.store(p.out, at + LANES * j, value)


@dataclass(frozen=True, eq=False)
class Int8Gemm(Gemm):
    """int8 by `vpmaddwd`. `bias` has the input's zero point folded in."""

    requantize: Requantize
    epilogue: Epilogue
    weights_dtype: str = "int8"

    dtype = "int8"
    second_dtype = "int32"
    scratch_dtype = "int16"

    @property
    def padded(self) -> int:
        """Input channels of a pixel in scratch: an even number."""
        return self.depth + self.depth % 2

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

    def _widen(self, k: Builder, p: Pointers, first: Expr, pixels: int) -> None:
        """Pixels from `first` on into scratch, as int16 times the epilogue's factor."""

        def copy(source: Expr, to: Expr, lanes: int) -> None:
            value = cast(load(p.x, source, f"int8x{lanes}"), f"int16x{lanes}")
            if self.epilogue.doubled == 2:
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
            value = cast(load(p.x, source + i, "int8"), "int32") * self.epilogue.doubled
            k.store(p.scratch, to + i, cast(value, "int16"))

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


@dataclass(frozen=True, eq=False)
class VnniGemm(Int8Gemm):
    """int8 by AVX-512's `vpdpbusd`: exact sums of four products, unsigned by signed bytes.

    Scratch holds the pixels with their top bit flipped, that is, plus 128; `bias` has that folded
    in, too.
    """

    scratch_dtype = "int8"

    @property
    def padded(self) -> int:
        """Bytes of a pixel in scratch: a multiple of four. The rest meets zero weights."""
        return -(-self.depth // 4) * 4

    def constants(self) -> list[Array]:
        """Per panel `[K/4][NR][4]`; parameters."""
        weight = np.zeros((self.padded, self.weight.shape[1]), np.int8)
        weight[: self.depth] = self.weight
        parts = [
            weight[:, n0 : n0 + n].reshape(-1, 4, n).transpose(0, 2, 1).ravel()
            for n0, n in self.panels.blocks()
        ]
        parameters = self.epilogue.pack(self.bias, self.requantize, self.panels.blocks(), doubled=1)
        return [np.concatenate(parts), parameters]

    def scratch_bytes(self, pixels: int, mr: int, order: str) -> int:
        """One tile's pixels, or all of them when panels are outermost."""
        return self.padded * (pixels if order == "panel" else min(mr, pixels))

    def _widen(self, k: Builder, p: Pointers, first: Expr, pixels: int) -> None:
        """Pixels from `first` on into scratch, plus 128."""

        def copy(source: Expr, to: Expr, lanes: int) -> None:
            flip = constant(-128, "int8", lanes) if lanes > 1 else scalar(-128, "int8")
            value = load(p.x, source, f"int8x{lanes}" if lanes > 1 else "int8")
            k.store(p.scratch, to, value ^ flip)

        whole = self.padded == self.depth
        count, total = (1, pixels * self.depth) if whole else (pixels, self.depth)
        for number in range(count):
            source = k.let((first + number) * self.depth)
            to = number * self.padded
            vectors = total // 64
            if vectors > 4:
                with k.loop(vectors) as i:
                    copy(source + i * 64, to + i * 64, 64)
            else:
                for i in range(vectors):
                    copy(source + i * 64, to + i * 64, 64)
            for n, lanes in copy_pieces(vectors * 64, total):
                copy(source + n, to + n, lanes)

    def _tile(self, k: Builder, p: Pointers, at: Expr, first: Expr, mr: int, panel: Panel) -> None:
        """`at`: the tile's first pixel in scratch; `first`: in the output."""
        nr, padded, epilogue = panel.width, self.padded, self.epilogue
        vectors = nr // 16
        acc = k.registers("int32x16", mr * vectors)
        w0, q0 = k.let(panel.packed * padded), k.let(panel.packed * epilogue.rows)
        x0 = [k.let((at + r) * padded) for r in range(mr)]
        for j in range(vectors):
            b = k.let(epilogue.bias(p.second, q0, j))
            for r in range(mr):
                k.set(acc, r * vectors + j, b)

        def step(i: Expr) -> None:
            wv = []
            for j in range(vectors):
                four = load(p.weights, w0 + i * (4 * nr) + 64 * j, "int8x64")
                wv.append(k.let(four))
            for r in range(mr):
                four = reinterpret(load(p.scratch, x0[r] + i * 4, "int8x4"), "int32")
                value = k.let(reinterpret(broadcast(four, 16), "int8x64"))
                for j in range(vectors):
                    n = r * vectors + j
                    k.set(acc, n, dot4(element(acc, n), value, wv[j]))

        reduction(k, padded // 4, self.unroll, step)
        q = [epilogue.load(k, p.second, q0, j) for j in range(vectors)]
        for r in range(mr):
            to = k.let((first + r) * self.panels.channels + panel.channel)
            values = []
            for j in range(vectors):
                total = element(acc, r * vectors + j)
                if epilogue.doubled == 2:
                    total = k.let(total + total)
                values.append(epilogue.rescale(k, total, q[j]))
            epilogue.store(k, p.out, to, values)


def largest_sum(weight: Array, bias: Array) -> int:
    """A bound on the accumulators: |bias| plus 255 times the weights' magnitudes."""
    magnitude = np.abs(weight.astype(np.int64)).reshape(-1, weight.shape[-1]).sum(axis=0)
    return int((np.abs(bias.astype(np.int64)) + 255 * magnitude).max())


def takes_bytes(simd: Simd, weight: Array, decisions: Mapping[str, Any]) -> bool:
    """Whether integer pixels by `weight` are a `VnniGemm`."""
    return simd.vnni and weight.dtype == np.int8 and int(decisions["nr"]) % 16 == 0


def gemm_of(
    simd: Simd,
    weight: Array,
    bias: Array,
    clamp: tuple[float, float],
    decisions: Mapping[str, Any],
    requantize: Requantize | None,
    zero_in: int,
    zero_out: int,
) -> Gemm | None:
    """The loop for `weight` `[K, N]`, or None where there are fewer than eight channels.

    `bias` is the layer's own; the input's zero point `zero_in` is folded in here.
    """
    nr = int(decisions["nr"])
    wide = takes_bytes(simd, weight, decisions) and requantize is not None
    panels = panels_of(weight.shape[1], nr, 16 if wide else LANES)
    unroll = int(decisions["unroll"])
    if panels is None:
        return None
    if requantize is None:
        return FloatGemm(simd, weight, bias, panels, unroll, clamp)
    if not Epilogue.supports(requantize):
        return None
    bias = bias.astype(np.int64) - zero_in * weight.astype(np.int64).sum(axis=0)
    bound = largest_sum(weight, bias)
    if wide:
        epilogue = Epilogue.of(requantize, zero_out, clamp, bound, 16)
        bias = bias - 128 * weight.astype(np.int64).sum(axis=0)
        return VnniGemm(simd, weight, bias, panels, unroll, requantize, epilogue)
    epilogue = Epilogue.of(requantize, zero_out, clamp, bound)
    stored = "int16" if weight.dtype == np.int16 else str(decisions.get("weights", "int8"))
    return Int8Gemm(simd, weight, bias, panels, unroll, requantize, epilogue, stored)
