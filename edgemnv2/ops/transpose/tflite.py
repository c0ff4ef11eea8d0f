"""Import rules of TFLite: transposes."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.transpose.regroup import image_shape, regrouped

__all__ = ["RULES"]


def transpose(node: SourceNode, flow: FlowBuilder) -> None:
    """The permutation is constant."""
    axes = tuple(node.ints(1, "a permutation"))
    stored = flow.stored(node.input(0))
    if isinstance(stored, Constant):
        flow.alias(node.output, stored.transpose(axes))
        return
    flow.move("permute", [stored], node.output, {"axes": axes})


def depth_to_space(node: SourceNode, flow: FlowBuilder) -> None:
    """Input is one image."""
    _, height, width, channels = image_shape(node)
    block = int(node.get("block_size"))
    apart = (1, height, width, block, block, channels // block**2)
    regrouped(node, flow, apart, (0, 1, 3, 2, 4, 5))


def space_to_depth(node: SourceNode, flow: FlowBuilder) -> None:
    """Input is one image."""
    _, height, width, channels = image_shape(node)
    block = int(node.get("block_size"))
    apart = (1, height // block, block, width // block, block, channels)
    regrouped(node, flow, apart, (0, 1, 3, 2, 4, 5))


RULES: dict[str, Rule] = {
    "DEPTH_TO_SPACE": depth_to_space,
    "SPACE_TO_DEPTH": space_to_depth,
    "TRANSPOSE": transpose,
}
