"""Import rules of ONNX: exponential linear units."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def elu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    attrs = {"alpha": float(node.get("alpha", 1.0))}
    flow.move("elu", [flow.stored(node.input(0))], node.output, attrs)


def selu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    alpha, gamma = float(node.get("alpha", SELU_ALPHA)), float(node.get("gamma", SELU_GAMMA))
    inner = flow.step("elu", flow.stored(node.input(0)), node.output, alpha=alpha)
    flow.move("multiply", [inner, _number(gamma)], node.output)


def celu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    # alpha (exp(x / alpha) - 1) below zero, for an alpha above zero: an ELU of x / alpha.
    alpha = float(node.get("alpha", 1.0))
    stored = flow.stored(node.input(0))
    ratio = flow.add("divide", [stored, _number(alpha)], flow.fresh(node.output))
    inner = flow.step("elu", ratio, node.output, alpha=1.0)
    flow.move("multiply", [inner, _number(alpha)], node.output)


def _number(value: float) -> Constant:
    return Constant(np.array(value, np.float32))


RULES: dict[str, Rule] = {"Celu": celu, "Elu": elu, "Selu": selu}
