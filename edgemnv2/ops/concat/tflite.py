"""Import rules of TFLite: concatenations."""

from __future__ import annotations

from edgemnv2.ops.concat.constants import concatenate
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode
from edgemnv2.ops.tflite_terms import finish

__all__ = ["RULES"]


def concatenation(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    tensors = [node.input(i) for i in range(len(node.inputs))]
    axis = int(node.get("axis", 0)) % max(len(node.output.shape), 1)
    plain = node.get("fused_activation_function", "NONE") == "NONE"
    if plain and all(x.quant == node.output.quant for x in tensors):
        operands = [flow.stored(x) for x in tensors]
        if len(operands) == 1:
            flow.alias(node.output, operands[0])
            return
        concatenate(flow, operands, node.output, axis)
        return
    if any(isinstance(flow.stored(x), Constant) for x in tensors):
        raise Refusal("a constant operand of another scale", "convert the model again")
    finish(node, flow, "concat", [flow.real(x) for x in tensors], {"axis": axis})


def pack(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    tensors = [node.input(i) for i in range(len(node.inputs))]
    axis = int(node.get("axis", 0)) % len(node.output.shape)
    shape = tensors[0].shape
    one = (*shape[:axis], 1, *shape[axis:])
    parts: list[str | Constant] = []
    for tensor in tensors:
        stored = flow.stored(tensor)
        if isinstance(stored, Constant):
            parts.append(stored.reshape(one))
            continue
        name = flow.fresh(tensor, tensor.dtype, one)
        parts.append(flow.add("reshape", [stored], name, {"shape": one}))
    if len(parts) == 1:
        flow.alias(node.output, parts[0])
        return
    concatenate(flow, parts, node.output, axis)


RULES: dict[str, Rule] = {"CONCATENATION": concatenation, "PACK": pack}
