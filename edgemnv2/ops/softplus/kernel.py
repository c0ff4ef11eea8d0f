"""Softplus in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar
from edgemnv2.tir.exponential import exponential
from edgemnv2.tir.logarithm import logarithm

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    return unary_kernel(graph, layer, _function)


def _function(k: Builder, x: Expr) -> Expr:
    zero, one = scalar(0.0, "float32"), scalar(1.0, "float32")
    power = k.let(exponential(k, k.let(tirx.Min(x, zero - x))))
    return tirx.Max(x, zero) + logarithm(k, k.let(one + power))
