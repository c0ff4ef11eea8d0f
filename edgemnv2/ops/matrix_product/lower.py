"""Products of matrices: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.matrix_product.layer import MatrixProduct
from edgemnv2.ops.views import View, Views

__all__ = ["CLAMPS", "NODES", "arrange", "integer", "lower"]

NODES = ("matrix_product",)
"""Operands `[..., M, K]` and `[..., K, N]`; what is in front of them broadcasts."""
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """Maps of which every row is a matrix."""
    shape = views.shape(node.output)
    batch = prod(shape[:-2])
    pair = []
    for index in (0, 1):
        view = views.view(node, index)
        mine = view.shape[:-2]
        if prod(mine) not in (1, batch):
            old = (1,) * (len(shape) - len(view.shape)) + view.shape
            spread = (*shape[:-2], *view.shape[-2:])
            seen = view.reshaped(old) or _reshaped(views, view, old)
            view = views.repeated(seen, spread, tuple(range(len(spread))))
        order = tuple(range(len(view.shape)))
        map_ = prod(view.shape[:-2]), view.shape[-2], view.shape[-1]
        pair.append(views.arranged(view, order, map_).name)
    order = tuple(range(len(shape)))
    views.emit(replace(node, inputs=tuple(pair)), (batch, shape[-2], shape[-1]), order)


def _reshaped(views: Views, view: View, shape: tuple[int, ...]) -> View:
    seen = views.plain(view).reshaped(shape)
    assert seen is not None
    return seen


def lower(node: Node, to: Lowering) -> None:
    """The product of floats."""
    common = to.common(node)
    if len(common["inputs"]) == 1:
        common["inputs"] = common["inputs"] * 2
    depth = to.tensors[common["inputs"][0]].channels
    to.add(MatrixProduct(**common, depth=depth, clamp=to.stored_clamp(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's BATCH_MATMUL or FULLY_CONNECTED, or ONNX's product of real numbers, rounded once."""
    quants = site.x if len(site.x) == 2 else site.x * 2
    inputs = site.inputs if len(site.inputs) == 2 else site.inputs * 2
    if to.format == "onnx":
        factor = to.arithmetic.product_requantize(quants[0], quants[1], site.y)
    else:
        scale = np.array([quants[1].scale], np.float32)
        tflite = to.arithmetic
        rule = tflite.dense_requantize if node.attrs.get("dense") else tflite.convolution_requantize
        factor = rule(quants[0], scale, site.y, 1)
    common = {**site.common, "inputs": inputs, "depth": to.tensors[inputs[0]].channels}
    to.add(MatrixProduct(**common, clamp=site.clamp, requantize=factor))
