"""Rescaling in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.elementwise_kernel import conversion_kernel, zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.tir.builder import Builder, cast, load, scalar
from edgemnv2.tir.requantize import clamped, even_facts, rescale

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Rescale)
    source, out, clamp = graph.tensor_in(layer), graph.tensor_out(layer), layer.clamp

    requantize = layer.requantize

    def convert(k: Builder, value: Expr, factor: Any) -> Expr:
        centred = k.let(cast(value, "int32") - scalar(zero_point_of(source), "int32"))
        scaled = rescale(k, centred, load(factor, 0, "int32"), load(factor, 1, "int32"), requantize)
        moved = k.let(scaled) + scalar(zero_point_of(out), "int32")
        return clamped(moved, clamp, "int32", out.dtype)

    factor = np.array([layer.requantize.multiplier[0], layer.requantize.shift[0]], np.int32)
    facts = {"clamp": clamp, **even_facts(requantize)}
    return {layer.name: conversion_kernel(graph, layer, convert, facts, factor)}
