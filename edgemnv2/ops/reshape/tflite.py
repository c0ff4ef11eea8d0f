"""Import rules of TFLite: reshapes."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def reshape(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    stored = flow.stored(node.input(0))
    if isinstance(stored, Constant):
        flow.alias(node.output, stored.reshape(node.output.shape))
        return
    flow.move("reshape", [stored], node.output, {"shape": node.output.shape})


RULES: dict[str, Rule] = {"RESHAPE": reshape, "SQUEEZE": reshape, "EXPAND_DIMS": reshape}
