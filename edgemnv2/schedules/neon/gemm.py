"""What the inner loops of 1x1 convolution on NEON share: steps over channels, panels, packing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.gemm import Pointers
from edgemnv2.schedules.neon.isa import Isa
from edgemnv2.tir.builder import Builder
from edgemnv2.tir.tiling import Panel, Panels, runs, walk

__all__ = ["BLOCK_BYTES", "Gemm", "Step", "accumulate", "block_pixels", "step_runs", "steps_of"]

Expr = Any
Array = NDArray[Any]
UNROLL_STEPS = 4
"""Reductions of at most so many steps are written out without a loop."""


BLOCK_BYTES = 16_384
"""Of pixels that are read anew for each panel: beside its weights they stay in an L1 of 32 KiB."""


def block_pixels(pixels: int, mr: int, pixel_bytes: int) -> int:
    """Pixels of a block, whole tiles of `mr`, so that blocks are about equal."""
    most = max(1, BLOCK_BYTES // (pixel_bytes * mr)) * mr
    blocks = -(-pixels // most)
    return -(-pixels // (blocks * mr)) * mr


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
    begins: bool = True,
    apart: int = 0,
) -> None:
    """Call `step(x offset, w offset, size, fresh)` over `steps`; equal full steps become a loop.

    With `peel` the first step stands alone: it may start the accumulators (`fresh`), so that
    nothing clears them before; `begins` is false for later parts of a sum. Up to `written_out`
    steps need no loop. Of more, `apart` stand behind the loop, beside what follows.
    """
    size = steps[0].size
    full = sum(1 for s in steps if s.size == size and s.skip == 0)
    rest = steps[full:]
    if full <= written_out:
        head, loops, apart = full, 0, 0
    else:
        looped = full - apart
        head = 1 + (looped - 1) % unroll if peel else looped % unroll
        loops = (looped - head) // unroll
    for i in range(head):
        step(x0 + i * size, w0 + i * size * nr, size, begins and i == 0)
    if loops:
        with k.loop(loops) as ko:
            for u in range(unroll):
                number = ko * unroll + (head + u)
                step(x0 + number * size, w0 + number * (size * nr), size, False)
    for i in range(full - apart, full):
        step(x0 + i * size, w0 + i * size * nr, size, False)
    w_at = full * size * nr
    for s in rest:
        step(x0 + s.channel, w0 + w_at, s.size, begins and full == 0 and s is rest[0])
        w_at += s.size * nr


def step_runs(weight: Array, steps: list[Step]) -> list[Array]:
    """`weight` `[K, N]` by steps: `[steps, size, N]` for each run of steps of one size.

    The rows that a step skips are zero.
    """
    runs = []
    for size, same in groupby(steps, lambda step: step.size):
        run = list(same)
        blocks = np.stack([weight[step.channel : step.channel + size] for step in run])
        for block, step in zip(blocks, run, strict=True):
            block[: step.skip] = 0
        runs.append(blocks)
    return runs


@dataclass(frozen=True, eq=False)
class Gemm(ABC):
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
    def weights_dtype(self) -> str:
        """Of the packed weights."""
        return self.dtype

    @property
    def second_dtype(self) -> str:
        """Of the last constant."""
        return "int32"

    @property
    def scratch_dtype(self) -> str:
        """Of gathered pixels."""
        return self.dtype

    def scratch_bytes(self, pixels: int, mr: int, order: str) -> int:
        """Pixels are read where they lie."""
        return 0

    @property
    def depth(self) -> int:
        """Input channels, the distance from one pixel to the next."""
        return int(self.weight.shape[0])

    @property
    def packed_depth(self) -> int:
        """Weights of one output channel after packing."""
        return len(self.parts) * self.part_depth

    @property
    def part_depth(self) -> int:
        """Weights of one output channel in one part."""
        return sum(step.size for step in self.steps)

    @property
    def parts(self) -> list[Array]:
        """Arrays of the loop's own type that add up to the weights."""
        return [self.weight]

    def key(self) -> dict[str, Any]:
        """What of this shapes the code."""
        return {
            "K": self.depth,
            "N": self.panels.key,
            "steps": [(s.channel, s.size) for s in self.steps],
            "unroll": self.unroll,
            "isa": self.isa,
        }

    @abstractmethod
    def constants(self) -> list[Array]:
        """Packed weights, packed biases or requantisation parameters."""

    @abstractmethod
    def tile(self, k: Builder, p: Pointers, first: Expr, mr: int, panel: Panel) -> None:
        """Emit the tile of `mr` pixels from `first` on by the channels of `panel`."""

    def emit(self, k: Builder, p: Pointers, pixels: int, mr: int, order: str) -> None:
        """Emit all tiles of `pixels` pixels: in an order of `walk`, or "block" (`BLOCK_BYTES`)."""
        if order != "block":
            self._walk(k, p, 0, pixels, mr, order)
            return
        element_bytes = np.dtype(self.dtype).itemsize
        size = block_pixels(pixels, mr, self.depth * element_bytes)
        for start, count in runs(k, pixels, size):
            self._walk(k, p, start, count, mr, "panel")

    def _walk(self, k: Builder, p: Pointers, start: Expr, pixels: int, mr: int, order: str) -> None:
        def tile(first: Expr, m: int, panel: Panel) -> None:
            self.tile(k, p, k.let(start + first), m, panel)

        walk(k, pixels, mr, self.panels, order, tile)
