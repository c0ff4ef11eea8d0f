"""Import rules of ONNX: means."""

from __future__ import annotations

from edgemnv2.ops.onnx_terms import axes_of
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def global_average_pool(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source = node.input(0)
    axes = tuple(range(2, len(source.shape)))
    flow.move("mean", [flow.stored(source)], node.output, {"axes": axes})


def reduce_mean(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    axes = axes_of(node)
    if axes is None:
        flow.alias(node.output, flow.stored(node.input(0)))
        return
    flow.move("mean", [flow.stored(node.input(0))], node.output, {"axes": axes})


RULES: dict[str, Rule] = {
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": reduce_mean,
}
