"""Gaussian error linear unit in plain loops."""

from __future__ import annotations

import math
from typing import Any

from edgemnv2.ops.gelu.layer import Gelu
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder, scalar
from edgemnv2.tir.error_function import error_function
from edgemnv2.tir.exponential import hyperbolic_tangent

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Gelu)
    function = _approximate if layer.approximate else _exact
    return unary_kernel(graph, layer, function, {"approximate": layer.approximate})


def _exact(k: Builder, x: Expr) -> Expr:
    bend = error_function(k, k.let(x * scalar(math.sqrt(0.5), "float32")))
    return x * scalar(0.5, "float32") * (scalar(1.0, "float32") + bend)


def _approximate(k: Builder, x: Expr) -> Expr:
    cubic = x + x * x * x * scalar(0.044715, "float32")
    bend = hyperbolic_tangent(k, k.let(cubic * scalar(math.sqrt(2.0 / math.pi), "float32")))
    return x * scalar(0.5, "float32") * (scalar(1.0, "float32") + bend)
