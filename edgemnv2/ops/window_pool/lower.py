"""Pooling with windows: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.views import NCHW, NHWC, Views
from edgemnv2.ops.window_pool.layer import AveragePool, MaxPool

__all__ = ["CLAMPS", "NODES", "arrange", "integer", "lower"]

NODES = ("avg_pool", "max_pool")
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """Windows over an image; a mean over the whole of it is `pool`."""
    layout = node.attrs["layout"]
    view = views.as_image(views.view(node), layout)
    order = NHWC if layout == "NHWC" else NCHW
    height, width, channels = view.map
    attrs = node.attrs
    kept = {key: attrs[key] for key in ("clamp",) if key in attrs}
    if node.op == "avg_pool" and attrs["size"] == (height, width) and not any(attrs["padding"]):
        made = Node("pool", (view.name,), node.output, kept, node.place)
        views.emit(made, (1, 1, channels), order)
        return
    shape = views.shape(node.output)
    if len(shape) != len(order):
        raise views.refuse(node, f"{len(order)} extents are expected; convert the model again")
    out = shape[order[1]], shape[order[2]]
    top, left = attrs["padding"][:2]
    after = []
    for axis, (extent, before) in enumerate(((height, top), (width, left))):
        window = (attrs["size"][axis] - 1) * attrs["dilation"][axis] + 1
        # As far as the last window goes (ONNX may round the number of windows up).
        stride = attrs["stride"][axis]
        after.append(max(0, (out[axis] - 1) * stride + window - extent - before))
        windows = (extent + before + after[-1] - window) // stride + 1
        if windows != out[axis]:
            raise views.refuse(
                node,
                f"windows of {window} over an extent of {extent} give {windows} of them, not the "
                f"{out[axis]} that the file says; export the model again",
            )
    padding = (top, left, after[0], after[1])
    new = {
        **kept,
        "kernel": attrs["size"],
        "stride": attrs["stride"],
        "dilation": attrs["dilation"],
        "padding": padding,
        "counted": attrs.get("counted", (0, 0, 0, 0)),
    }
    if min(attrs["padding"]) < 0:
        raise views.refuse(node, f"negative padding {list(attrs['padding'])}; export again")
    views.emit(replace(node, inputs=(view.name,), attrs=new), (*out, channels), order)


def _window(node: Node) -> dict[str, Any]:
    return {key: node.attrs[key] for key in ("kernel", "stride", "padding", "dilation")}


def lower(node: Node, to: Lowering) -> None:
    """Floats, or what is stored, rounded as TFLite's AVERAGE_POOL_2D does."""
    common = {**to.common(node), **_window(node), "clamp": to.stored_clamp(node)}
    if node.op == "max_pool":
        to.add(MaxPool(**common))
    else:
        to.add(AveragePool(**common, counted=node.attrs["counted"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """Between other scales: the largest value rescaled, the mean with a factor for each count."""
    common = {**site.common, **_window(node), "clamp": site.clamp}
    if node.op == "max_pool":
        to.add_keeping(MaxPool(**common), site)
        return
    kh, kw = node.attrs["kernel"]
    counts = range(1, kh * kw + 1)
    factors = [to.arithmetic.mean_requantize(site.x[0], site.y, count) for count in counts]
    factor = Requantize(
        np.concatenate([x.multiplier for x in factors]),
        np.concatenate([x.shift for x in factors]),
        factors[0].rounding,
    )
    to.add(AveragePool(**common, counted=node.attrs["counted"], requantize=factor))
