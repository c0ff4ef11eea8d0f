"""Import rules of ONNX: concatenations, assignments to slices."""

from __future__ import annotations

from edgemnv2.ops.concat.assign import scatter_nd
from edgemnv2.ops.concat.constants import concatenate
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def concat(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    operands = [flow.stored(node.input(i)) for i in range(len(node.inputs))]
    # Exporters leave constants without values behind.
    held = [x for x in operands if not (isinstance(x, Constant) and x.values.size == 0)]
    operands = held or operands
    if len(operands) == 1:
        flow.alias(node.output, operands[0])
        return
    axis = int(node.get("axis", 0)) % max(len(node.output.shape), 1)
    concatenate(flow, operands, node.output, axis)


RULES: dict[str, Rule] = {"Concat": concat, "ScatterND": scatter_nd}
