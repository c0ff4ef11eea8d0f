"""Transposes: another view; data moves only where an operator wants another order."""

from __future__ import annotations

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.transpose.layer import Transpose
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "lower"]

NODES = ("permute", "transpose")


def arrange(node: Node, views: Views) -> None:
    """The same map, its axes numbered anew."""
    view, axes = views.view(node), node.attrs["axes"]
    if sorted(axes) != list(range(len(view.shape))):
        raise views.refuse(
            node,
            f"axes {list(axes)} are no order of the {len(view.shape)} of {list(view.shape)}; "
            "export the model again",
        )
    views.declare(node.output, view.permuted(axes))


def lower(node: Node, to: Lowering) -> None:
    """Elements in another order."""
    to.add(Transpose(**to.common(node), memory=node.attrs["memory"], axes=node.attrs["axes"]))
