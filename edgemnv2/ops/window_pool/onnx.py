"""Import rules of ONNX: pooling with windows."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.onnx_terms import image, spatial
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def average_pool(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    attrs = _window(node)
    if node.get("count_include_pad", 0):
        attrs["counted"] = tuple(int(x) for x in node.get("counted_pads", attrs["padding"]))
    flow.move("avg_pool", [flow.stored(node.input(0))], node.output, attrs)


def max_pool(node: SourceNode, flow: FlowBuilder) -> None:
    """Only the values are used, not their indices."""
    if len(node.outputs) > 1:
        raise Refusal("a second output, the indices", "export the model without return_indices")
    flow.move("max_pool", [flow.stored(node.input(0))], node.output, _window(node))


def _window(node: SourceNode) -> dict[str, Any]:
    source = image(node)
    size = tuple(int(x) for x in node.get("kernel_shape"))
    attrs = spatial(node, source, (size[0], size[1]))
    return {**attrs, "size": size, "layout": "NCHW"}


RULES: dict[str, Rule] = {"AveragePool": average_pool, "MaxPool": max_pool}
