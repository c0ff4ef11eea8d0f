"""Hard sigmoid in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.hard_sigmoid.layer import HardSigmoid
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, HardSigmoid)
    alpha, beta = layer.alpha, layer.beta

    def function(k: Builder, x: Expr) -> Expr:
        line = x * scalar(alpha, "float32") + scalar(beta, "float32")
        return tirx.Min(tirx.Max(line, scalar(0.0, "float32")), scalar(1.0, "float32"))

    return unary_kernel(graph, layer, function, {"alpha": alpha, "beta": beta})
