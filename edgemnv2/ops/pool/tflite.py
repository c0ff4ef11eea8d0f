"""Import rules of TFLite: means."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def mean(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    source = node.input(0)
    rank = len(source.shape)
    axes = tuple(sorted({axis % rank for axis in node.ints(1, "axes")}))
    flow.compute("mean", [flow.real(source)], node.output, {"axes": axes})


RULES: dict[str, Rule] = {"MEAN": mean}
