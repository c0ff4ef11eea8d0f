"""Import rules of ONNX: means and average pooling."""

from __future__ import annotations

from edgemnv2.ops.onnx_terms import image, spatial
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def global_average_pool(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source = node.input(0)
    axes = tuple(range(2, len(source.shape)))
    flow.move("mean", [flow.stored(source)], node.output, {"axes": axes})


def average_pool(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source = image(node)
    size = tuple(int(x) for x in node.get("kernel_shape"))
    attrs = {**spatial(node, source, (size[0], size[1])), "size": size, "layout": "NCHW"}
    flow.move("avg_pool", [flow.stored(source)], node.output, attrs)


def reduce_mean(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    source = node.input(0)
    rank = len(source.shape)
    axes = node.get("axes")
    if node.optional(1) is not None:
        axes = node.ints(1, "axes")
    given = range(rank) if not axes else sorted({int(axis) % rank for axis in axes})
    flow.move("mean", [flow.stored(source)], node.output, {"axes": tuple(given)})


RULES: dict[str, Rule] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": reduce_mean,
}
