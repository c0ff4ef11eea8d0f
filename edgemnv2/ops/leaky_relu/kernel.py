"""Leaky rectifier in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.leaky_relu.layer import LeakyRelu
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, LeakyRelu)
    alpha = layer.alpha

    def function(k: Builder, x: Expr) -> Expr:
        return tirx.Select(x > scalar(0.0, "float32"), x, x * scalar(alpha, "float32"))

    return unary_kernel(graph, layer, function, {"alpha": alpha})
