"""Clamping in plain loops."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.clamp.layer import Clamp
from edgemnv2.ops.elementwise_kernel import conversion_kernel
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast
from edgemnv2.tir.requantize import clamped

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Clamp)
    clamp, dtype = layer.clamp, graph.tensor_out(layer).dtype
    wide = "float32" if dtype.startswith("float") else "int32"

    def convert(k: Builder, value: Expr, factor: Any) -> Expr:
        return clamped(value if dtype == wide else cast(value, wide), clamp, wide, dtype)

    return {layer.name: conversion_kernel(graph, layer, convert, {"clamp": clamp})}
