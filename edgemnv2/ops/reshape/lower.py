"""Reshapes: mostly another view, else rows of another length."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.reshape.layer import Reshape
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "lower"]

NODES = ("reshape",)


def arrange(node: Node, views: Views) -> None:
    """Another view of the same map."""
    view, shape = views.view(node), views.shape(node.output)
    views.expect_size(node, prod(view.shape))
    seen = view.reshaped(shape)
    if seen is None:
        order = tuple(range(len(shape)))
        seen = replace(view, shape=shape, order=order, before=view)
    views.declare(node.output, seen)


def lower(node: Node, to: Lowering) -> None:
    """Rows of another length."""
    to.add(Reshape(**to.common(node)))
