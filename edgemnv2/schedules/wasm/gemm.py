"""Inner loops of 1x1 convolution in WebAssembly: `i32x4.dot_i16x8_s`, or products and sums.

V8 has 15 vectors: what a step of the inner loop loads must fit beside the accumulators, so steps
are not copied. int8: the pixels of a block are widened in scratch memory, a pair of channels is one
splat; the weights of a panel are widened there, too, once for all pixels of the block (`wide`), or
by the instruction that loads them. The sums of a block's pixels are requantised in a loop of their
own, which keeps the constants of eight channels in vectors.

The pairs of a tile's pixels lie side by side: where a step finds them does not depend on how many
channels there are, so layers of all depths share one loop.

The loops are functions of their own, which layers share and call often: V8 compiles a function well
only after it has run for a while, and a call that has begun ends in the slow code. So the first
inference leaves the slow code early.

On an x86 core two `pmaddwd` begin in a cycle, but a `paddd` may take the place of one: a pair of
both takes 0.61 cycles on a Zen 4, so 64 multiplications 4.9 cycles. The loop takes 5.6.
"""

from __future__ import annotations

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
from edgemnv2.tir.builder import (
    Builder,
    address,
    broadcast,
    cast,
    element,
    load,
    reinterpret,
    scalar,
    shuffle,
    split_tiles,
    symbol_name,
)
from edgemnv2.tir.tiling import runs

__all__ = ["WebFloatGemm", "WebInt8Gemm"]

