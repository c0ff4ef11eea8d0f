"""Whole numbers in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.rounding.layer import Rounding
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar

__all__ = ["kernels"]

Expr = Any

ALL_WHOLE = 2.0**23
"""From here on float32 has no digits behind the point."""


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Rounding)
    mode, keeps_sign = layer.mode, layer.keeps_sign

    def function(k: Builder, x: Expr) -> Expr:
        # By its size: what is left of the digits in front of the point has no sign of its own, and
        # -0.0 needs one. Cores without FPv5 have no instruction that rounds to a float, so the way
        # is through int32; what does not fit there, NaN too, stays what it is.
        zero, one, half = (scalar(value, "float32") for value in (0.0, 1.0, 0.5))
        below = x < zero
        size = k.let(tirx.Select(below, _turned(x), x))
        fits = size < scalar(ALL_WHOLE, "float32")
        inner = k.let(tirx.Select(fits, size, zero))
        steps = k.let(tirx.Cast("int32", inner))
        cut = k.let(tirx.Cast("float32", steps))
        if mode == "round":
            rest = k.let(inner - cut)
            odd = (steps & scalar(1, "int32")) == scalar(1, "int32")
            up = tirx.any(rest > half, tirx.all(rest == half, odd))
        else:
            away = x > zero if mode == "ceil" else below
            up = tirx.all(away, inner > cut)
        whole = k.let(tirx.Select(up, cut + one, cut))
        turns = below if keeps_sign else tirx.all(below, whole > zero)
        rounded = tirx.Select(turns, _turned(whole), whole)
        return tirx.Select(tirx.all(fits, whole != inner), rounded, x)

    return unary_kernel(graph, layer, function, {"mode": mode, "keeps_sign": keeps_sign})


def _turned(x: Expr) -> Expr:
    # Not `0 - x`, which of 0.0 is 0.0.
    return x * scalar(-1.0, "float32")
