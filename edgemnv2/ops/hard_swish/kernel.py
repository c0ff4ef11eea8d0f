"""Hard swish in plain loops."""

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
    lower, upper, sixth = (scalar(value, "float32") for value in (0.0, 6.0, 1.0 / 6.0))
    gate = tirx.Min(tirx.Max(x + scalar(3.0, "float32"), lower), upper)
    return x * gate * sixth
