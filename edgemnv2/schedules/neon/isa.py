"""The vector instructions that the NEON kernels use, for AArch64 and for Armv7.

The operations are named after AArch64 instructions; on Armv7 each is the intrinsic of the same
meaning, or two of half the width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgemnv2.tir.builder import (
    Builder,
    cast,
    concat,
    constant,
    index,
    intrinsic,
    reinterpret,
    shuffle,
)

__all__ = ["LANES", "Isa", "Maxima", "high", "isa_of", "low"]

Expr = Any
LANES = {"float32": 4, "float16": 8}
"""Lanes of a 128-bit vector."""
SHORT = {"float32": "v4f32", "float16": "v8f16"}
"""LLVM's names of these vectors."""


_IN_ORDER = ("cortex-a35", "cortex-a53", "cortex-a55")
"""Cores that begin instructions in the order of the program; it chooses default tiles only."""


@dataclass(frozen=True)
class Isa:
    """Which vector instructions the core has."""

    arm64: bool
    dotprod: bool = False
    fp16: bool = False
    unzips: bool = field(default=False, repr=False)
    """Whether `uzp1` of 128 bits is one operation (not of the target's `split_operations`). Not in
    the text that names kernels: it shapes int8 epilogues only, whose `key` says how."""
    reorders: bool = field(default=False, repr=False)
    """Whether the core begins instructions out of order; it chooses tiles, which names tell."""
    stores_lists: bool = field(default=False, repr=False)
    """Whether float vectors are stored by `st1` of several registers: fewer instructions, and by
    LLVM's model of Neoverse N1, whose pipelines are the Cortex-A76's, half the vector operations.
    That model begins three operations in a cycle, fewer than the pipes take: additions of addresses
    count too. Not in that text either."""
    halves: bool = field(default=False, repr=False)
    """Whether float32 is clamped as integers, see `clamp`: maxima of 128 bits are of the target's
    `split_operations`. Nor is it in that text: no core's clamps are of both kinds."""

    @property
    def registers(self) -> int:
        """128-bit registers."""
        return 32 if self.arm64 else 16

    def _call(self, arm64: str, arm: str, dtype: str, *arguments: Expr) -> Expr:
        name = f"llvm.aarch64.neon.{arm64}" if self.arm64 else f"llvm.arm.neon.{arm}"
        return intrinsic(name, dtype, *arguments)

    def smull8(self, a: Expr, b: Expr) -> Expr:
        """int8x8 times int8x8, int16x8."""
        return self._call("smull.v8i16", "vmulls.v8i16", "int16x8", a, b)

    def saddlp16(self, a: Expr) -> Expr:
        """Sums of neighbours: int16x8 to int32x4."""
        return self._call("saddlp.v4i32.v8i16", "vpaddls.v4i32.v8i16", "int32x4", a)

    def sadalp16(self, acc: Expr, a: Expr) -> Expr:
        """`acc` plus the sums of neighbours of int16x8 `a`."""
        if self.arm64:
            return acc + self.saddlp16(a)
        return intrinsic("llvm.arm.neon.vpadals.v4i32.v8i16", "int32x4", acc, a)

    def addp32(self, a: Expr, b: Expr) -> Expr:
        """Sums of neighbours of the eight lanes of two int32x4."""
        if self.arm64:
            return intrinsic("llvm.aarch64.neon.addp.v4i32", "int32x4", a, b)
        halves = [
            intrinsic("llvm.arm.neon.vpadd.v2i32", "int32x2", low(v, 2), high(v, 2)) for v in (a, b)
        ]
        return concat(halves, 2)

    def sqrdmulh32(self, a: Expr, b: Expr) -> Expr:
        """SaturatingRoundingDoublingHighMul of int32x4."""
        return self._call("sqrdmulh.v4i32", "vqrdmulh.v4i32", "int32x4", a, b)

    def sqdmulh32(self, a: Expr, b: Expr) -> Expr:
        """High halves of doubled products of int32x4, not rounded."""
        return self._call("sqdmulh.v4i32", "vqdmulh.v4i32", "int32x4", a, b)

    def srshl32(self, a: Expr, shift: Expr) -> Expr:
        """int32x4 shifted left by signed lanes, a right shift rounds halves up."""
        return self._call("srshl.v4i32", "vrshifts.v4i32", "int32x4", a, shift)

    def sshl32(self, a: Expr, shift: Expr) -> Expr:
        """int32x4 shifted left by lanes, wrapping."""
        return self._call("sshl.v4i32", "vshifts.v4i32", "int32x4", a, shift)

    def sqshl32(self, a: Expr, shift: Expr) -> Expr:
        """int32x4 shifted left by lanes, saturated."""
        return self._call("sqshl.v4i32", "vqshifts.v4i32", "int32x4", a, shift)

    def sqxtn32(self, a: Expr) -> Expr:
        """int32x4 saturated to int16x4."""
        return self._call("sqxtn.v4i16", "vqmovns.v4i16", "int16x4", a)

    def xtn32(self, a: Expr, b: Expr) -> Expr:
        """Two int32x4 to int16x8, their upper halves cut off: `uzp1`."""
        return shuffle([reinterpret(v, "int16x8") for v in (a, b)], range(0, 16, 2))

    def addhn32(self, a: Expr, b: Expr) -> Expr:
        """Upper halves of the sums of two int32x4, which fit int32: `addhn`."""
        return cast((a + b) >> constant(16, "int32", 4), "int16x4")

    def shrn32(self, a: Expr, down: int) -> Expr:
        """int32x4 shifted right by 1 to 16, the lower halves as int16x4; AArch64."""
        return cast(a >> constant(down, "int32", 4), "int16x4")

    def sqxtn16(self, a: Expr) -> Expr:
        """int16x8 saturated to int8x8."""
        return self._call("sqxtn.v8i8", "vqmovns.v8i8", "int8x8", a)

    def sqshrn16(self, a: Expr, bits: int) -> Expr:
        """int16x8, shifted right by 1 to 8 bits, saturated to int8x8: AArch64 only."""
        return intrinsic("llvm.aarch64.neon.sqshrn.v8i8", "int8x8", a, index(bits))

    def sqxtun16(self, a: Expr) -> Expr:
        """int16x8 saturated to 0..255, as int8x8."""
        return self._call("sqxtun.v8i8", "vqmovnsu.v8i8", "int8x8", a)

    def sqadd16(self, a: Expr, b: Expr) -> Expr:
        """Saturating sum of int16x8."""
        return intrinsic("llvm.sadd.sat.v8i16", "int16x8", a, b)

    def sdot(self, acc: Expr, w: Expr, x: Expr) -> Expr:
        """`acc` plus the dot products of four int8 in each of four groups."""
        return intrinsic("llvm.aarch64.neon.sdot.v4i32.v16i8", "int32x4", acc, w, x)

    def tbl2(self, a: Expr, b: Expr, places: Expr) -> Expr:
        """The bytes of int8x16 `a` and `b` at 16 `places`, nought beyond; AArch64."""
        return intrinsic("llvm.aarch64.neon.tbl2.v16i8", "int8x16", a, b, places)

    def saddl(self, a: Expr, b: Expr) -> Expr:
        """Sum of two int16x4 in int32."""
        return cast(a, "int32x4") + cast(b, "int32x4")

    def saddw(self, acc: Expr, a: Expr) -> Expr:
        """`acc` plus int16x4 `a`."""
        return acc + cast(a, "int32x4")

    def fma(self, acc: Expr, a: Expr, b: Expr, dtype: str = "float32") -> Expr:
        """`acc + a * b` of a 128-bit vector; rounded once where there is a fused multiply by lane.

        float16 rounds every sum to 11 bits.
        """
        if self.arm64:
            return intrinsic(f"llvm.fmuladd.{SHORT[dtype]}", f"{dtype}x{LANES[dtype]}", a, b, acc)
        return acc + a * b

    def clamp(self, value: Expr, clamp: tuple[float, float], dtype: str = "float32") -> Expr:
        """A 128-bit vector between the finite ends of `clamp`; a NaN becomes one of them.

        From +0 on floats are in the order of their bits as signed integers, infinity too, and all
        below, -0 too, are negative integers: where neither end is below +0, `smax` and `smin` give
        what `fmaxnm` and `fminnm` do.
        """
        full, lanes = f"{dtype}x{LANES[dtype]}", LANES[dtype]
        if self.halves and dtype == "float32" and math.copysign(1.0, clamp[0]) > 0:
            return self._clamp_bits(value, clamp)
        for end, name in ((clamp[0], "max"), (clamp[1], "min")):
            if math.isfinite(end):
                other = constant(end, dtype, lanes)
                if self.arm64:
                    value = intrinsic(f"llvm.{name}num.{SHORT[dtype]}", full, value, other)
                else:
                    # LLVM would call fmaxf; vmax.f32 differs for NaN only.
                    value = intrinsic(f"llvm.arm.neon.v{name}s.v4f32", full, value, other)
        return value

    def _clamp_bits(self, value: Expr, clamp: tuple[float, float]) -> Expr:
        bits = reinterpret(value, "int32x4")
        for end, name in ((clamp[0], "smax"), (clamp[1], "smin")):
            if math.isfinite(end):
                other = constant(int(np.float32(end).view(np.int32)), "int32", 4)
                bits = intrinsic(f"llvm.{name}.v4i32", "int32x4", bits, other)
        return reinterpret(bits, "float32x4")

    def store(self, k: Builder, buffer: Any, at: Expr, vectors: Sequence[Expr], dtype: str) -> None:
        """Up to four 128-bit vectors one after another, from element `at` on."""
        lanes = LANES[dtype]
        if self.stores_lists and len(vectors) > 1:
            k.store_list(buffer, at, vectors, f"{SHORT[dtype]}.p0")
            return
        for number, vector in enumerate(vectors):
            k.store(buffer, at + lanes * number, vector)

    def nought(self, k: Builder) -> Expr:
        """0 as an int32, of which LLVM does not know that it is.

        `fmla` adds to its first operand. Loaded once, a bias would be copied for every pixel by the
        pipes that multiply; loaded anew, from where the last one was plus this, it costs them
        nothing.
        """
        zero = constant(0, "int32", 4)
        return k.let(shuffle([self.sqdmulh32(zero, zero)], [0]))

    def clamp8(self, value: Expr, low_: int, high_: int, lanes: int) -> Expr:
        """int8 lanes clamped; no code for the ends of the type."""
        dtype = f"int8x{lanes}"
        name = f"v{lanes}i8"
        if low_ > -128:
            value = intrinsic(f"llvm.smax.{name}", dtype, value, constant(low_, "int8", lanes))
        if high_ < 127:
            value = intrinsic(f"llvm.smin.{name}", dtype, value, constant(high_, "int8", lanes))
        return value


