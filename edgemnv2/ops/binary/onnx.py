"""Import rules of ONNX: two operands."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.binary.both import comparison, logical_not
from edgemnv2.ops.binary.powers import add_power
from edgemnv2.ops.binary.whole import modulo
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor

__all__ = ["RULES"]


def _plain(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        flow.move(op, [flow.stored(node.input(0)), flow.stored(node.input(1))], node.output)

    return rule


def _many(op: str, mean: bool = False) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        total, shape = flow.stored(node.input(0)), node.input(0).shape
        for index in range(1, len(node.inputs)):
            other = node.input(index)
            shape = np.broadcast_shapes(shape, other.shape)
            last = index == len(node.inputs) - 1 and not mean
            fresh = flow.fresh(node.output, node.output.dtype, shape)
            name = flow.declare(node.output) if last else fresh
            total = flow.add(op, [total, flow.stored(other)], name)
        if mean and len(node.inputs) > 1:
            share = Constant(np.array(1.0 / len(node.inputs), np.float32))
            flow.move("multiply", [total, share], node.output)
        elif len(node.inputs) == 1:
            flow.alias(node.output, total)

    return rule


def reciprocal(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    one = Constant(np.array(1.0, np.float32))
    flow.move("divide", [one, flow.stored(node.input(0))], node.output)


def softsign(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source, output = flow.stored(node.input(0)), node.output
    size = flow.step("abs", source, output)
    below = flow.add("add", [size, Constant(np.array(1.0, np.float32))], flow.fresh(output))
    flow.move("divide", [source, below], output)


def power(node: SourceNode, flow: FlowBuilder) -> None:
    """The exponent is one constant; a whole one is from -8 to 8, and not 0."""
    add_power(flow, flow.stored(node.input(0)), flow.stored(node.input(1)), node.output)


def is_nan(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    # Whatever is a number is not above infinity; `x != x` is what compilers take for false.
    infinity = Constant(np.array(np.inf, np.float32))
    name = flow.truth("less_equal", [flow.stored(node.input(0)), infinity], node.output)
    number = flow.real(SourceTensor.of_truths(name, node.output.shape, None))
    flow.compute("equal", [number, Constant(np.zeros((), np.float32))], node.output)


def is_inf(node: SourceNode, flow: FlowBuilder) -> None:
    """Infinities of one sign, or of both."""
    signs = node.get("detect_positive", 1), node.get("detect_negative", 1)
    x, largest = flow.stored(node.input(0)), np.finfo(np.float32).max
    if not any(signs):
        raise Refusal("detect_positive=0 and detect_negative=0", "detect one of them")
    if all(signs):
        x = flow.add("abs", [x], flow.fresh(node.input(0)))
    op, bound = ("greater", largest) if signs[0] else ("less", -largest)
    flow.compute(op, [x, Constant(np.array(bound, np.float32))], node.output)


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
    "And": _plain("minimum"),
    "Equal": comparison("equal"),
    "Greater": comparison("greater"),
    "GreaterOrEqual": comparison("greater_equal"),
    "IsInf": is_inf,
    "IsNaN": is_nan,
    "Less": comparison("less"),
    "LessOrEqual": comparison("less_equal"),
    "Not": logical_not,
    "Or": _plain("maximum"),
    "Xor": comparison("not_equal"),
    "Sub": _plain("subtract"),
    "Mul": _plain("multiply"),
    "Div": _plain("divide"),
    "Mod": modulo,
    "Max": _many("maximum"),
    "Mean": _many("add", mean=True),
    "Min": _many("minimum"),
    "Pow": power,
    "Reciprocal": reciprocal,
    "Softsign": softsign,
    "Sum": _many("add"),
    "BatchNormalization": batch_normalization,
}
