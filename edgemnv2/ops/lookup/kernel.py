"""A table in plain loops."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary_kernel import unary_kernel
from edgemnv2.tir.builder import Builder

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    return unary_kernel(graph, layer, _no_formula)


def _no_formula(k: Builder, x: Any) -> Any:
    raise AssertionError("a table is of integers")
