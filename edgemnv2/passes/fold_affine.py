"""conv2d, then per-channel sums, factors and batch normalisation -> conv2d with weight and bias.

Computed in double precision, stored as float32. A quantised convolution takes its bias only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.ops.flow import Array, Constant, Flow, Node, consumers, producers

__all__ = ["fold_affine"]

CONVOLUTIONS = ("conv2d", "depthwise")
AFFINE = ("add", "subtract", "multiply", "divide", "batch_norm")


def fold_affine(flow: Flow) -> Flow:
    """The flow whose convolutions have three inputs: activation, weight, bias."""
    users = consumers(flow)
    made_by = producers(flow)
    folded: dict[str, Node] = {}
    nodes: list[Node] = []
    for node in flow.nodes:
        if node.op in CONVOLUTIONS:
            channels = node.constant(1).values.shape[-1]
            node = replace(node, inputs=(*node.inputs, Constant(np.zeros(channels, np.float32))))
            folded[node.output] = node
            nodes.append(node)
        elif node.op in AFFINE and len(node.tensors) == 1:
            name = node.tensors[0]
            before = folded.get(name)
            if before is None or len(users[name]) != 1 or name in flow.outputs:
                what = made_by[name].op if name in made_by else "the input"
                raise UnsupportedOperator(
                    f"{flow.source}: {node.op} by a constant behind {what} is not supported: it "
                    "must directly follow a convolution or matrix product that nothing else reads"
                )
            merged = replace(_merge(before, node, flow.source), output=node.output)
            nodes[nodes.index(before)] = merged
            folded[node.output] = merged
        else:
            nodes.append(node)
    return flow.with_nodes(nodes)


def _merge(convolution: Node, node: Node, source: str) -> Node:
    activation, weight, bias = convolution.inputs
    assert isinstance(weight, Constant) and isinstance(bias, Constant)
    operand = node.constant(1)
    unset = bias.scale is None and not bias.values.any()
    if node.op == "add" and unset:
        channels = weight.values.shape[-1]
        whole = operand if operand.values.size == channels else _spread(operand, channels)
        return replace(convolution, inputs=(activation, weight, whole))
    scale, shift = _affine(node)
    if not np.all(scale == 1.0) and weight.scale is not None:
        raise UnsupportedOperator(
            f"{source}: {node.op} behind a quantised convolution is not supported: quantise the "
            "model after its batch normalisations are folded"
        )
    new_bias = bias.real().astype(np.float64) * scale + shift
    if np.all(scale == 1.0):
        new_weight = weight
    else:
        new_weight = Constant((weight.real().astype(np.float64) * scale).astype(np.float32))
    channels = weight.values.shape[-1]
    new_bias = np.broadcast_to(new_bias, (channels,)).astype(np.float32)
    return replace(convolution, inputs=(activation, new_weight, Constant(new_bias)))


def _spread(operand: Constant, channels: int) -> Constant:
    return Constant(np.full(channels, float(operand.real().reshape(-1)[0]), np.float32))


def _affine(node: Node) -> tuple[Array, Array]:
    """`(scale, shift)` of the node as float64 vectors or scalars."""
    if node.op == "batch_norm":
        vectors = [node.constant(i).real().astype(np.float64) for i in range(1, 5)]
        gamma, beta, mean, variance = vectors
        gamma = gamma if node.attrs["scale"] else np.ones_like(gamma)
        beta = beta if node.attrs["center"] else np.zeros_like(beta)
        scale = gamma / np.sqrt(variance + node.attrs["epsilon"])
        return scale, beta - mean * scale
    value = node.constant(1).real().astype(np.float64)
    one, zero = np.ones(1), np.zeros(1)
    return {
        "add": (one, value),
        "subtract": (one, -value),
        "multiply": (value, zero),
        "divide": (one / value if node.op == "divide" else one, zero),
    }[node.op]
