"""Import rules of TFLite: two operands."""

from __future__ import annotations

from edgemnv2.ops.binary.both import comparison, logical_not
from edgemnv2.ops.binary.powers import add_power
from edgemnv2.ops.binary.whole import floor_divide, modulo
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode
from edgemnv2.ops.tflite_terms import finish

__all__ = ["RULES"]


def _plain(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        finish(node, flow, op, [flow.real(node.input(0)), flow.real(node.input(1))])

    return rule


def _compare(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """Quantised operands have the output's scale."""
        tensors = [node.input(0), node.input(1)]
        if node.output.is_quantized and any(x.quant != node.output.quant for x in tensors):
            raise Refusal("operands of several scales", "convert the model again")
        flow.move(op, [flow.stored(x) for x in tensors], node.output)

    return rule


def _floats(node: SourceNode) -> None:
    """Refusal for integers."""
    if node.output.is_quantized:
        raise Refusal(
            "integers",
            "leave this part of the network in floats, or write it with SUB and MUL",
            "Values are floats",
        )


def squared_difference(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    pair = [flow.real(node.input(i)) for i in (0, 1)]
    if node.output.is_quantized:
        flow.compute("squared_difference", pair, node.output)
        return
    difference = flow.add("subtract", pair, flow.fresh(node.output))
    flow.move("square", [difference], node.output)


def power(node: SourceNode, flow: FlowBuilder) -> None:
    """Of floats; the exponent is one constant; a whole one is from -8 to 8, and not 0."""
    _floats(node)
    add_power(flow, flow.stored(node.input(0)), flow.stored(node.input(1)), node.output)


def add_n(node: SourceNode, flow: FlowBuilder) -> None:
    """Of floats."""
    _floats(node)
    total = flow.stored(node.input(0))
    for index in range(1, len(node.inputs)):
        last = index == len(node.inputs) - 1
        name = flow.declare(node.output) if last else flow.fresh(node.output)
        total = flow.add("add", [total, flow.stored(node.input(index))], name)
    if len(node.inputs) == 1:
        flow.alias(node.output, total)


RULES: dict[str, Rule] = {
    "ADD_N": add_n,
    "POW": power,
    "SQUARED_DIFFERENCE": squared_difference,
    "SUB": _plain("subtract"),
    "MUL": _plain("multiply"),
    "DIV": _plain("divide"),
    "FLOOR_DIV": floor_divide,
    "FLOOR_MOD": modulo,
    "MINIMUM": _compare("minimum"),
    "MAXIMUM": _compare("maximum"),
    "EQUAL": comparison("equal"),
    "GREATER": comparison("greater"),
    "GREATER_EQUAL": comparison("greater_equal"),
    "LESS": comparison("less"),
    "LESS_EQUAL": comparison("less_equal"),
    "NOT_EQUAL": comparison("not_equal"),
    "LOGICAL_AND": _compare("minimum"),
    "LOGICAL_NOT": logical_not,
    "LOGICAL_OR": _compare("maximum"),
}
