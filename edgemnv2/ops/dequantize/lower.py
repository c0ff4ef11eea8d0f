"""Dequantise nodes: a layer only where somebody needs the floats."""

from __future__ import annotations

from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "lower"]

NODES = ("dequantize",)


def arrange(node: Node, views: Views) -> None:
    """Elementwise."""
    view = views.view(node)
    views.emit_like(node.with_input(0, view.name), view)


def lower(node: Node, to: Lowering) -> None:
    """The floats of an integer tensor."""
    if to.is_needed(node):
        to.add(Dequantize(**to.common(node)))
