"""What operators of one value share: the layer with its table, its reference, how nodes become it.

On integers every such operator is a table of 256 values, computed when the network is lowered, so
that one kernel serves all; on floats each has a formula of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.lookup import lookup_table, stored_table
from edgemnv2.ops.flow import Node
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.views import Views

__all__ = [
    "Unary",
    "arrange_unary",
    "integer_unary",
    "onnx_unary",
    "tflite_unary",
    "unary_reference",
]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Unary(Layer):
    """A function of each value.

    Integer: `table` int16 `[256]` holds the stored output for each stored input, from the lowest
    value of the input's type on. Float: no table.
    """

    table: Array | None = None

    def stored_higher(self, by: int) -> Layer:
        """The table's values move."""
        return self if self.table is None else replace(self, table=self.table + by)


def unary_reference(
    function: Callable[[Array, Any], Array],
) -> Callable[[Graph, Layer, list[Array]], Array]:
    """The reference of a layer: by its table, or `function` of values in double and of the layer.

    Results are rounded to float32 once; what is no number, or beyond, is as IEEE has it.
    """

    def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
        """The output `[N, H, W, C]` of `layer`."""
        assert isinstance(layer, Unary)
        x, target = inputs[0], graph.tensor_out(layer)
        if layer.table is None:
            with np.errstate(all="ignore"):
                return np.asarray(function(x.astype(np.float64), layer), np.float32)
        lowest = int(np.iinfo(x.dtype).min)
        looked_up: Array = layer.table[x.astype(np.int64) - lowest].astype(target.dtype)
        return looked_up

    return run


def arrange_unary(node: Node, views: Views) -> None:
    """Elementwise: whatever the view."""
    view = views.view(node)
    views.emit_like(node.with_input(0, view.name), view)


def integer_unary(
    kind: type[Unary],
    site: Site,
    to: Lowering,
    function: Callable[[float], float],
    exact: Callable[[int], int] | None = None,
    **fields: Any,
) -> None:
    """The layer with its table; `function` of Python floats, in double.

    `exact`, of and to steps from the zero points, is LiteRT's own kernel where that is no table.
    `fields` are the layer's.
    """
    x_dtype = to.tensors[site.inputs[0]].dtype
    if exact is not None and to.format == "tflite" and not site.of_floats:
        table = stored_table(exact, site.x[0], x_dtype, site.y, site.dtype)
    else:
        table = lookup_table(
            function, site.x[0], x_dtype, site.y, site.dtype, to.format, divides=site.of_floats
        )
    low, high = site.clamp
    to.add(kind(**site.common, table=np.clip(table, int(low), int(high)), **fields))


def tflite_unary(op: str, **attrs: Any) -> Rule:
    """The rule of a TFLite operator that is the flow's `op` of its only operand."""

    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        flow.compute(op, [flow.real(node.input(0))], node.output, attrs)

    return rule


def onnx_unary(op: str, **attrs: Any) -> Rule:
    """The rule of an ONNX operator that is the flow's `op` of its only operand."""

    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        flow.move(op, [flow.stored(node.input(0))], node.output, attrs)

    return rule
