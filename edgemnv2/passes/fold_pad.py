"""pad, conv2d -> conv2d: also through the quantise and dequantise nodes between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.ops.flow import Flow, Node

__all__ = ["fold_pad"]

ELEMENTWISE = ("quantize", "dequantize", "clip", "permute")


@dataclass(frozen=True)
class _Pending:
    """A padded tensor that is not made: its unpadded source, the padding, the value filled in."""

    source: str
    pairs: tuple[tuple[int, int], ...]
    value: float


def fold_pad(flow: Flow) -> Flow:
    """The flow without pad nodes; UnsupportedOperator where one does not feed a convolution."""
    pending: dict[str, _Pending] = {}
    shapes = dict(flow.shapes)
    nodes: list[Node] = []
    for node in flow.nodes:
        padded = next((pending[x] for x in node.tensors if x in pending), None)
        if node.op == "pad":
            pending[node.output] = _merge(node, padded, flow.source)
        elif padded is None:
            nodes.append(node)
        elif node.op == "conv2d":
            nodes.append(_into_convolution(node, padded, flow.source))
        elif node.op in ELEMENTWISE:
            pairs = padded.pairs
            if node.op == "permute":
                pairs = tuple(pairs[axis] for axis in node.attrs["axes"])
            pending[node.output] = _Pending(node.output, pairs, _value_after(node, padded.value))
            shapes[node.output] = tuple(
                extent - sum(pair) for extent, pair in zip(shapes[node.output], pairs, strict=True)
            )
            nodes.append(node.with_input(0, padded.source))
        else:
            raise UnsupportedOperator(
                f"{flow.source}: padding in front of {node.op!r} is not supported: "
                "only a convolution may follow a Pad; fold the padding or remove it"
            )
    for name in flow.outputs:
        if name in pending:
            raise UnsupportedOperator(f"{flow.source}: a Pad may not be the model's last operator")
    return replace(flow, nodes=tuple(nodes), shapes=shapes)


def _merge(node: Node, before: _Pending | None, source: str) -> _Pending:
    if node.attrs["mode"] != "constant":
        raise UnsupportedOperator(
            f"{source}: Pad mode {node.attrs['mode']!r} is not supported (must be 'constant')"
        )
    pairs, value = node.attrs["pairs"], float(node.attrs["value"])
    if before is None:
        return _Pending(node.tensors[0], pairs, value)
    if before.value != value:
        raise UnsupportedOperator(f"{source}: two Pads in a row fill with different values")
    total = tuple((a + c, b + d) for (a, b), (c, d) in zip(pairs, before.pairs, strict=True))
    return _Pending(before.source, total, value)


def _value_after(node: Node, value: float) -> float:
    """What the fill value becomes behind an elementwise node."""
    if node.op == "permute":
        return value
    if node.op == "clip":
        return float(np.clip(value, *node.attrs["clamp"]))
    scale, zero_point = (float(node.constant(i).values) for i in (1, 2))
    if node.op == "dequantize":
        return scale * (value - zero_point)
    return float(np.rint(value / scale) + zero_point)


def _into_convolution(node: Node, padded: _Pending, source: str) -> Node:
    layout = node.attrs["data_layout"]
    by_axis = dict(zip(layout, padded.pairs, strict=True))
    if any(by_axis["N"]) or any(by_axis["C"]):
        raise UnsupportedOperator(f"{source}: Pad of batch or channels is not supported")
    if padded.value != 0.0:
        raise UnsupportedOperator(
            f"{source}: Pad fills with the real value {padded.value:g} (must be 0, or the zero "
            "point of a quantised tensor)"
        )
    top, left, bottom, right = node.attrs["padding"]
    (above, below), (before, after) = by_axis["H"], by_axis["W"]
    padding = (top + above, left + before, bottom + below, right + after)
    return node.with_attrs(padding=padding).with_input(0, padded.source)
