"""Clip, ReLU, ReLU6 that stand alone: from the source's terms to layers."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic import onnx
from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.ops.clamp.layer import Clamp
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.views import Views

__all__ = ["CLAMPS", "NODES", "arrange", "integer", "lower"]

NODES = ("clip",)
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """Elementwise."""
    view = views.view(node)
    views.emit_like(node.with_input(0, view.name), view)


def lower(node: Node, to: Lowering) -> None:
    """A clamp of what is stored."""
    to.add(Clamp(**to.common(node), clamp=to.stored_clamp(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's quantised RELU and RELU6 divide the scales in float32, QUANTIZE in double."""
    if to.format == "onnx":
        factor = onnx.rescale_requantize(site.x[0], site.y)
        to.add(Rescale(**site.common, requantize=factor, clamp=site.clamp))
        return
    ratio = float(np.float32(site.x[0].scale) / np.float32(site.y.scale))
    to.add(Rescale(**site.common, requantize=make_requantize([ratio]), clamp=site.clamp))
