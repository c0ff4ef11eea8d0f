"""The three inner loops of 1x1 convolution on NEON: rows of pixels times packed weights.

float32 (`fmla` by lane), int8 with dot products (`sdot` by lane), and int8 without
(`smull`/`smlal2` over 16 input channels, two products added in int16, then `sadalp`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Requantize
from edgemnv2.schedules.builder import (
    Builder,
    broadcast,
    cast,
    constant,
    element,
    lane,
    load,
    reinterpret,
    shuffle,
)
from edgemnv2.schedules.neon.isa import LANES, Isa, high, low
from edgemnv2.schedules.neon.requantize import Int8Epilogue, pack_parameters
from edgemnv2.schedules.tiling import Panel, Panels, panels_of, walk

__all__ = ["FloatGemm", "Gemm", "SdotGemm", "Step", "WideningGemm", "steps_of"]

Expr = Any
Array = NDArray[Any]
UNROLL_STEPS = 4
"""Reductions of at most so many steps are written out without a loop."""
CHUNK_STEPS = 8
"""float16 sums of 64 products go to float32: beyond that, rounding would grow with the depth."""


@dataclass(frozen=True)
class Step:
    """One step over the input channels: `size` of them from `channel` on.

    The first `skip` of them were covered by an earlier step and have zero weights here: the step
    was moved back to end with the last channel.
    """

    channel: int
    size: int
    skip: int = 0


def steps_of(depth: int, size: int, smallest: int) -> list[Step] | None:
    """Steps of `size` over `depth` channels; the rest by one or two shorter or moved-back steps.

    None where `depth` is less than the smallest step.
    """
    steps = [Step(k, size) for k in range(0, depth - size + 1, size)]
    done = len(steps) * size
    while done < depth:
        rest = depth - done
        width = smallest
        while width * 2 <= size and rest >= width * 2 and width < rest:
            width *= 2
        if rest < width or (width < rest and width * 2 <= size and depth >= width * 2):
            width = width if rest <= width else width * 2
        if depth < width:
            return None
        start = min(done, depth - width)
        steps.append(Step(start, width, done - start))
        done = start + width
    return steps


def accumulate(
    k: Builder,
    steps: list[Step],
    nr: int,
    x0: Expr,
    w0: Expr,
    unroll: int,
    step: Callable[[Expr, Expr, int, bool], None],
    *,
    written_out: int = UNROLL_STEPS,
    peel: bool = True,
) -> None:
    """Call `step(x offset, w offset, size, fresh)` over `steps`; equal full steps become a loop.

    With `peel` the first step stands alone: it may start the accumulators (`fresh`), so that
    nothing clears them before. Up to `written_out` steps need no loop.
    """
    size = steps[0].size
    full = sum(1 for s in steps if s.size == size and s.skip == 0)
    rest = steps[full:]
    if full <= written_out:
        head, loops = full, 0
    else:
        head = 1 + (full - 1) % unroll if peel else full % unroll
        loops = (full - head) // unroll
    for i in range(head):
        step(x0 + i * size, w0 + i * size * nr, size, i == 0)
    if loops:
        with k.loop(loops) as ko:
            for u in range(unroll):
                number = ko * unroll + (head + u)
                step(x0 + number * size, w0 + number * (size * nr), size, False)
    w_at = full * size * nr
    for s in rest:
        step(x0 + s.channel, w0 + w_at, s.size, full == 0 and s is rest[0])
        w_at += s.size * nr


def step_block(weight: Array, step: Step) -> Array:
    """Rows of `weight` `[K, N]` that `step` multiplies, the skipped ones zero."""
    block = np.array(weight[step.channel : step.channel + step.size])
    block[: step.skip] = 0
    return block


@dataclass(frozen=True, eq=False)
class Gemm:
    """`[pixels, depth] x weight` `[depth, N]` with bias and epilogue, `N` channels out.

    `tile` emits one `mr x panel` tile; `constants` are the packed weights and the rest, in the
    order of the kernel's parameters.
    """

    isa: Isa
    weight: Array
    bias: Array
    panels: Panels
    steps: list[Step]
    unroll: int

    out_dtype = "int8"

    @property
    def dtype(self) -> str:
        """Of pixels and weights."""
        return "int8"

    @property
    def second_dtype(self) -> str:
        """Of the last constant."""
        return "int32"

    @property
    def depth(self) -> int:
        """Input channels, the distance from one pixel to the next."""
        return int(self.weight.shape[0])

    @property
    def packed_depth(self) -> int:
        """Weights of one output channel after packing."""
        return sum(step.size for step in self.steps)

    def key(self) -> dict[str, Any]:
        """What of this shapes the code."""
        return {
            "K": self.depth,
            "N": self.panels.channels,
            "nr": self.panels.nr,
            "steps": [(s.channel, s.size) for s in self.steps],
            "unroll": self.unroll,
            "isa": self.isa,
        }

    def constants(self) -> list[Array]:
        """Packed weights, packed biases or requantisation parameters."""
        raise NotImplementedError

    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """Emit the tile of `mr` pixels from `first` on by the channels of `panel`."""
        raise NotImplementedError

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Emit all tiles of `pixels` pixels."""
        walk(
            k,
            pixels,
            mr,
            self.panels,
            order,
            lambda first, m, panel: self.tile(k, p, first, m, panel),
        )


