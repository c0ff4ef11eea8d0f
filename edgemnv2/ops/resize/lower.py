"""Resizing: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.resize.layer import Resize
from edgemnv2.ops.views import NCHW, NHWC, Views

__all__ = ["NODES", "arrange", "integer", "is_integer", "lower"]

NODES = ("resize",)
TABLES = ("rows", "columns", "row_weights", "column_weights", "truncates")


def arrange(node: Node, views: Views) -> None:
    """An image of another height and width."""
    layout = node.attrs["layout"]
    view = views.as_image(views.view(node), layout)
    out = len(node.attrs["rows"]), len(node.attrs["columns"]), view.map[2]
    made = replace(node, inputs=(view.name,))
    views.emit(made, out, NHWC if layout == "NHWC" else NCHW)


def lower(node: Node, to: Lowering) -> None:
    """Floats, or what is stored."""
    tables = {key: node.attrs[key] for key in TABLES if key in node.attrs}
    to.add(Resize(**to.common(node), **tables))


def is_integer(node: Node) -> bool:
    """Whether integers are moved; between two of them lie real numbers."""
    return "row_weights" not in node.attrs


def integer(node: Node, site: Site, to: Lowering) -> None:
    """The nearest pixel, rescaled where scales differ."""
    tables = {key: node.attrs[key] for key in TABLES if key in node.attrs}
    to.add_keeping(Resize(**site.common, **tables), site)
