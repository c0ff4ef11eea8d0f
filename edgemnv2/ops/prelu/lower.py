"""Rectifiers with learned slopes: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import UNBOUNDED, Lowering, Site
from edgemnv2.ops.prelu.layer import Prelu
from edgemnv2.ops.views import Views

__all__ = ["CLAMPS", "INTEGER_FORMATS", "NODES", "arrange", "integer", "is_integer", "lower"]

NODES = ("prelu",)
INTEGER_FORMATS = ("tflite",)
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """Slopes as one value per channel where that is what they are, else spread over a map."""
    slope, view = views.spread(node, views.constant(node, 1), views.view(node))
    views.emit_like(replace(node, inputs=(view.name, slope)), view)


def is_integer(node: Node) -> bool:
    """Whether the slopes are quantised by one scale."""
    slope = node.constant(1)
    return slope.scale is not None and not slope.per_axis


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's PRELU; its factors are taken in float32."""
    slope = node.constant(1)
    assert slope.scale is not None
    x, y = np.float32(site.x[0].scale), np.float32(site.y.scale)
    above = make_requantize([float(x / y)])
    below = make_requantize([float(x * np.float32(slope.scale.reshape(())) / y)])
    steps = slope.centred()
    to.add(Prelu(**site.common, slope=steps, clamp=site.clamp, rescale=(above, below)))


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    slope = node.constant(1).real().astype(np.float32)
    clamp = node.attrs.get("clamp", UNBOUNDED)
    to.add(Prelu(**to.common(node), slope=slope, clamp=clamp))
