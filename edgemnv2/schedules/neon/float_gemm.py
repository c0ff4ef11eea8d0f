"""float32 and float16 inner loop of 1x1 convolution on NEON: `fmla` by lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.gemm import Pointers
from edgemnv2.schedules.neon.gemm import Gemm, Step, accumulate, block_pixels, step_runs
from edgemnv2.schedules.neon.isa import LANES, high, low
from edgemnv2.tir.builder import (
    Builder,
    cast,
    element,
    lane,
    load,
    shuffle,
)
from edgemnv2.tir.tiling import Panel, runs, walk

__all__ = ["FloatGemm"]

Expr = Any
Array = NDArray[Any]
CHUNK_STEPS = 8
"""float16 sums of 64 products are added up on their own: rounding grows with a sum's length."""
MOST_CHUNKS = 6
"""Of so many, float16 sums are about as good as float32 ones, for whose additions twelve operations
of the vector pipes are needed instead of three: the rounding inside of them is the larger part."""


PART_BYTES = 400
"""Of a pixel at most, in one part of the channels: about 40 pixels stay in L1 for all panels."""
SHORT_BYTES = 800
"""So short a pixel is one part: to put sums away and take them up again would cost more."""
WRITTEN_OUT = 3
"""So few steps are written out: what ends a tile is done beside its multiplications. Of more only
the last one is, where to store 128 bits takes the core two cycles."""


@dataclass(frozen=True)
class Part:
    """One of `count` equal parts of the input channels inside the code."""

    number: Expr
    count: int


