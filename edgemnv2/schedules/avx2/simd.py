"""The vector instructions that the AVX2 kernels use, and their lane orders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from edgemnv2.tir.builder import Builder, constant, intrinsic, scalar, shuffle

__all__ = [
    "PANEL_ORDER",
    "Maxima",
    "clamp_float",
    "fma",
    "halves",
    "madd",
    "panel_order",
    "unpack_high",
    "unpack_low",
]

Expr = Any
CURRENT_ROUNDING = 4
"""The intrinsics' `_MM_FROUND_CUR_DIRECTION`."""

PANEL_ORDER = (0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15)
"""Channels of 16 accumulators, so that `vpackssdw`, which works by 128-bit lanes, orders them."""


def panel_order(width: int) -> list[int]:
    """Channel of each accumulator lane of a panel of `width` (a multiple of 8) channels."""
    order = [16 * g + lane for g in range(width // 16) for lane in PANEL_ORDER]
    return order + list(range(width - width % 16, width))


def madd(a: Expr, b: Expr) -> Expr:
    """Sums of neighbouring products of int16x16, as int32x8."""
    return intrinsic("llvm.x86.avx2.pmadd.wd", "int32x8", a, b)


def fma(acc: Expr, a: Expr, b: Expr, lanes: int = 8) -> Expr:
    """`acc + a * b` of `lanes` float32, rounded once."""
    return intrinsic(f"llvm.fma.v{lanes}f32", f"float32x{lanes}", a, b, acc)


def clamp_float(value: Expr, clamp: tuple[float, float], lanes: int = 8) -> Expr:
    """`lanes` (8, or 16 on AVX-512) float32 between the finite ends of `clamp`."""
    for end, name in ((clamp[0], "max"), (clamp[1], "min")):
        if math.isfinite(end):
            operands = [value, constant(end, "float32", lanes)]
            if lanes == 8:
                instruction = f"llvm.x86.avx.{name}.ps.256"
            else:
                instruction = f"llvm.x86.avx512.{name}.ps.512"
                operands.append(scalar(CURRENT_ROUNDING, "int32"))
            value = intrinsic(instruction, f"float32x{lanes}", *operands)
    return value


def halves(vector: Expr, lanes: int) -> tuple[Expr, Expr]:
    """The two halves of a vector of `lanes` lanes."""
    half = lanes // 2
    return shuffle([vector], range(half)), shuffle([vector], range(half, lanes))


def unpack_low(a: Expr, b: Expr) -> Expr:
    """`vpunpcklwd`: pairs of int16 lanes 0-3 and 8-11."""
    return shuffle([a, b], [lane + 16 * s for lane in (0, 1, 2, 3, 8, 9, 10, 11) for s in (0, 1)])


def unpack_high(a: Expr, b: Expr) -> Expr:
    """`vpunpckhwd`: pairs of int16 lanes 4-7 and 12-15."""
    return shuffle([a, b], [lane + 16 * s for lane in (4, 5, 6, 7, 12, 13, 14, 15) for s in (0, 1)])


@dataclass(frozen=True)
class Maxima:
    """The largest of eight floats: halves against halves."""

    lanes: int = 8

    def larger(self, a: Expr, b: Expr) -> Expr:
        """Lane by lane."""
        return intrinsic("llvm.x86.avx.max.ps.256", "float32x8", a, b)

    def largest(self, k: Builder, vector: Expr) -> Expr:
        """Of all lanes, as a scalar."""
        for distance in (4, 2, 1):
            turned = shuffle([vector], [(lane + distance) % 8 for lane in range(8)])
            vector = k.let(self.larger(vector, turned))
        return k.let(shuffle([vector], [0]))
