"""Import rules of TFLite: means and average pooling."""

from __future__ import annotations

from edgemnv2.arithmetic.tflite import clamp_limits
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.tflite_terms import activation_of, finish, spatial

__all__ = ["RULES"]


def mean(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    source = node.input(0)
    rank = len(source.shape)
    axes = tuple(sorted({axis % rank for axis in node.ints(1, "axes")}))
    flow.compute("mean", [flow.real(source)], node.output, {"axes": axes})


def average_pool_2d(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source, output = node.input(0), node.output
    size = int(node.get("filter_height", 1)), int(node.get("filter_width", 1))
    attrs = {**spatial(node, source, size), "size": size, "layout": "NHWC"}
    if not source.is_quantized:
        finish(node, flow, "avg_pool", [flow.real(source)], attrs)
        return
    # TFLite averages what is stored.
    activation = activation_of(node)
    if activation is None:
        flow.move("avg_pool", [flow.stored(source)], output, attrs)
        return
    assert output.quant is not None
    name = flow.add("avg_pool", [flow.stored(source)], flow.fresh(output, output.dtype), attrs)
    flow.quants[name] = output.quant
    clamp = clamp_limits(activation, output.quant, output.dtype)
    flow.move("clip", [name], output, {"clamp": clamp})


RULES: dict[str, Rule] = {"MEAN": mean, "AVERAGE_POOL_2D": average_pool_2d}