@dataclass(frozen=True, eq=False)
class FloatGemm(Gemm):
    """float32 or float16: each input channel's lane times the weights of the panel.

    float16 accumulates in float16, long sums by chunks, and very long ones of those in float32.
    `out_dtype` may be float32 all the same.
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
        steps = step_runs(self.weight, self.steps)
        packed = [run[:, :, n0 : n0 + n].ravel() for n0, n in blocks for run in steps]
        biases = [self.bias[n0 : n0 + n] for n0, n in blocks]
        return [np.concatenate(part).astype(self.kind) for part in (packed, biases)]

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Also the order "parts": blocks of a part of the channels; sums wait in the output."""
        parts = self.depth_parts if order == "parts" else 1
        if parts == 1:
            super().emit(k, p, pixels, mr, "block" if order == "parts" else order)
            return
        part_bytes = self.depth // parts * np.dtype(self.kind).itemsize
        for start, count in runs(k, pixels, block_pixels(pixels, mr, part_bytes)):
            with k.loop(parts) as part:

                def body(
                    first: Expr, m: int, panel: Panel, start: Expr = start, part: Expr = part
                ) -> None:
                    self.tile(k, p, k.let(start + first), m, panel, Part(part, parts))

                walk(k, count, mr, self.panels, "panel", body)

    @property
    def depth_parts(self) -> int:
        """How many equal parts of the channels the order "parts" takes one after the other.

        1 where the sums have another type than the output, a part would not be whole steps, or the
        last panel was moved back: it would add to sums that another one has added to.
        """
        step, count, panels = self.steps[0].size, len(self.steps), self.panels
        step_bytes = step * np.dtype(self.kind).itemsize
        if (self.kind, self.out_dtype) != ("float32", "float32") or count * step != self.depth:
            return 1
        if panels.full * panels.nr + panels.tail != panels.channels:
            return 1
        if count * step_bytes <= SHORT_BYTES:
            return 1
        longest = max(1, PART_BYTES // step_bytes)
        return next(n for n in range(1, count + 1) if count % n == 0 and count // n <= longest)

    def tile(
        self,
        k: Builder,
        p: Pointers,
        first: Expr,
        mr: int,
        panel: Panel,
        part: Part | None = None,
    ) -> None:
        """Accumulators start from the bias, or from what the parts before left in the output."""
        isa, depth, nr, dtype = self.isa, self.depth, panel.width, self.kind
        lanes = LANES[dtype]
        vectors, full = nr // lanes, f"{dtype}x{lanes}"
        acc = k.registers(full, mr * vectors)
        steps = self.steps if part is None else self.steps[: len(self.steps) // part.count]
        written = self._written_out(steps, mr)
        x0, w0 = first * depth, panel.packed * self.packed_depth
        if part is not None:
            channel = k.let(part.number * (depth // part.count))
            x0, w0 = x0 + channel, w0 + channel * nr
        if written:
            # Weights outside of a loop would be loaded before the pixels, and spilled.
            w0 = w0 + first * isa.nought(k)
        # The stem writes its own scratch: no views of that.
        x = p.x if p.x is p.scratch else k.view(p.x, x0)
        w = k.view(p.weights, w0)
        out = k.view(p.out, first * self.panels.channels + panel.channel)
        rows = [r * self.panels.channels for r in range(mr)]
        if part is None:
            self._begin(k, p, acc, first, mr, panel)
        else:
            with k.when(part.number == 0):
                self._begin(k, p, acc, first, mr, panel)
            with k.when(part.number != 0):
                for r in range(mr):
                    for j in range(vectors):
                        k.set(acc, r * vectors + j, load(out, rows[r] + lanes * j, full))

        def step(at: Expr, w_at: Expr, size: int, fresh: bool) -> None:
            taken = min(size, lanes)
            begins = fresh and self.chunked
            pixel = x if x is p.scratch else k.view(x, at)
            beside = x0 + at if x is p.scratch else 0
            row = k.view(w, w_at)
            for q in range(0, size, taken):
                a = [
                    k.let(load(pixel, beside + (r * depth + q), f"{dtype}x{taken}"))
                    for r in range(mr)
                ]
                for i in range(taken):
                    begin = (q + i) * nr
                    wv = [k.let(load(row, begin + lanes * j, full)) for j in range(vectors)]
                    for r in range(mr):
                        value = lane(a[r], i, lanes)
                        for j in range(vectors):
                            n = r * vectors + j
                            if begins and q + i == 0:
                                k.set(acc, n, value * wv[j])
                            else:
                                k.set(acc, n, isa.fma(element(acc, n), value, wv[j], dtype))

        if self.chunked:
            values = self._in_chunks(k, acc, mr * vectors, nr, step)
        else:
            self._in_steps(k, steps, nr, written, step)
            values = [element(acc, n) for n in range(mr * vectors)]
        if part is not None and np.isfinite(self.clamp).any():
            with k.when(part.number == part.count - 1):
                for n, value in enumerate(values):
                    k.set(acc, n, isa.clamp(value, self.clamp, dtype))
        # Sums that go on as they are would be kept in neighbouring registers from the beginning.
        clamped = part is None and np.isfinite(self.clamp).any()
        for r in range(mr):
            row = values[r * vectors : (r + 1) * vectors]
            if part is None:
                row = [isa.clamp(value, self.clamp, dtype) for value in row]
            if self.out_dtype == dtype and clamped:
                isa.store(k, out, rows[r], row, dtype)
                continue
            for j, value in enumerate(row):
                if self.out_dtype != dtype:
                    value = cast(value, f"{self.out_dtype}x{lanes}")
                k.store(out, rows[r] + lanes * j, value)

    def _begin(self, k: Builder, p: Pointers, acc: Any, first: Expr, mr: int, panel: Panel) -> None:
        lanes = LANES[self.kind]
        vectors = panel.width // lanes
        stride = self.isa.nought(k) if self.isa.halves and mr > 1 else 0
        for r in range(mr):
            at = k.let(panel.packed + r * stride)
            for j in range(vectors):
                b = load(p.second, at + lanes * j, f"{self.kind}x{lanes}")
                k.set(acc, r * vectors + j, b)

    def _written_out(self, steps: list[Step], mr: int) -> int:
        """How many of the last equal steps are no loop, see `WRITTEN_OUT`."""
        if not self.isa.arm64 or mr == 1 or self.kind != "float32":
            return 0
        full = _full(steps)
        return full if full <= WRITTEN_OUT else int(self.isa.halves)

    def _in_steps(
        self,
        k: Builder,
        steps: list[Step],
        nr: int,
        written: int,
        step: Callable[[Expr, Expr, int, bool], None],
    ) -> None:
        """`accumulate`, `written` of the equal steps after the loop."""
        looped = _full(steps) - written
        if not written:
            accumulate(k, steps, nr, 0, 0, 1, step, written_out=1, peel=False)
            return
        if looped:
            accumulate(k, steps[:looped], nr, 0, 0, 1, step, written_out=1, peel=False)
        w_at = looped * steps[0].size * nr
        for s in steps[looped:]:
            step(s.channel, w_at, s.size, False)
            w_at += s.size * nr

    @property
    def chunked(self) -> bool:
        """Whether float16 sums are added up now and then, see `CHUNK_STEPS`."""
        return self.kind == "float16" and len(self.steps) >= 2 * CHUNK_STEPS

    def _in_chunks(
        self,
        k: Builder,
        acc: Any,
        count: int,
        nr: int,
        step: Callable[[Expr, Expr, int, bool], None],
    ) -> list[Expr]:
        """The final values as float16; sums begin with the bias, chunks with nothing."""
        whole = self.out_dtype == "float16" and len(self.steps) <= MOST_CHUNKS * CHUNK_STEPS
        kind = "float16x8" if whole else "float32x4"
        sums = k.registers(kind, count if whole else 2 * count)
        for n in range(count):
            if whole:
                k.set(sums, n, element(acc, n))
                continue
            for h, part in enumerate((low, high)):
                k.set(sums, 2 * n + h, cast(part(element(acc, n), 4), "float32x4"))

        def chunk(at: Expr, w_at: Expr, steps: list[Step]) -> None:
            accumulate(k, steps, nr, at, w_at, 1, step, written_out=1)
            for n in range(count):
                value = k.let(element(acc, n))
                if whole:
                    k.set(sums, n, element(sums, n) + value)
                    continue
                for h, part in enumerate((low, high)):
                    total = element(sums, 2 * n + h) + cast(part(value, 4), "float32x4")
                    k.set(sums, 2 * n + h, total)

        size = self.steps[0].size
        chunks = _full(self.steps) // CHUNK_STEPS
        span = CHUNK_STEPS * size
        with k.loop(chunks) as c:
            at, w_at = k.let(c * span), k.let(c * (span * nr))
            chunk(at, w_at, self.steps[:CHUNK_STEPS])
        rest = self.steps[chunks * CHUNK_STEPS :]
        if rest:
            done = chunks * span
            moved = [Step(s.channel - done, s.size, s.skip) for s in rest]
            chunk(done, done * nr, moved)
        if whole:
            return [element(sums, n) for n in range(count)]
        halves = []
        for n in range(count):
            both = shuffle([element(sums, 2 * n), element(sums, 2 * n + 1)], range(8))
            halves.append(k.let(cast(both, "float16x8")))
        return halves


def _full(steps: list[Step]) -> int:
    """How many steps are as the first one."""
    return sum(1 for s in steps if s.size == steps[0].size and s.skip == 0)
