"""Import rules of TFLite: products of matrices."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.matrix_product.product import add_product, add_stacked, turned
from edgemnv2.ops.matrix_product.running import cumulative_sum
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def batch_matmul(node: SourceNode, flow: FlowBuilder) -> None:
    """The left operand is computed; the right one too, or at most 64
    matrices, of integers one."""
    left, right = (flow.real(node.input(i)) for i in (0, 1))
    shape, other = node.input(0).shape, node.input(1).shape
    if isinstance(left, Constant):
        raise Refusal("a constant left operand", "write the product the other way round")
    if node.get("adj_x", False):
        left, shape = turned(flow, left, shape, node.input(0))
    if isinstance(right, Constant):
        matrix = right.transpose((*range(len(other) - 2), len(other) - 1, len(other) - 2))
        right = matrix if node.get("adj_y", False) else right
        if prod(other[:-2]) > 1 and node.output.is_quantized:
            raise Refusal(f"a constant operand of shape {list(other)}", "write it as convolutions")
        if prod(other[:-2]) > 1:
            name = add_stacked(flow, (left, shape), right, node.output)
            flow.result(name, node.output)
            return
        flow.compute("matmul", [left, right.reshape(right.values.shape[-2:])], node.output)
        return
    if node.get("adj_y", False):
        right, other = turned(flow, right, other, node.input(1))
    flow.result(add_product(flow, (left, shape), (right, other), node.output), node.output)


RULES: dict[str, Rule] = {"BATCH_MATMUL": batch_matmul, "CUMSUM": cumulative_sum}
