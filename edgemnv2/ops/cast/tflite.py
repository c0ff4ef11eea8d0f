"""Import rules of TFLite: conversions of types."""

from __future__ import annotations

from edgemnv2.ops.cast.types import add_cast
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def cast(node: SourceNode, flow: FlowBuilder) -> None:
    """Of floats, and integers of 8, 32 or 64 bits."""
    add_cast(flow, node.input(0), node.output)


RULES: dict[str, Rule] = {"CAST": cast}
