"""Sine, cosine, arctangent in plain loops."""

from __future__ import annotations

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.trigonometric.layer import Trigonometric
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.angles import arctangent, cosine, sine

__all__ = ["kernels"]

FUNCTIONS = {"atan": arctangent, "cos": cosine, "sin": sine}


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Trigonometric)
    return unary_kernel(graph, layer, FUNCTIONS[layer.mode], {"mode": layer.mode})
