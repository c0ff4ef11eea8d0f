"""Resizing: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.resize.layer import FIXED_ONE, Resize
from edgemnv2.ops.views import NCHW, NHWC, Views

__all__ = ["NODES", "arrange", "integer", "is_integer", "keeps_scale", "lower"]

NODES = ("resize",)
WEIGHTS = ("row_weights", "column_weights")
TABLES = ("rows", "columns", *WEIGHTS, "rounding")


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
    """Whether integers are moved, or weighted by 1024ths; between others lie real numbers.

    Maps of twice, four, eight times the size have such weights. Then the sum is exact, and no
    target's way of adding floats decides about its halves.
    """
    weights = [node.attrs[name] for name in WEIGHTS if name in node.attrs]
    return all(bool((w * FIXED_ONE == np.rint(w * FIXED_ONE)).all()) for w in weights)


def keeps_scale(node: Node) -> bool:
    """Whether it is an integer layer only where both ends have one scale."""
    return "row_weights" in node.attrs


def integer(node: Node, site: Site, to: Lowering) -> None:
    """The nearest pixel, rescaled where scales differ; or weighted pixels, as they are stored."""
    tables = {key: node.attrs[key] for key in TABLES if key in node.attrs}
    if "row_weights" not in node.attrs:
        to.add_keeping(Resize(**site.common, **tables), site)
        return
    for name in WEIGHTS:
        tables[name] = np.rint(tables[name] * FIXED_ONE).astype(np.int32)
    to.add(Resize(**site.common, **{**tables, "rounding": "even"}))
