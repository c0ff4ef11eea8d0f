"""Import rules of TFLite: reshapes, and the shapes that files compute."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def reshape(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    stored = flow.stored(node.input(0))
    if isinstance(stored, Constant):
        flow.alias(node.output, stored.reshape(node.output.shape))
        return
    flow.move("reshape", [stored], node.output, {"shape": node.output.shape})


def shape(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    # Batch -1 is 1 here, and all other extents are known: the shape is a constant.
    extents = np.array(node.input(0).shape, node.output.dtype)
    flow.alias(node.output, Constant(extents))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"), reshape),
    "SHAPE": shape,
}
