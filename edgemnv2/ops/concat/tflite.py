"""Import rules of TFLite: concatenations."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor
from edgemnv2.ops.tflite_terms import finish

__all__ = ["RULES"]


def concatenation(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    tensors = [node.input(i) for i in range(len(node.inputs))]
    attrs = {"axis": int(node.get("axis", 0)) % len(node.output.shape)}
    _concat(node, flow, tensors, attrs)


def _concat(
    node: SourceNode, flow: FlowBuilder, tensors: list[SourceTensor], attrs: dict[str, int]
) -> None:
    if len(tensors) == 1:
        flow.alias(node.output, flow.stored(tensors[0]))
        return
    if any(isinstance(flow.stored(x), Constant) for x in tensors):
        if all(isinstance(flow.stored(x), Constant) for x in tensors):
            flow.move("concat", [flow.stored(x) for x in tensors], node.output, attrs)
            return
        raise Refusal("a constant operand", "add it to the image in front of the network")
    if (
        all(x.quant == node.output.quant for x in tensors)
        and node.get("fused_activation_function", "NONE") == "NONE"
    ):
        flow.move("concat", [flow.stored(x) for x in tensors], node.output, attrs)
        return
    finish(node, flow, "concat", [flow.real(x) for x in tensors], attrs)


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
    flow.move("concat", parts, node.output, {"axis": axis})


RULES: dict[str, Rule] = {"CONCATENATION": concatenation, "PACK": pack}
