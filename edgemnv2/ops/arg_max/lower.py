"""Arg max: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "lower"]

NODES = ("arg_max",)
"""Keeps its axis, with an extent of 1."""


def arrange(node: Node, views: Views) -> None:
    """Over the channels of a map."""
    view = views.channels_last(views.view(node), node.attrs["axis"])
    height, width, _ = view.map
    views.emit(node.with_input(0, view.name), (height, width, 1), view.order)


def lower(node: Node, to: Lowering) -> None:
    """Of what is stored: a scale changes no order."""
    attrs = node.attrs
    to.add(ArgMax(**to.common(node), smallest=attrs["smallest"], last=attrs["last"]))
