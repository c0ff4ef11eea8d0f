"""Slices, splits, gathers, tiles: from the source's terms to selections."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.select.layer import Select
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "lower"]

NODES = ("select",)
"""Attribute `indices`: for each axis of the operand the indices that are taken."""


def arrange(node: Node, views: Views) -> None:
    """Index lists per axis become lists of rows, columns and channels."""
    view = views.view(node)
    indices = [list(node.attrs["indices"][axis]) for axis in view.order]
    map_ = views.map_of(view.shape, view.order)
    view = views.arranged(view, view.order, map_)
    extents = [view.shape[axis] for axis in view.order]
    lists = [[0]] * (3 - len(indices)) + indices[-3:]
    # Axes in front of the last three belong to the rows.
    for taken, extent in zip(indices[:-3][::-1], extents[:-3][::-1], strict=True):
        height = map_[0] // max(extent, 1)
        lists[0] = [i * height + row for i in taken for row in lists[0]]
    moved = {"rows": lists[0], "columns": lists[1], "channels": lists[2]}
    new = replace(node, inputs=(view.name,), attrs={k: tuple(v) for k, v in moved.items()})
    views.emit(new, (len(lists[0]), len(lists[1]), len(lists[2])), view.order)


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