@dataclass(frozen=True)
class Pointers:
    """Parameters of the function: input, output, packed weights, and bias or parameters."""

    x: Any
    out: Any
    weights: Any
    second: Any


@dataclass(frozen=True, eq=False)
class Int8Gemm(Gemm):
    """What the two int8 loops share. `bias` has the input's zero point folded in."""

    requantize: Requantize
    epilogue: Int8Epilogue

    def key(self) -> dict[str, Any]:
        """Also the epilogue's form."""
        return {**super().key(), "epilogue": self.epilogue.key}

    def parameters(self) -> Array:
        """Bias, multiplier and shift, by panels."""
        return pack_parameters(self.bias, self.requantize, self.panels.blocks(), self.epilogue)


@dataclass(frozen=True, eq=False)
class WideningGemm(Int8Gemm):
    """int8 without dot products. Steps of 16 need weights above -128 (two products in int16)."""

    def constants(self) -> list[Array]:
        """Per panel, step and channel the step's weights side by side; parameters."""
        parts = [
            step_block(self.weight, step)[:, n0 : n0 + n].T.ravel()
            for n0, n in self.panels.blocks()
            for step in self.steps
        ]
        return [np.ascontiguousarray(np.concatenate(parts)), self.parameters()]

    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """Accumulators hold partial sums of one output each, added up at the end."""
        isa, depth, nr, epilogue = self.isa, self.depth, panel.width, self.epilogue
        acc = k.registers("int32x4", mr * nr)
        x0, w0 = k.let(first * depth), k.let(panel.packed * self.packed_depth)

        def step(at: Expr, w_at: Expr, size: int, fresh: bool) -> None:
            a = [k.let(load(p.x, at + r * depth, f"int8x{size}")) for r in range(mr)]
            for j in range(0, nr, 2):
                columns = range(j, j + 2)
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
                        k.let(product + isa.smull8(high(wv[c - j], 8), high(a[r], 8)))
                        for product, (r, c) in zip(products, pairs, strict=True)
                    ]
                for product, (r, c) in zip(products, pairs, strict=True):
                    i = r * nr + c
                    if fresh:
                        k.set(acc, i, isa.saddlp16(product))
                    else:
                        k.set(acc, i, isa.sadalp16(element(acc, i), product))

        accumulate(k, self.steps, nr, x0, w0, self.unroll, step)
        constants = epilogue.load(k, p.second, k.let(panel.packed * epilogue.rows), nr)
        for r in range(mr):
            sums = []
            for j in range(0, nr, 4):
                a = [element(acc, r * nr + j + i) for i in range(4)]
                total = isa.addp32(k.let(isa.addp32(a[0], a[1])), k.let(isa.addp32(a[2], a[3])))
                sums.append(k.let(total + constants.bias[j // 4]))
            at = k.let((first + r) * self.panels.channels + panel.channel)
            epilogue.store(k, p.out, at, sums, constants)


@dataclass(frozen=True, eq=False)
class SdotGemm(Int8Gemm):
    """int8 with `sdot`: four input channels of four output channels at a time."""

    def constants(self) -> list[Array]:
        """Per panel and step `[K/4][NR][4]`; parameters."""
        parts = []
        for n0, n in self.panels.blocks():
            for step in self.steps:
                block = step_block(self.weight, step)[:, n0 : n0 + n]
                parts.append(block.reshape(step.size // 4, 4, n).transpose(0, 2, 1).ravel())
        return [np.ascontiguousarray(np.concatenate(parts)), self.parameters()]

    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """One accumulator vector for four channels of a pixel."""
        isa, depth, nr, epilogue = self.isa, self.depth, panel.width, self.epilogue
        vectors = nr // 4
        acc = k.registers("int32x4", mr * vectors)
        x0, w0 = k.let(first * depth), k.let(panel.packed * self.packed_depth)
        block = k.let(panel.packed * epilogue.rows)
        for j in range(vectors):
            b = k.let(epilogue.bias(k, p.second, block, j))
            for r in range(mr):
                k.set(acc, r * vectors + j, b)

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

        accumulate(k, self.steps, nr, x0, w0, self.unroll, step)
        constants = epilogue.load(k, p.second, block, nr)
        for r in range(mr):
            at = k.let((first + r) * self.panels.channels + panel.channel)
            sums = [element(acc, r * vectors + j) for j in range(vectors)]
            epilogue.store(k, p.out, at, sums, constants)


@dataclass(frozen=True, eq=False)
class FloatGemm(Gemm):
    """float32 or float16: each input channel's lane times the weights of the panel.

    float16 accumulates in float16, long sums by chunks. `out_dtype` may be float32 all the same.
    """

    clamp: tuple[float, float]
    kind: str = "float32"
    out_dtype: str = "float32"

    @property
    def dtype(self) -> str:
        """Of pixels and weights."""
        return self.kind

    @property
    def second_dtype(self) -> str:
        """Of the biases."""
        return self.kind

    def key(self) -> dict[str, Any]:
        """Also the clamp and the types."""
        return {**super().key(), "clamp": self.clamp, "types": (self.kind, self.out_dtype)}

    def constants(self) -> list[Array]:
        """Per panel and input channel the panel's weights; biases by panels."""
        blocks = self.panels.blocks()
        packed = [
            step_block(self.weight, step)[:, n0 : n0 + n].ravel()
            for n0, n in blocks
            for step in self.steps
        ]
        biases = [self.bias[n0 : n0 + n] for n0, n in blocks]
        return [np.concatenate(part).astype(self.kind) for part in (packed, biases)]

    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """Accumulators start from the bias."""
        isa, depth, nr, dtype = self.isa, self.depth, panel.width, self.kind
        lanes = LANES[dtype]
        vectors, full = nr // lanes, f"{dtype}x{lanes}"
        acc = k.registers(full, mr * vectors)
        x0, w0 = k.let(first * depth), k.let(panel.packed * self.packed_depth)
        for j in range(vectors):
            b = k.let(load(p.second, panel.packed + lanes * j, full))
            for r in range(mr):
                k.set(acc, r * vectors + j, b)

        def step(at: Expr, w_at: Expr, size: int, fresh: bool) -> None:
            taken = min(size, lanes)
            for q in range(0, size, taken):
                a = [k.let(load(p.x, at + (r * depth + q), f"{dtype}x{taken}")) for r in range(mr)]
                for i in range(taken):
                    row = w_at + (q + i) * nr
                    wv = [k.let(load(p.weights, row + lanes * j, full)) for j in range(vectors)]
                    for r in range(mr):
                        value = lane(a[r], i, lanes)
                        for j in range(vectors):
                            n = r * vectors + j
                            k.set(acc, n, isa.fma(element(acc, n), value, wv[j], dtype))

        if self.chunked:
            values = self._in_chunks(k, acc, mr * vectors, x0, w0, nr, step)
        else:
            accumulate(k, self.steps, nr, x0, w0, 1, step, written_out=1, peel=False)
            values = [element(acc, n) for n in range(mr * vectors)]
        for r in range(mr):
            at = k.let((first + r) * self.panels.channels + panel.channel)
            for j in range(vectors):
                value = isa.clamp(values[r * vectors + j], self.clamp, dtype)
                if self.out_dtype != dtype:
                    value = cast(value, f"{self.out_dtype}x{lanes}")
                k.store(p.out, at + lanes * j, value)

    @property
    def chunked(self) -> bool:
        """Whether float16 sums are moved to float32 now and then, see `CHUNK_STEPS`."""
        return self.kind == "float16" and len(self.steps) >= 2 * CHUNK_STEPS

    def _in_chunks(
        self,
        k: Builder,
        acc: Any,
        count: int,
        x0: Expr,
        w0: Expr,
        nr: int,
        step: Callable[[Expr, Expr, int, bool], None],
    ) -> list[Expr]:
        """The accumulators' final values as float16; they begin with the bias."""
        sums = k.registers("float32x4", 2 * count)
        zero = constant(0.0, "float16", 8)
        for n in range(count):
            for h, part in enumerate((low, high)):
                k.set(sums, 2 * n + h, cast(part(element(acc, n), 4), "float32x4"))

        def chunk(at: Expr, w_at: Expr, steps: list[Step]) -> None:
            for n in range(count):
                k.set(acc, n, zero)
            accumulate(k, steps, nr, at, w_at, 1, step, written_out=1, peel=False)
            for n in range(count):
                value = k.let(element(acc, n))
                for h, part in enumerate((low, high)):
                    total = element(sums, 2 * n + h) + cast(part(value, 4), "float32x4")
                    k.set(sums, 2 * n + h, total)

        size = self.steps[0].size
        full = sum(1 for s in self.steps if s.size == size and s.skip == 0)
        chunks = full // CHUNK_STEPS
        span = CHUNK_STEPS * size
        with k.loop(chunks) as c:
            at, w_at = k.let(x0 + c * span), k.let(w0 + c * (span * nr))
            chunk(at, w_at, self.steps[:CHUNK_STEPS])
        rest = self.steps[chunks * CHUNK_STEPS :]
        if rest:
            done = chunks * span
            moved = [Step(s.channel - done, s.size, s.skip) for s in rest]
            chunk(k.let(x0 + done), k.let(w0 + done * nr), moved)
        halves = []
        for n in range(count):
            both = shuffle([element(sums, 2 * n), element(sums, 2 * n + 1)], range(8))
            halves.append(k.let(cast(both, "float16x8")))
        return halves


def gemm_of(
    isa: Isa,
    weight: Array,
    bias: Array,
    clamp: tuple[float, float],
    decisions: Mapping[str, Any],
    requantize: Requantize | None,
    zero_in: int = 0,
    zero_out: int = 0,
    dtypes: tuple[str, str] = ("float32", "float32"),
) -> Gemm | None:
    """The loop for `weight` `[K, N]`, or None where there are too few channels for its vectors.

    `bias` is the layer's own; the input's zero point `zero_in` is folded in here. `dtypes` are
    those of pixels and output of a float layer.
    """
    depth, channels = weight.shape
    granule = LANES[dtypes[0]] if requantize is None else 4
    nr = int(decisions["nr"])
    panels = panels_of(channels, nr, granule) if nr % granule == 0 else None
    unroll = int(decisions.get("unroll", 1))
    if panels is None:
        return None
    if requantize is None:
        steps = steps_of(depth, unroll, 4)
        if steps is None:
            return None
        return FloatGemm(isa, weight, bias, panels, steps, 1, clamp, *dtypes)
    if not Int8Epilogue.supports(requantize):
        return None
    bias = bias.astype(np.int64) - zero_in * weight.astype(np.int64).sum(axis=0)
    epilogue = Int8Epilogue.of(isa, requantize, zero_out, clamp)
    if isa.dotprod:
        steps = steps_of(depth, 16, 4)
        if steps is None:
            return None
        return SdotGemm(isa, weight, bias, panels, steps, 1, requantize, epilogue)
    # Two products of int8 fit int16 unless both weights are -128 (and both inputs).
    steps = steps_of(depth, 16 if int(weight.min()) > -128 else 8, 8)
    if steps is None:
        return None
    return WideningGemm(isa, weight, bias, panels, steps, unroll, requantize, epilogue)
