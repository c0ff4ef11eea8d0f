"""Slices, splits, gathers, tiles: from the source's terms to selections."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.select.layer import Select
from edgemnv2.ops.views import Views, map_indices

__all__ = ["NODES", "arrange", "lower"]

NODES = ("select",)
"""Attribute `indices`: for each axis of the operand the indices that are taken."""


def arrange(node: Node, views: Views) -> None:
    """Index lists per axis become lists of rows, columns and channels."""
    view = views.view(node)
    indices = [node.attrs["indices"][axis] for axis in view.order]
    map_ = views.map_of(view.shape, view.order)
    view = views.arranged(view, view.order, map_)
    lists = map_indices(indices, [view.shape[axis] for axis in view.order])
    new = replace(node, inputs=(view.name,), attrs=lists)
    height, width, channels = (len(taken) for taken in lists.values())
    views.emit(new, (height, width, channels), view.order)


def lower(node: Node, to: Lowering) -> None:
    """A selection of what is stored."""
    to.add(
        Select(
            **to.common(node),
            rows=node.attrs["rows"],
            columns=node.attrs["columns"],
            channels=node.attrs["channels"],
        )
    )
