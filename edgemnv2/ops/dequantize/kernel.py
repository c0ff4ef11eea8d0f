"""Dequantising in plain loops."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.elementwise_kernel import conversion_kernel, scale_of, zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, scalar

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Dequantize)
    source = graph.tensor_in(layer)

    def convert(k: Builder, value: Expr, factor: Any) -> Expr:
        centred = cast(value, "int32") - scalar(zero_point_of(source), "int32")
        return cast(centred, "float32") * scalar(scale_of(source), "float32")

    return {layer.name: conversion_kernel(graph, layer, convert, {})}
