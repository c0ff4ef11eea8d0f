"""Softmax: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.arithmetic.tflite import exp_table
from edgemnv2.model import QuantParams
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.rescale.layer import Rescale
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
    to.add(Softmax(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's softmax always gives 1/256 and the lowest zero point; others are rescaled."""
    limits = np.iinfo(site.dtype)
    fixed = QuantParams(1.0 / 256.0, int(limits.min))
    table = exp_table(site.x[0].scale, float(node.attrs.get("beta", 1.0)))
    if site.y == fixed:
        to.add(Softmax(**site.common, exp_table=table))
        return
    inner = f"{site.name}.softmax"
    to.tensors[inner] = replace(to.tensors[site.name], name=inner, quant=fixed)
    to.add(Softmax(inner, site.inputs, inner, exp_table=table))
    factor = make_requantize([fixed.scale / site.y.scale])
    to.add(Rescale(site.name, (inner,), site.name, requantize=factor, clamp=site.clamp))
