"""The sigmoid in plain loops."""

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
    return unary_kernel(graph, layer, _sigmoid)


def _sigmoid(k: Builder, x: Expr) -> Expr:
    """Of -|x|, whose exponential cannot overflow; for positive x it is the rest to 1."""
    zero, one = scalar(0.0, "float32"), scalar(1.0, "float32")
    power = k.let(exponential(k, k.let(tirx.Min(x, zero - x))))
    lower = k.let(power / (one + power))
    return tirx.Select(x > zero, one - lower, lower)
