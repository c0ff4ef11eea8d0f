"""The vector instructions of WebAssembly that the kernels use, with and without SIMD.

Without it LLVM takes the vectors apart; what has no general form is written out. Packed weights are
the same either way, so that a page brings them once for both, and so are the functions' names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from edgemnv2.target import Target
from edgemnv2.tir.builder import cast, constant, intrinsic, maximum, minimum, shuffle

__all__ = ["NO_SIMD", "Isa", "isa_of"]

Expr = Any


@dataclass(frozen=True)
class Isa:
    """Which instructions there are: 128 bits of `simd`, and `relaxed` ones."""

    simd: bool
    relaxed: bool

    def dot(self, a: Expr, b: Expr) -> Expr:
        """Sums of neighbouring products of int16x8, as int32x4."""
        if self.simd:
            return intrinsic("llvm.wasm.dot", "int32x4", a, b)
        even, odd = (
            cast(shuffle([a], range(start, 8, 2)), "int32x4")
            * cast(shuffle([b], range(start, 8, 2)), "int32x4")
            for start in (0, 1)
        )
        return even + odd

    def words(self, low: Expr, high: Expr) -> Expr:
        """Two int32x4 as int16x8, saturated."""
        if self.simd:
            return intrinsic("llvm.wasm.narrow.signed", "int16x8", low, high)
        return _narrow(shuffle([low, high], range(8)), "int32", "int16", 8, (-32768, 32767))

    def bytes(self, low: Expr, high: Expr) -> Expr:
        """Two int16x8 as int8x16, saturated."""
        if self.simd:
            return intrinsic("llvm.wasm.narrow.signed", "int8x16", low, high)
        return _narrow(shuffle([low, high], range(16)), "int16", "int8", 16, (-128, 127))

    def multiply_add(self, acc: Expr, a: Expr, b: Expr) -> Expr:
        """`acc + a * b` of float32x4; relaxed, rounded once where the machine can."""
        if self.relaxed:
            return intrinsic("llvm.wasm.relaxed.madd", "float32x4", a, b, acc)
        return acc + a * b

    def clamp(self, value: Expr, clamp: tuple[float, float]) -> Expr:
        """float32x4 between the finite ends of `clamp`."""
        for end, name, plain in ((clamp[0], "pmax", maximum), (clamp[1], "pmin", minimum)):
            if not math.isfinite(end):
                continue
            limit = constant(end, "float32", 4)
            if self.simd:
                value = intrinsic(f"llvm.wasm.{name}", "float32x4", value, limit)
            else:
                value = plain(value, limit)
        return value


NO_SIMD = Isa(simd=False, relaxed=False)


def _narrow(value: Expr, wide: str, narrow: str, lanes: int, ends: tuple[int, int]) -> Expr:
    low, high = (constant(end, wide, lanes) for end in ends)
    return cast(minimum(maximum(value, low), high), f"{narrow}x{lanes}")


def isa_of(target: Target) -> Isa:
    """The instructions of `target`."""
    return Isa(target.has("simd128"), target.has("relaxed-simd"))
