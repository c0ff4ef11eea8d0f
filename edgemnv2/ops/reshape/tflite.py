"""Import rules of TFLite: reshapes, and the shapes that files compute."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def reshape(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    stored = flow.stored(node.input(0))
    if isinstance(stored, Constant):
        shaped = stored.reshape(node.output.shape)
        if node.output.is_quantized and shaped.scale is None:
            shapes = f"{list(stored.values.shape)} to {list(node.output.shape)}"
            raise Refusal(
                f"{shapes} across the channels of scales",
                "quantise the model again",
                "A constant has one scale, or one for each channel",
            )
        flow.alias(node.output, shaped)
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
