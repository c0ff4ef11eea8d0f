"""Import rules of ONNX: two operands."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def _plain(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        flow.move(op, [flow.stored(node.input(0)), flow.stored(node.input(1))], node.output)

    return rule


def _many(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        total = flow.stored(node.input(0))
        if len(node.inputs) == 1:
            flow.alias(node.output, total)
            return
        for index in range(1, len(node.inputs)):
            last = index == len(node.inputs) - 1
            name = flow.declare(node.output) if last else flow.fresh(node.output)
            total = flow.add(op, [total, flow.stored(node.input(index))], name)

    return rule


def batch_normalization(node: SourceNode, flow: FlowBuilder) -> None:
    """Inference mode, constant parameters."""
    if node.get("training_mode", 0):
        raise Refusal("training_mode=1", "export in evaluation mode (PyTorch: model.eval())")
    operands = [flow.stored(node.input(index)) for index in range(5)]
    if not all(isinstance(x, Constant) for x in operands[1:]):
        raise Refusal(
            "parameters that are computed", "export in evaluation mode (PyTorch: model.eval())"
        )
    attrs = {"axis": 1, "epsilon": float(node.get("epsilon", 1e-5)), "center": True, "scale": True}
    flow.move("batch_norm", operands, node.output, attrs)


RULES: dict[str, Rule] = {
    "Sub": _plain("subtract"),
    "Mul": _plain("multiply"),
    "Div": _plain("divide"),
    "Min": _many("minimum"),
    "Max": _many("maximum"),
    "BatchNormalization": batch_normalization,
}
