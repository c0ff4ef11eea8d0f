"""pad, conv2d -> conv2d: also through the quantise and dequantise nodes between them.

A padding that other operators read, too, or that does not fill with real zeros, stays a node.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.ops.flow import Flow, Node, consumers, producers

__all__ = ["fold_pad"]

THROUGH = ("quantize", "dequantize", "permute")
Pairs = tuple[tuple[int, int], ...]


def fold_pad(flow: Flow) -> Flow:
    """The flow whose convolutions pad by themselves where they can."""
    while True:
        found = _first(flow)
        if found is None:
            return flow
        flow = _folded(flow, *found)


def _first(flow: Flow) -> tuple[Node, list[Node], Node] | None:
    """A padding that one convolution alone reads, the nodes between the two, and it."""
    users, made_by = consumers(flow), producers(flow)
    for convolution in flow.nodes:
        if convolution.op != "conv2d":
            continue
        between: list[Node] = []
        node = made_by.get(convolution.tensors[0])
        while node is not None and len(users[node.output]) == 1 and node.output not in flow.outputs:
            if node.op == "pad":
                if _can_fold(node, between, convolution):
                    return node, between[::-1], convolution
                break
            if node.op not in THROUGH:
                break
            between.append(node)
            node = made_by.get(node.tensors[0])
    return None


def _can_fold(pad: Node, between: list[Node], convolution: Node) -> bool:
    """Whether it fills height and width only, with what the convolution takes for zero."""
    if pad.attrs["mode"] != "constant":
        return False
    pairs, value = pad.attrs["pairs"], float(pad.attrs["value"])
    for node in reversed(between):
        if node.op == "permute":
            pairs = tuple(pairs[axis] for axis in node.attrs["axes"])
        else:
            value = _value_after(node, value)
    by_axis = dict(zip(convolution.attrs["data_layout"], pairs, strict=True))
    return value == 0.0 and not any(by_axis["N"]) and not any(by_axis["C"])


def _value_after(node: Node, value: float) -> float:
    """What the fill value becomes behind a quantise or dequantise node."""
    scale, zero_point = (float(node.constant(i).values) for i in (1, 2))
    if node.op == "dequantize":
        return scale * (value - zero_point)
    return float(np.rint(value / scale) + zero_point)


def _folded(flow: Flow, pad: Node, between: list[Node], convolution: Node) -> Flow:
    shapes = dict(flow.shapes)
    pairs: Pairs = pad.attrs["pairs"]
    replaced: dict[str, Node] = {}
    source = pad.tensors[0]
    for node in between:
        if node.op == "permute":
            pairs = tuple(pairs[axis] for axis in node.attrs["axes"])
        replaced[node.output] = node.with_input(0, source)
        shapes[node.output] = tuple(
            extent - sum(pair) for extent, pair in zip(shapes[node.output], pairs, strict=True)
        )
        source = node.output
    by_axis = dict(zip(convolution.attrs["data_layout"], pairs, strict=True))
    top, left, bottom, right = convolution.attrs["padding"]
    (above, below), (before, after) = by_axis["H"], by_axis["W"]
    padding = (top + above, left + before, bottom + below, right + after)
    replaced[convolution.output] = convolution.with_attrs(padding=padding).with_input(0, source)
    nodes = [replaced.get(node.output, node) for node in flow.nodes if node is not pad]
    return replace(flow, nodes=tuple(nodes), shapes=shapes)
