"""Import rules of ONNX: choices between two values."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.where.choice import add_one_hot, add_where

__all__ = ["RULES"]


def where(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    operands = [flow.stored(node.input(i)) for i in range(3)]
    add_where(flow, operands[0], operands[1], operands[2], node.output)


def thresholded_relu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    x, output = flow.stored(node.input(0)), node.output
    threshold = Constant(np.array(node.get("alpha", 1.0), np.float32))
    above = flow.truth("greater", [x, threshold], output)
    add_where(flow, above, x, Constant(np.zeros((), np.float32)), output)


def one_hot(node: SourceNode, flow: FlowBuilder) -> None:
    """The depth, and the values on and off, are constants."""
    indices, output = node.input(0), node.output
    depth, (off, on) = node.ints(1, "depth")[0], node.value(2, "values").reshape(-1)
    axis = int(node.get("axis", -1)) % len(output.shape)
    add_one_hot(flow, indices, output, axis, depth, (on, off), from_behind=True)


def trilu(node: SourceNode, flow: FlowBuilder) -> None:
    """The diagonal's number is a constant."""
    source, output = node.input(0), node.output
    number = node.ints(1, "diagonals")[0] if node.optional(1) is not None else 0
    rows, columns = source.shape[-2:]
    upper = bool(node.get("upper", 1))
    kept = (
        ~np.tri(rows, columns, number - 1, bool) if upper else np.tri(rows, columns, number, bool)
    )
    stored, nought = flow.stored(source), Constant(np.zeros((), source.dtype))
    shape = (*(1 for _ in source.shape[:-2]), rows, columns)
    add_where(flow, Constant(kept.reshape(shape).astype(np.uint8)), stored, nought, output)


RULES: dict[str, Rule] = {
    "OneHot": one_hot,
    "ThresholdedRelu": thresholded_relu,
    "Trilu": trilu,
    "Where": where,
}
