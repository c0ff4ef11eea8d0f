"""Import rules of TFLite: quantise."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def quantize(node: SourceNode, flow: FlowBuilder) -> None:
    """From float32, int8 or uint8 to int8 or uint8."""
    real = flow.real(node.input(0))
    assert isinstance(real, str)
    # Beside an operator of floats this is no part of the operator, as it is of one of integers.
    attrs = {} if node.input(0).is_quantized else {"of_floats": True}
    flow.result(real, node.output, attrs=attrs)


RULES: dict[str, Rule] = {"QUANTIZE": quantize}