def low(vector: Expr, lanes: int) -> Expr:
    """The first `lanes` lanes of a vector of twice as many."""
    return shuffle([vector], range(lanes))


def high(vector: Expr, lanes: int) -> Expr:
    """The last `lanes` lanes of a vector of twice as many."""
    return shuffle([vector], range(lanes, 2 * lanes))


def isa_of(target: Any) -> Isa:
    """The `Isa` of a target file's core, by its features and its triple."""
    features = set(target.cpu.features)
    arm64 = str(target.toolchain.triple).startswith("aarch64")
    reorders = arm64 and target.cpu.core not in _IN_ORDER
    return Isa(
        arm64=arm64,
        dotprod="dotprod" in features,
        fp16=bool(features & {"fp16", "fullfp16"}),
        unzips=arm64 and "uzp1" not in target.cpu.split_operations,
        reorders=reorders,
        stores_lists=reorders and "fp16" in features,
        halves=arm64 and "fmax" in target.cpu.split_operations,
    )


@dataclass(frozen=True)
class Maxima:
    """The largest of four floats: one instruction on AArch64, halves against halves on Armv7."""

    arm64: bool
    lanes: int = LANES["float32"]

    def larger(self, a: Expr, b: Expr) -> Expr:
        """Lane by lane."""
        name = "llvm.maxnum.v4f32" if self.arm64 else "llvm.arm.neon.vmaxs.v4f32"
        return intrinsic(name, "float32x4", a, b)

    def largest(self, k: Builder, vector: Expr) -> Expr:
        """Of all lanes, as a scalar."""
        if self.arm64:
            return k.let(intrinsic("llvm.vector.reduce.fmax.v4f32", "float32", vector))
        for distance in (2, 1):
            turned = shuffle([vector], [(lane + distance) % 4 for lane in range(4)])
            vector = k.let(self.larger(vector, turned))
        return k.let(shuffle([vector], [0]))
