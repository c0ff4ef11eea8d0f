"""Softmax: from the source's terms to layers."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic.onnx import softmax_constants
from edgemnv2.arithmetic.tflite import exp_table
from edgemnv2.model import QuantParams
from edgemnv2.ops.fixed_output import add_with_output
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "integer", "lower"]

NODES = ("softmax",)


def arrange(node: Node, views: Views) -> None:
    """Over the channels of a map."""
    view = views.channels_last(views.view(node), node.attrs["axis"])
    views.emit_like(node.with_input(0, view.name), view)


def lower(node: Node, to: Lowering) -> None:
    """The softmax of floats."""
    to.add(Softmax(**to.common(node), beta=float(node.attrs.get("beta", 1.0))))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's softmax always gives 1/256 and the lowest zero point; others are rescaled.

    ONNX's gives what the file says.
    """
    beta = float(node.attrs.get("beta", 1.0))
    if to.format == "onnx":
        channels = to.tensors[site.inputs[0]].channels
        table, inverse = softmax_constants(site.x[0], site.y, channels, beta)
        add_with_output(site, to, site.y, Softmax, exp_table=table, inverse=inverse)
        return
    fixed = QuantParams(1.0 / 256.0, int(np.iinfo(site.dtype).min))
    table = exp_table(site.x[0].scale, beta)
    add_with_output(site, to, fixed, Softmax, exp_table=table)
