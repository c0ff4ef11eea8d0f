"""The AVX-512 VNNI instructions that the kernels use."""

from __future__ import annotations

from typing import Any

from edgemnv2.tir.builder import constant, intrinsic, load, scalar

__all__ = ["dot4", "flipped", "load_bytes"]

Expr = Any


def dot4(acc: Expr, a: Expr, b: Expr, lanes: int) -> Expr:
    """`acc` (int32) plus sums of four products: unsigned bytes of `a`, signed ones of `b`."""
    name = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    return intrinsic(name, f"int32x{lanes}", acc, a, b)


def load_bytes(buffer: Any, at: Expr, lanes: int) -> Expr:
    """`lanes` int8 from element `at` on."""
    return load(buffer, at, f"int8x{lanes}" if lanes > 1 else "int8")


def flipped(value: Expr, lanes: int) -> Expr:
    """int8 with the top bit flipped: read as unsigned, the number plus 128."""
    return value ^ (constant(-128, "int8", lanes) if lanes > 1 else scalar(-128, "int8"))
