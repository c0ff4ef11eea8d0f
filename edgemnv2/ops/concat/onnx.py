"""Import rules of ONNX: concatenations."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def concat(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    operands = [flow.stored(node.input(i)) for i in range(len(node.inputs))]
    if len(operands) == 1:
        flow.alias(node.output, operands[0])
        return
    constants = [isinstance(x, Constant) for x in operands]
    if any(constants) and not all(constants):
        raise Refusal("a constant operand", "add it to the image in front of the network")
    axis = int(node.get("axis", 0)) % max(len(node.output.shape), 1)
    flow.move("concat", operands, node.output, {"axis": axis})


RULES: dict[str, Rule] = {"Concat": concat}
