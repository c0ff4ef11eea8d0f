"""Copying a row in a plain loop."""

from __future__ import annotations

from edgemnv2.ops.elementwise_kernel import conversion_kernel
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    return {layer.name: conversion_kernel(graph, layer, lambda k, value, factor: value, {})}
