"""Import rules of ONNX: rectifiers with learned slopes."""

from __future__ import annotations

from edgemnv2.ops.prelu.slopes import check_slopes
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def prelu(node: SourceNode, flow: FlowBuilder) -> None:
    """Slopes are constants."""
    check_slopes(node, flow)
    flow.move("prelu", [flow.stored(node.input(0)), flow.stored(node.input(1))], node.output)


RULES: dict[str, Rule] = {"PRelu": prelu}
