"""conv2d, then per-channel sums, factors and batch normalisation -> conv2d with weight and bias.

Computed in double precision, stored as float32. A quantised convolution takes its bias only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.errors import ModelError
from edgemnv2.ops.flow import Array, Constant, Flow, Node, consumers

__all__ = ["fold_affine"]

CONVOLUTIONS = ("conv2d", "conv2d_transpose", "depthwise")
AFFINE = ("add", "subtract", "multiply", "divide", "batch_norm")


def fold_affine(flow: Flow) -> Flow:
    """The flow whose convolutions have three inputs: activation, weight, bias.

    Raises ModelError for a convolution whose folded numbers float32 cannot hold.
    """
    users = consumers(flow)
    folded: dict[str, Node] = {}
    nodes: list[Node] = []
    for node in flow.nodes:
        if node.op in CONVOLUTIONS:
            if len(node.inputs) == 2:
                channels = node.constant(1).values.shape[-1]
                bias = Constant(np.zeros(channels, np.float32))
                node = replace(node, inputs=(*node.inputs, bias))
            # Behind a clamp nothing is affine in the weights any more.
            if "clamp" not in node.attrs:
                folded[node.output] = node
            nodes.append(node)
        elif node.op in AFFINE and len(node.tensors) == 1:
            name = node.tensors[0]
            before = folded.get(name)
            alone = before is not None and len(users[name]) == 1 and name not in flow.outputs
            merged = _merge(before, node) if before is not None and alone else None
            if before is None or merged is None:
                nodes += _alone(node)
                continue
            merged = replace(merged, output=node.output)
            nodes[nodes.index(before)] = merged
            folded[node.output] = merged
        else:
            nodes.append(node)
    for node in folded.values():
        _check_range(flow, node)
    made = {x.output for x in nodes}
    shapes = {**flow.shapes}
    dtypes = {**flow.dtypes}
    for node in nodes:
        if node.output not in shapes:
            reader = next(x for x in nodes if node.output in x.inputs)
            shapes[node.output], dtypes[node.output] = shapes[reader.output], dtypes[reader.output]
    assert made.issubset(shapes)
    return replace(flow, nodes=tuple(nodes), shapes=shapes, dtypes=dtypes)


def _alone(node: Node) -> list[Node]:
    """The node where no convolution takes it up; a batch normalisation as factor and sum."""
    if node.op != "batch_norm":
        return [node]
    scale, shift = (Constant(x.astype(np.float32)) for x in _affine(node))
    inner = f"{node.output}.scaled"
    return [
        Node("multiply", (node.inputs[0], scale), inner, {}, node.place),
        replace(node, op="add", inputs=(inner, shift), attrs={}),
    ]


def _merge(convolution: Node, node: Node) -> Node | None:
    """The convolution with the node's sum or factor in it; None where it cannot take it."""
    activation, weight, bias = convolution.inputs
    assert isinstance(weight, Constant) and isinstance(bias, Constant)
    if not isinstance(node.inputs[0], str):
        return None  # constant - x, constant / x
    operand = node.constant(1)
    channels = weight.values.shape[-1]
    if node.op != "batch_norm" and operand.values.size not in (1, channels):
        return None
    unset = bias.scale is None and not bias.values.any()
    if node.op == "add" and unset:
        whole = operand if operand.values.size == channels else _spread(operand, channels)
        return replace(convolution, inputs=(activation, weight, whole))
    # What leaves the range is told by `_check_range`, of the whole fold.
    with np.errstate(all="ignore"):
        scale, shift = _affine(node)
        if not np.all(scale == 1.0) and weight.scale is not None:
            return None
        new_bias = bias.real().astype(np.float64) * scale + shift
        if np.all(scale == 1.0):
            new_weight = weight
        else:
            new_weight = Constant((weight.real().astype(np.float64) * scale).astype(np.float32))
        new_bias = np.broadcast_to(new_bias, (channels,)).astype(np.float32)
    return replace(convolution, inputs=(activation, new_weight, Constant(new_bias)))


def _check_range(flow: Flow, node: Node) -> None:
    """ModelError for weights or a bias that training cannot have ended with."""
    for index, what in ((1, "weights"), (2, "biases")):
        values = node.constant(index).values
        count = int(values.size - np.isfinite(values).sum()) if values.dtype.kind == "f" else 0
        if count:
            raise ModelError(
                f"{flow.source}: {node.place or node.op}: {count} of its {what} are infinite or no "
                "number with the operations behind it (batch normalisation, factors, sums) folded "
                "in; train or export the model again"
            )


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
