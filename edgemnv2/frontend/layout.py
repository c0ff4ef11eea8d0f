"""Which layout a model's own image has, told by the operators behind it."""

from __future__ import annotations

from edgemnv2.ops.flow import Flow

__all__ = ["input_layout"]

TO_NHWC = (0, 2, 3, 1)


def input_layout(flow: Flow, name: str) -> str:
    """ "NHWC" or "NCHW" of an input: what the first operator on images takes it for."""
    waiting = {name}
    for node in flow.nodes:
        if waiting.isdisjoint(node.tensors):
            continue
        if node.op == "permute":
            return "NCHW" if tuple(node.attrs["axes"]) == TO_NHWC else "NHWC"
        layout = node.attrs.get("data_layout") or node.attrs.get("layout")
        if layout is not None:
            return str(layout)
        if node.op != "reshape":
            waiting.update(node.outputs)
    return "NHWC"
