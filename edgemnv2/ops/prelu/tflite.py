"""Import rules of TFLite: rectifiers with learned slopes."""

from __future__ import annotations

from edgemnv2.ops.prelu.slopes import check_slopes
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def prelu(node: SourceNode, flow: FlowBuilder) -> None:
    """Slopes are constants."""
    check_slopes(node, flow)
    flow.compute("prelu", [flow.real(node.input(0)), flow.real(node.input(1))], node.output)


RULES: dict[str, Rule] = {"PRELU": prelu}
