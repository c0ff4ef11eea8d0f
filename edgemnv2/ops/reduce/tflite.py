"""Import rules of TFLite: reductions other than means."""

from __future__ import annotations

import numpy as np

from edgemnv2.model import LITERT_SUM
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.reduce.factors import add_reduced_product
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]

LITERT_SUM_TEXT = (
    "SUM of int8 is computed as LiteRT's default kernels do; its reference kernels (LiteRT 2.3) "
    "read stored int8 values as uint8, which no converter means"
)


def _axes(node: SourceNode) -> tuple[int, ...]:
    rank = len(node.input(0).shape)
    return tuple(sorted({axis % rank for axis in node.ints(1, "axes")}))


def _extreme(function: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """Axes are constants; the output has the input's scale."""
        source = node.input(0)
        if source.is_quantized and source.quant != node.output.quant:
            raise Refusal(
                f"scale {source.quant} of the input and {node.output.quant} of the output",
                "convert the model again",
            )
        attrs = {"axes": _axes(node), "function": function}
        flow.move("reduce", [flow.stored(source)], node.output, attrs)

    return rule


def total(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    attrs = {"axes": _axes(node), "function": "sum"}
    if node.input(0).is_quantized and node.input(0).dtype == "int8":
        flow.note(LITERT_SUM, LITERT_SUM_TEXT)
    flow.compute("reduce", [flow.real(node.input(0))], node.output, attrs)


def product(node: SourceNode, flow: FlowBuilder) -> None:
    """Of a shape, or of floats; axes are constants, of 1024 values or fewer together."""
    extents = node.input(0).value
    if extents is not None:
        axes = tuple(axis % max(extents.ndim, 1) for axis in node.ints(1, "axes"))
        keep = bool(node.get("keep_dims", False))
        made = np.prod(extents, axis=axes, keepdims=keep, dtype=extents.dtype)
        flow.alias(node.output, Constant(np.asarray(made)))
        return
    if node.input(0).is_quantized:
        raise Refusal("quantised values", "convert the model with this operator in floats")
    add_reduced_product(flow, node.input(0), node.output, _axes(node))


RULES: dict[str, Rule] = {
    "REDUCE_ALL": _extreme("min"),
    "REDUCE_ANY": _extreme("max"),
    "REDUCE_MAX": _extreme("max"),
    "REDUCE_MIN": _extreme("min"),
    "REDUCE_PROD": product,
    "SUM": total,
}