Expr = Any
Array = NDArray[Any]
WIDE = 16
"""Numbers that are widened at once."""
OCTET = 8
"""Of a pixel's that are widened at once."""


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
            self._widen_tiles(k, p, first, size, mr)
            self._panels(k, p, 0, first, size, mr, behind)

    def emit_gathered(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """All pixels are in scratch as int16 already."""
        for first, size in runs(k, pixels, self.block):
            self._panels(k, p, first, first, size, mr, self.padded * pixels, woven=False)

    def _widen_tiles(self, k: Builder, p: Pointers, first: Expr, pixels: int, mr: int) -> None:
        """Pixels from `first` on into scratch, the tiles that `_panels` makes of them."""
        for start, tiles, each in split_tiles(pixels, mr):
            k.call(
                _woven(each, self.depth % OCTET),
                address(p.x, k.let((first + start) * self.depth)),
                address(p.scratch, start * self.padded),
                tiles,
                self.depth // OCTET,
            )

    def _panels(
        self,
        k: Builder,
        p: Pointers,
        at: Expr,
        first: Expr,
        size: int,
        mr: int,
        behind: int,
        woven: bool = True,
    ) -> None:
        """`size` pixels, which begin at `at` in scratch, at `first` in the output.

        `behind`: where in scratch a panel's weights are widened. `woven`: pairs of a tile's pixels
        lie side by side, otherwise one pixel behind the other.
        """
        for panel in self.panels.each(k):
            vectors, w0 = panel.width // BLOCK, k.let(panel.packed * self.padded)
            weights, stored = address(p.weights, w0), self.weights_dtype
            if self.wide:
                many = self.padded * panel.width // WIDE
                k.call(_widen(stored), weights, address(p.scratch, behind), many)
                weights, stored = address(p.scratch, behind), "int16"
            q0 = k.let(panel.packed * self.epilogue.rows)
            parameters = address(p.second, 0)
            biases, apart = address(p.second, q0 + self.epilogue.head), self.epilogue.apart
            sums = k.registers("int32x4", size * vectors)
            for start, tiles, each in split_tiles(size, mr):
                x = address(p.scratch, (at + start) * self.padded)
                made = address(sums, start * vectors)
                inner = self._sums(each, panel.width, stored, woven or each == 1)
                k.call(inner, x, weights, biases, made, apart, tiles, self.padded // 2)
            to = address(p.out, first * self.panels.channels + panel.channel)
            inner = self._rescaled(vectors)
            k.call(inner, address(sums, 0), parameters, to, q0, size, self.panels.channels)

    def _sums(self, mr: int, width: int, stored: str, woven: bool) -> Builder:
        """Sums of tiles of `mr` pixels, of `pairs` of numbers, with a panel of `width` channels.

        `apart`: from the biases of four channels to the next.
        """
        blocks = range(width // BLOCK)
        known = self.padded // 2
        # From a pixel of a pair to the next, and from a pair of a pixel.
        across, along = (2, 2 * mr) if woven else (self.padded, 2)
        key = (mr, width, self.unroll, known % self.unroll, stored, across)
        k = Builder(symbol_name("sums", {"key": key}))
        x, weights = k.pointer("x", "int16"), k.pointer("weights", stored)
        biases, sums = k.pointer("biases", "int32"), k.pointer("sums", "int32")
        apart, tiles, pairs = (k.number(name) for name in ("apart", "tiles", "pairs"))
        with k.loop(tiles) as tile:
            acc = [k.registers("int32x4", len(blocks)) for _ in range(mr)]
            pixels = k.view(x, tile * pairs * (2 * mr))
            for j in blocks:
                bias = k.let(load(biases, apart * j, "int32x4"))
                for row in acc:
                    k.set(row, j, bias)

            def step(pair: Expr) -> None:
                places = [pair * (2 * width) + 2 * BLOCK * j for j in blocks]
                loaded = [
                    k.let(cast(load(weights, place, f"{stored}x8"), "int16x8")) for place in places
                ]
                for r, row in enumerate(acc):
                    both = reinterpret(load(pixels, pair * along + r * across, "int16x2"), "int32")
                    value = k.let(reinterpret(broadcast(both, BLOCK), "int16x8"))
                    for j in blocks:
                        k.set(row, j, element(row, j) + self.isa.dot(value, loaded[j]))

            with k.loop(pairs // self.unroll) as i:
                for u in range(self.unroll):
                    step(i * self.unroll + u)
            for number in range(known % self.unroll):
                step(pairs - 1 - number)
            to = k.let(tile * (mr * width))
            for r, row in enumerate(acc):
                for j in blocks:
                    k.store(sums, to + (r * width + BLOCK * j), element(row, j))
        return k

    def _rescaled(self, vectors: int) -> Builder:
        """Sums of one panel, pixel by pixel, as int8."""
        epilogue = self.epilogue
        k = Builder(symbol_name("rescaled", {"vectors": vectors, "epilogue": epilogue.key}))
        sums, second = k.pointer("sums", "int32"), k.pointer("parameters", "int32")
        out, q0 = k.pointer("out", self.out_dtype), k.number("q0")
        size, channels = k.number("size"), k.number("channels")
        factors = [epilogue.load(k, second, q0, j) for j in range(vectors)]
        with k.loop(size) as i:
            loaded = [
                k.let(load(sums, (i * vectors + j) * BLOCK, "int32x4")) for j in range(vectors)
            ]
            made = [epilogue.rescale(k, x, f) for x, f in zip(loaded, factors, strict=True)]
            epilogue.store(k, out, k.let(i * channels), made)
        return k


def _woven(each: int, rest: int) -> Builder:
    """`tiles` of `each` int8 pixels as int16, the pairs of a tile's pixels side by side.

    A pixel has eight times `octets` channels and `rest`; half a pair has a zero beside it.
    """
    k = Builder(symbol_name("woven", {"key": (each, rest)}))
    x, out = k.pointer("x", "int8"), k.pointer("out", "int16")
    tiles, octets = k.number("tiles"), k.number("octets")
    depth = k.let(octets * OCTET + rest)
    with k.loop(tiles) as tile:
        from_, to = k.let(tile * depth * each), k.let(tile * (depth + rest % 2) * each)
        with k.loop(octets) as octet:
            rows = []
            for r in range(each):
                stored = load(x, from_ + r * depth + octet * OCTET, f"int8x{OCTET}")
                rows.append(k.let(reinterpret(cast(stored, f"int16x{OCTET}"), "int32x4")))
            for number, value in enumerate(_interleaved(k, rows)):
                at = to + (octet * each + number) * OCTET
                k.store(out, at, reinterpret(value, f"int16x{OCTET}"))
        begin = octets * OCTET
        for r in range(each):
            for number in range(rest + rest % 2):
                value = scalar(0, "int16")
                if number < rest:
                    value = cast(load(x, from_ + r * depth + begin + number, "int8"), "int16")
                pair, half = divmod(number, 2)
                k.store(out, to + begin * each + (pair * each + r) * 2 + half, value)
    return k


def _interleaved(k: Builder, rows: list[Expr]) -> list[Expr]:
    """Lane 0 of all vectors of four, lane 1 of all, and so on, in as many vectors."""
    if len(rows) == 4:
        # In two steps of what x86 has one instruction for.
        halves = [
            [k.let(shuffle([a, b], lanes)) for a, b in (rows[:2], rows[2:])]
            for lanes in ((0, 4, 1, 5), (2, 6, 3, 7))
        ]
        return [shuffle(pair, lanes) for pair in halves for lanes in ((0, 1, 4, 5), (2, 3, 6, 7))]
    count = len(rows)
    order = [row * 4 + lane for lane in range(4) for row in range(count)]
    return [shuffle(rows, order[4 * n : 4 * n + 4]) for n in range(count)] if count > 1 else rows


def _widen(stored: str) -> Builder:
    """`count` times sixteen numbers as int16."""
    k = Builder(f"widened_{stored}")
    x, out, count = k.pointer("x", stored), k.pointer("out", "int16"), k.number("count")
    with k.loop(count) as i:
        value = cast(load(x, i * WIDE, f"{stored}x{WIDE}"), f"int16x{WIDE}")
        k.store(out, i * WIDE, value)
    return k


@dataclass(frozen=True, eq=False)
class WebFloatGemm(FloatGemm):
    """float32 by vectors of four."""

    isa: Isa = NO_SIMD

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Tiles in either order, by functions that layers of one depth share."""
        panels = self.panels
        full = [(0, 0, panels.nr, panels.full)] if panels.full else []
        tail = (panels.channels - panels.tail, panels.full * panels.nr, panels.tail, 1)
        for start, tiles, each in split_tiles(pixels, mr):
            once, at_once = (tiles, 1) if order == "pixel" else (1, tiles)
            with k.loop(once) as i:
                first = k.let(i * each + start)
                for channel, packed, width, count in [*full, *([tail] if panels.tail else [])]:
                    k.call(
                        self._tiles(each, width),
                        address(p.x, first * self.depth),
                        address(p.weights, packed * self.depth),
                        address(p.second, packed),
                        address(p.out, first * panels.channels + channel),
                        count,
                        at_once,
                        panels.channels,
                    )

    def _tiles(self, mr: int, width: int) -> Builder:
        """Tiles of `mr` pixels with panels of `width` channels, all tiles with one, then the next.

        `channels`: from a pixel of the output to the next.
        """
        vectors = range(width // BLOCK)
        key = (self.depth, mr, width, self.unroll, self.clamp)
        k = Builder(symbol_name("tiles_float32", {"key": key}))
        x, weights = k.pointer("x", "float32"), k.pointer("weights", "float32")
        second, out = k.pointer("bias", "float32"), k.pointer("out", "float32")
        panels, tiles, channels = (k.number(name) for name in ("panels", "tiles", "channels"))
        with k.loop(panels) as panel, k.loop(tiles) as tile:
            acc = [k.registers("float32x4", len(vectors)) for _ in range(mr)]
            w0, n0 = k.let(panel * (width * self.depth)), k.let(panel * width)
            x0 = k.let(tile * (mr * self.depth))
            for j in vectors:
                bias = k.let(load(second, n0 + BLOCK * j, "float32x4"))
                for row in acc:
                    k.set(row, j, bias)

            def step(at: Expr) -> None:
                places = [w0 + at * width + BLOCK * j for j in vectors]
                loaded = [k.let(load(weights, place, "float32x4")) for place in places]
                for r, row in enumerate(acc):
                    value = k.let(broadcast(element(x, x0 + r * self.depth + at), BLOCK))
                    for j in vectors:
                        total = self.isa.multiply_add(element(row, j), value, loaded[j])
                        k.set(row, j, total)

            reduction(k, self.depth, self.unroll, step)
            for r, row in enumerate(acc):
                to = k.let((tile * mr + r) * channels + n0)
                for j in vectors:
                    k.store(out, to + BLOCK * j, self.isa.clamp(element(row, j), self.clamp))
        return k
