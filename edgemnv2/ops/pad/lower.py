"""Padding that no convolution takes: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.pad.layer import Pad
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "lower"]

NODES = ("pad",)


def arrange(node: Node, views: Views) -> None:
    """Pairs per axis become pairs of height, width and channels."""
    view = views.view(node)
    order, wanted = view.order, node.attrs["pairs"]
    if sum(wanted[order[0]]):
        # An axis of extent 1 lies anywhere: in front goes one that is not padded.
        free = [axis for axis in order if view.shape[axis] == 1 and not sum(wanted[axis])]
        order = (*free, *(axis for axis in order if axis not in free))
    pairs = [wanted[axis] for axis in order]
    view = views.arranged(view, order, views.map_of(view.shape, order))
    pairs = [(0, 0)] * (4 - len(pairs)) + pairs
    if (len(pairs) > 4 and any(sum(pair) for pair in pairs[:-3])) or sum(pairs[0]):
        raise views.refuse(
            node, "padding of the batch is not supported; export the model for single images"
        )
    attrs = {**node.attrs, "height": pairs[-3], "width": pairs[-2], "channels": pairs[-1]}
    height, width, channels = (m + sum(p) for m, p in zip(view.map, pairs[-3:], strict=True))
    new = replace(node, inputs=(view.name,), attrs=attrs)
    views.emit(new, (height, width, channels), view.order)


def lower(node: Node, to: Lowering) -> None:
    """Rows, columns and channels of the fill value."""
    (top, bottom), (left, right) = node.attrs["height"], node.attrs["width"]
    to.add(
        Pad(
            **to.common(node),
            padding=(top, left, bottom, right),
            channels=tuple(node.attrs["channels"]),
            value=float(node.attrs["value"]),
        )
    )
