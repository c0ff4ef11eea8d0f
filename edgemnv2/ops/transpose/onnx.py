"""Import rules of ONNX: transposes."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.transpose.regroup import image_shape, regrouped

__all__ = ["RULES"]


def transpose(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    rank = len(node.input(0).shape)
    axes = tuple(int(x) for x in node.get("perm", tuple(reversed(range(rank)))))
    flow.move("permute", [flow.stored(node.input(0))], node.output, {"axes": axes})


def depth_to_space(node: SourceNode, flow: FlowBuilder) -> None:
    """Input is one image."""
    _, channels, height, width = image_shape(node)
    block = int(node.get("blocksize"))
    left = channels // block**2
    if node.get("mode", "DCR") == "CRD":
        regrouped(node, flow, (1, left, block, block, height, width), (0, 1, 4, 2, 5, 3))
    else:
        regrouped(node, flow, (1, block, block, left, height, width), (0, 3, 4, 1, 5, 2))


def space_to_depth(node: SourceNode, flow: FlowBuilder) -> None:
    """Input is one image."""
    _, channels, height, width = image_shape(node)
    block = int(node.get("blocksize"))
    apart = (1, channels, height // block, block, width // block, block)
    regrouped(node, flow, apart, (0, 3, 5, 1, 2, 4))


RULES: dict[str, Rule] = {
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Transpose": transpose,
}
