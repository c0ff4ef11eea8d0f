"""1x1 convolution of few int8 channels on NEON, without dot products: pixels stay in registers.

A vector of weights holds two pairs of input channels of four output channels, and a vector of a
pixel the same pairs four times. After `smull` and `smlal2` the sums of neighbours are one lane of
each output channel, so that nothing is left to add up at the end of a tile; depths are padded to
four. To repeat a pixel's pairs costs an operation for four channels: worth it where all panels find
them in registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.gemm import Pointers
from edgemnv2.schedules.neon.gemm import Step, step_runs
from edgemnv2.schedules.neon.int8_gemm import Int8Gemm
from edgemnv2.schedules.neon.isa import high, low
from edgemnv2.tir.builder import Builder, element, load, shuffle
from edgemnv2.tir.tiling import Panel

__all__ = ["HELD", "QUAD", "HeldGemm", "held_steps", "holds"]

Expr = Any
Array = NDArray[Any]
HELD = "held"
"""The order of tiles: pixels outermost, each of them read once."""
QUAD = 4
"""Input channels of a vector, and output channels."""
_OTHERS = 10
"""Registers beside those of the pixels: sums, products, weights and constants."""


def holds(registers: int, depth: int, mr: int) -> bool:
    """Whether `mr` pixels of `depth` channels stay in registers."""
    return mr * -(-depth // QUAD) <= registers - _OTHERS


def held_steps(depth: int) -> list[Step]:
    """Steps over `depth >= QUAD` channels, of which no more than a quad's are covered twice."""
    steps, done = [], 0
    for size in (16, 8, QUAD):
        while depth - done >= size:
            steps.append(Step(done, size))
            done += size
    if done < depth:
        steps.append(Step(depth - QUAD, QUAD, skip=done - (depth - QUAD)))
    return steps


@dataclass(frozen=True, eq=False)
class HeldGemm(Int8Gemm):
    """int8 without dot products; weights above -128, since two products are added in int16."""

    def constants(self) -> list[Array]:
        """Per panel, four input channels and four output channels `[2][4][2]`; parameters."""
        parts = []
        for first, width in self.panels.blocks():
            for part in self.parts:
                for run in step_runs(part, self.steps):
                    panel = run[:, :, first : first + width]
                    # step, quad of inputs, pair, input of it, quad of outputs, output of it
                    lanes = panel.reshape(len(run), -1, 2, 2, width // QUAD, QUAD)
                    parts.append(lanes.transpose(0, 1, 4, 2, 5, 3).ravel())
        return [np.ascontiguousarray(np.concatenate(parts)), self.parameters()]

    def _repeated(self, k: Builder, x: Any, at: Expr) -> list[Expr]:
        """The pixel at `x[at]`: for every four channels one pair four times, then the other."""
        vectors = []
        for step in self.steps:
            some = k.let(load(x, at + step.channel, f"int8x{step.size}"))
            for c in range(0, step.size, QUAD):
                lanes = [c, c + 1] * QUAD + [c + 2, c + 3] * QUAD
                # TVM's shuffles do not widen: of a short vector there are enough copies.
                vectors.append(k.let(shuffle([some] * (16 // step.size), lanes)))
        return vectors

    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """What repeats the pixels depends on no panel: LLVM moves it out of their loop."""
        isa, nr = self.isa, panel.width
        quads = nr // QUAD
        x = [self._repeated(k, p.x, k.let((first + r) * self.depth)) for r in range(mr)]
        w0 = k.let(panel.packed * self.packed_depth)
        acc = k.registers("int32x4", mr * quads)
        for part in range(len(self.parts)):
            for g in range(len(x[0])):
                for j in range(quads):
                    at = w0 + (part * self.part_depth + g * QUAD) * nr + j * 16
                    w = k.let(load(p.weights, at, "int8x16"))
                    for r in range(mr):
                        pair = k.let(isa.smull8(low(w, 8), low(x[r][g], 8)))
                        pair = k.let(pair + isa.smull8(high(w, 8), high(x[r][g], 8)))
                        i = r * quads + j
                        if part == g == 0:
                            k.set(acc, i, isa.saddlp16(pair))
                        else:
                            k.set(acc, i, isa.sadalp16(element(acc, i), pair))

        def sums(r: int) -> list[Expr]:
            return [element(acc, r * quads + j) for j in range(quads)]

        self.finish(k, p, first, mr, panel, sums)
