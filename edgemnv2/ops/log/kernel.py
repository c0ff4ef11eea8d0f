"""Natural logarithm in plain loops."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder
from edgemnv2.tir.logarithm import logarithm

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    return unary_kernel(graph, layer, _function)


def _function(k: Builder, x: Expr) -> Expr:
    return logarithm(k, x)
