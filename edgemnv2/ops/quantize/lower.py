"""Quantise nodes: from floats, or from integers of other quantisation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgemnv2.arithmetic.lookup import lookup_table
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lookup.layer import Lookup
from edgemnv2.ops.lowering import UNBOUNDED, Lowering
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.views import Views

__all__ = ["CLAMPS", "NODES", "arrange", "lower"]

NODES = ("quantize",)
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """Elementwise."""
    view = views.view(node)
    views.emit_like(node.with_input(0, view.name), view)


def lower(node: Node, to: Lowering) -> None:
    """A `Quantize` of floats, a `Rescale` of integers."""
    y, dtype = to.quant[node.output], node.attrs["dtype"]
    low, high = to.arithmetic.clamp_limits(UNBOUNDED, y, dtype)
    bottom, top = node.attrs["clamp"]
    clamp = (max(low, bottom), min(high, top))
    integer = to.dequantized(node.tensors[0])
    common: dict[str, Any] = {"name": node.output, "output": to.declare(node.output)}
    if integer is not None:
        source = to.resolve(integer)
        if to.computes_floats(node):
            tensor = to.tensors[source]
            ends = to.quant_of(source), tensor.dtype, y, dtype
            table = lookup_table(lambda real: real, *ends, to.format, divides=True)
            table = np.clip(table, int(clamp[0]), int(clamp[1]))
            to.add(Lookup(**common, inputs=(source,), table=table))
            return
        factor = to.arithmetic.rescale_requantize(to.quant_of(source), y)
        to.add(Rescale(**common, inputs=(source,), requantize=factor, clamp=clamp))
        return
    rounding = "even" if to.format == "onnx" else "away"
    if clamp == (low, high):
        to.add(Quantize(**common, inputs=to.inputs(node), rounding=rounding))
        return
    inner = f"{node.output}.quantize"
    to.tensors[inner] = replace(to.tensors[node.output], name=inner)
    to.add(Quantize(inner, to.inputs(node), inner, rounding=rounding))
    factor = to.arithmetic.rescale_requantize(y, y)
    to.add(Rescale(**common, inputs=(inner,), requantize=factor, clamp=clamp))
