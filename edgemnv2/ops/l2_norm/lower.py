"""Normalisation by length: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.model import QuantParams
from edgemnv2.ops.fixed_output import add_with_output
from edgemnv2.ops.flow import Node
from edgemnv2.ops.l2_norm.layer import L2Norm
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.views import Views

__all__ = ["INTEGER_FORMATS", "NODES", "arrange", "integer", "lower"]

NODES = ("l2_norm",)
INTEGER_FORMATS = ("tflite",)


def arrange(node: Node, views: Views) -> None:
    """Over the channels of a map."""
    view = views.channels_last(views.view(node), node.attrs["axis"])
    views.emit_like(node.with_input(0, view.name), view)


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(L2Norm(**to.common(node), epsilon=node.attrs["epsilon"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's gives 1/128 around the middle of the type; others are rescaled."""
    unsigned = site.dtype == "uint8"
    fixed = QuantParams(1.0 / 128.0, 128 if unsigned else 0)
    epsilon = node.attrs["epsilon"]
    add_with_output(site, to, fixed, L2Norm, epsilon=epsilon, shifted_first=unsigned)
