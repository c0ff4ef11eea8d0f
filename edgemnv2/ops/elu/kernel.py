"""Exponential linear unit in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.elu.layer import Elu
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar
from edgemnv2.tir.exponential import exponential

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Elu)
    alpha = layer.alpha

    def function(k: Builder, x: Expr) -> Expr:
        zero, one = scalar(0.0, "float32"), scalar(1.0, "float32")
        below = k.let(tirx.Min(x, zero))
        power = k.let(exponential(k, below) - one)
        # The difference cancels near zero, where the series is exact enough.
        series = below * (one + below * scalar(0.5, "float32"))
        near = tirx.Select(below > scalar(-1e-3, "float32"), series, power)
        return tirx.Select(x > zero, x, near * scalar(alpha, "float32"))

    return unary_kernel(graph, layer, function, {"alpha": alpha})
