"""The largest values: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.top_k.layer import TopK
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "lower"]

NODES = ("top_k",)


def arrange(node: Node, views: Views) -> None:
    """Over the channels of a map."""
    axis = node.attrs["axis"]
    view = views.channels_last(views.view(node), axis)
    height, width, _ = view.map
    count = views.shape(node.output)[axis]
    views.emit(node.with_input(0, view.name), (height, width, count), view.order)


def lower(node: Node, to: Lowering) -> None:
    """Of what is stored: a scale changes no order."""
    attrs = node.attrs
    to.add(TopK(**to.common(node), numbers=attrs["numbers"], smallest=attrs["smallest"]))
