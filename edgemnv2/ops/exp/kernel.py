"""Exp in plain loops."""

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
    # Above zero by the inverse: the exponential at hand is of numbers below.
    zero, one = scalar(0.0, "float32"), scalar(1.0, "float32")
    limited = k.let(tirx.Min(x, scalar(87.0, "float32")))
    power = k.let(exponential(k, k.let(tirx.Min(limited, zero - limited))))
    return tirx.Select(x > zero, one / power, power)
