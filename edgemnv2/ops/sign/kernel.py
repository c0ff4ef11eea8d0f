"""The sign in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    return unary_kernel(graph, layer, _function)


def _function(k: Builder, x: Expr) -> Expr:
    zero, one, minus_one = (scalar(value, "float32") for value in (0.0, 1.0, -1.0))
    # Neither above nor below zero: zero, or no number, which stays what it is.
    return tirx.Select(x > zero, one, tirx.Select(x < zero, minus_one, x))
