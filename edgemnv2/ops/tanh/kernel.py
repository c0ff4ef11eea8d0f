"""Tanh in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar
from edgemnv2.tir.exponential import exponential

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    return unary_kernel(graph, layer, _function)


def _function(k: Builder, x: Expr) -> Expr:
    # Of -2 |x|, whose exponential cannot overflow.
    zero, one, two = (scalar(value, "float32") for value in (0.0, 1.0, 2.0))
    power = k.let(exponential(k, k.let(tirx.Min(x, zero - x) * two)))
    size = k.let((one - power) / (one + power))
    small = tirx.Select(x > zero, size, zero - size)
    # The difference cancels near zero, where the series is exact enough.
    square = k.let(x * x)
    series = x * (one - square * scalar(1.0 / 3.0, "float32"))
    return tirx.Select(square < scalar(1e-4, "float32"), series, small)
