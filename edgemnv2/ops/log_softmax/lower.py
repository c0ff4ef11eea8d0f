"""Log softmax: from the source's terms to layers."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic.tflite import exp_table, softmax_distances
from edgemnv2.model import QuantParams
from edgemnv2.ops.fixed_output import add_with_output
from edgemnv2.ops.flow import Node
from edgemnv2.ops.log_softmax.layer import LogSoftmax
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.views import Views

__all__ = ["INTEGER_FORMATS", "NODES", "arrange", "integer", "lower"]

NODES = ("log_softmax",)
INTEGER_FORMATS = ("tflite",)


def arrange(node: Node, views: Views) -> None:
    """Over the channels of a map."""
    view = views.channels_last(views.view(node), node.attrs["axis"])
    views.emit_like(node.with_input(0, view.name), view)


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(LogSoftmax(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's gives 1/16 below the highest value; others are rescaled."""
    fixed = QuantParams(16.0 / 256.0, int(np.iinfo(site.dtype).max))
    scale = site.x[0].scale
    distances, furthest, back = softmax_distances(scale)
    add_with_output(
        site,
        to,
        fixed,
        LogSoftmax,
        exp_table=exp_table(scale),
        distances=distances,
        furthest=furthest,
        back=back,
    )
