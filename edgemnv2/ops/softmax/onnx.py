"""Import rules of ONNX: softmax."""

from __future__ import annotations

from edgemnv2.ops.onnx_terms import axis_of
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def softmax(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source = node.input(0)
    rank = len(source.shape)
    axis = axis_of(node, -1 if node.get("opset", 13) >= 13 else 1, rank)
    behind = [extent for extent in source.shape[axis + 1 :] if extent != 1]
    if node.get("opset", 13) < 13 and behind:
        # Before opset 13 it runs over all axes from this one on.
        raise Refusal(
            f"axis={axis} of {list(source.shape)} in opset {node.get('opset')}",
            "apply the softmax along the class axis",
            "Over one axis",
        )
    flow.move("softmax", [flow.stored(source)], node.output, {"axis": axis})


RULES: dict[str, Rule] = {"Softmax": softmax}
