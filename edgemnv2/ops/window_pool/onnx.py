"""Import rules of ONNX: pooling with windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.onnx_terms import image, over_lines, spatial
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]

EVERYTHING = (1 << 20,) * 4
"""Padding around a map that holds any window."""


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


def lp_pool(node: SourceNode, flow: FlowBuilder) -> None:
    """p is 1 or 2."""
    power, attrs, output = int(node.get("p", 2)), _window(node), node.output
    if power not in (1, 2):
        raise Refusal(f"p={power}", "export the model with p=2, or another pool")
    # A mean that counts what is outside as zero, times the number of elements, is a sum.
    attrs["counted"] = EVERYTHING
    each = flow.step("square" if power == 2 else "abs", flow.stored(node.input(0)), node.input(0))
    mean = flow.add("avg_pool", [each], flow.fresh(output), attrs)
    count = Constant(np.array(np.prod(attrs["size"]), np.float32))
    total = flow.add("multiply", [mean, count], flow.fresh(output))
    flow.result(flow.step("sqrt", total, output) if power == 2 else total, output)


RULES: dict[str, Rule] = {
    "AveragePool": over_lines(average_pool),
    "LpPool": over_lines(lp_pool),
    "MaxPool": over_lines(max_pool),
}
