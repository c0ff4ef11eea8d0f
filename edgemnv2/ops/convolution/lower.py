"""Convolutions and matrix products: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgemnv2.arithmetic import onnx
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.arithmetic.tflite import convolution_requantize, dense_requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.convolution.layer import (
    Conv2D,
    DepthwiseConv2D,
    TransposedConv2D,
    window_of,
)
from edgemnv2.ops.flow import Array, Constant, Node
from edgemnv2.ops.lowering import INTEGER_TYPES, Lowering, Site
from edgemnv2.ops.views import NCHW, NHWC, View, Views

__all__ = ["CLAMPS", "NODES", "arrange", "integer", "is_integer", "lower"]

NODES = ("conv2d", "conv2d_transpose", "depthwise", "matmul")
CLAMPS = True
KINDS: dict[str, Any] = {
    "conv2d": Conv2D,
    "conv2d_transpose": TransposedConv2D,
    "depthwise": DepthwiseConv2D,
}
MOST_REACH = 4096
"""Of windows and padding, in pixels: more than any map that a board holds."""
BIAS_SCALE_TOLERANCE = 1e-6
"""Of the scale of the sums: what float32 products of the same scales may differ by."""


# -- views -----------------------------------------------------------------------------------------


def arrange(node: Node, views: Views) -> None:
    """`conv2d`, `depthwise` on images; matrix products as 1x1 convolutions, or over the map."""
    if node.op == "matmul":
        name = node.inputs[0]
        if not isinstance(name, str):
            raise views.refuse(node, "the left operand is a constant; transpose the product")
        _product(node, views, views.unsettled(name), views.constant(node, 1), dense=True)
    elif node.op == "conv2d_transpose":
        _transposed(node, views)
    else:
        _convolution(node, views)


def _transposed(node: Node, views: Views) -> None:
    attrs = node.attrs
    layout, kernel = attrs["data_layout"], attrs["kernel_layout"]
    weight = views.constant(node, 1).transpose(tuple(kernel.index(x) for x in "HWIO"))
    view = views.as_image(views.view(node), layout)
    order = NHWC if layout == "NHWC" else NCHW
    shape = views.shape(node.output)
    if weight.values.shape[2:] != (view.map[2], shape[order[3]]):
        raise views.refuse(
            node,
            f"weights {list(weight.values.shape)} for {view.map[2]} channels; export the model "
            "again",
        )
    made = {"stride": attrs["stride"], "padding": attrs["padding"], "dense": False}
    _check_bias(node, views, shape[order[3]])
    inputs = (view.name, weight, *node.inputs[2:])
    new = replace(node, inputs=inputs, attrs={**_kept(node), **made})
    views.emit(new, (shape[order[1]], shape[order[2]], shape[order[3]]), order)


def _convolution(node: Node, views: Views) -> None:
    attrs = node.attrs
    layout, kernel = attrs["data_layout"], attrs["kernel_layout"]
    weight = views.constant(node, 1)
    weight = weight.transpose(tuple(kernel.index(x) for x in "HWIO"))
    kh, kw, inner, outer = weight.values.shape
    view = views.unsettled(str(node.inputs[0]))
    pixel = (inner,) == tuple(x for x in view.shape if x != 1) and attrs["groups"] == 1
    if pixel and view.map[2] != inner and (kh, kw) == (1, 1) and not any(attrs["padding"]):
        # A 1x1 convolution over a flattened map is the matrix product of the classifier.
        _product(node, views, view, weight.reshape((inner, outer)), dense=False)
        return
    view = views.as_image(views.view(node), layout)
    height, width, channels = view.map
    groups = attrs["groups"]
    if min(attrs["padding"]) < 0:
        raise views.refuse(
            node, f"negative padding {list(attrs['padding'])}; cut the map in front of it"
        )
    if channels != groups * inner or outer % groups:
        raise views.refuse(
            node,
            f"{channels} input channels, {outer} output channels and weights for {inner} do not "
            f"make {groups} groups; export the model again",
        )
    op = "conv2d"
    if groups == channels == outer and groups > 1:
        op, weight = "depthwise", weight.reshape((kh, kw, channels))
    top, left, bottom, right = attrs["padding"]
    (sy, sx) = attrs["stride"]
    # A kernel of one row or column has nothing to be spread.
    dilation = tuple(1 if k == 1 else d for k, d in zip((kh, kw), attrs["dilation"], strict=True))
    rows, columns = window_of((kh, kw), (dilation[0], dilation[1]))
    if max(rows, columns, *attrs["stride"], *attrs["padding"]) > MOST_REACH:
        raise views.refuse(
            node,
            f"a window of {rows}x{columns}, stride {list(attrs['stride'])} and padding "
            f"{list(attrs['padding'])} (at most {MOST_REACH} each: is one damaged?); export the "
            "model again",
        )
    out = (height + top + bottom - rows) // sy + 1, (width + left + right - columns) // sx + 1
    if min(out) < 1:
        raise views.refuse(
            node,
            f"a window of {rows}x{columns} on a padded map smaller than it; export the model with "
            "a larger input",
        )
    made = {"stride": attrs["stride"], "padding": attrs["padding"], "dense": False}
    if dilation != (1, 1):
        made["dilation"] = dilation
    if op == "conv2d" and groups > 1:
        made["groups"] = groups
    _check_bias(node, views, outer)
    inputs = (view.name, weight, *node.inputs[2:])
    new = replace(node, op=op, inputs=inputs, attrs={**_kept(node), **made})
    views.emit(new, (*out, outer), NHWC if layout == "NHWC" else NCHW)


def _product(node: Node, views: Views, view: View, matrix: Constant, *, dense: bool) -> None:
    """`[M, K] x [K, N]`: per pixel where K is the channels, over the whole map where M is 1."""
    if matrix.values.ndim != 2:
        raise views.refuse(
            node, "a matrix product needs a constant matrix [K, N]; export a linear layer"
        )
    inner, outer = matrix.values.shape
    source = view if view.before is None else view.before
    height, width, channels = source.map
    if inner == height * width * channels and not (inner == channels and view.before is None):
        weight, name = _over_map(matrix, source), source.name
        out = (1, 1, outer)
        order = tuple(range(len(views.shape(node.output))))
    else:
        settled = views.view(node)
        last = len(settled.shape) - 1
        if settled.shape[last] != inner:
            raise views.refuse(
                node,
                f"matrix [{inner}, {outer}] does not fit a tensor {list(settled.shape)}; export "
                "the model again",
            )
        settled = views.channels_last(settled, last)
        height, width, _ = settled.map
        weight, name = matrix.reshape((1, 1, inner, outer)), settled.name
        out, order = (height, width, outer), settled.order
    made = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dense": dense}
    _check_bias(node, views, outer)
    inputs = (name, weight, *node.inputs[2:])
    new = replace(node, op="conv2d", inputs=inputs, attrs={**_kept(node), **made})
    if len(views.shape(node.output)) == len(order):
        views.emit(new, out, order)
    else:
        views.emit(new, out, tuple(range(len(views.shape(node.output)))))


def _check_bias(node: Node, views: Views, channels: int) -> None:
    """Refuses a bias of the file that is not one per output channel."""
    if len(node.inputs) > 2:
        size = views.constant(node, 2).values.size
        if size != channels:
            raise views.refuse(
                node, f"a bias of {size} values for {channels} channels; export the model again"
            )


def _over_map(matrix: Constant, view: View) -> Constant:
    """`[K, N]` over a flattened tensor -> `[H, W, C, N]` over its map."""
    outer = matrix.values.shape[1]
    weight = matrix.reshape((*view.shape, outer))
    rank = len(view.shape)
    return weight.transpose((*view.order, rank)).reshape((*view.map, outer))


def _kept(node: Node) -> dict[str, Any]:
    return {key: value for key, value in node.attrs.items() if key == "clamp"}


def _spread(node: Node) -> dict[str, Any]:
    """Dilation and groups, where there are any."""
    return {key: node.attrs[key] for key in ("dilation", "groups") if key in node.attrs}


# -- layers ----------------------------------------------------------------------------------------


def is_integer(node: Node) -> bool:
    """Whether the weights are integers with a scale."""
    weight = node.constant(1)
    return weight.scale is not None and weight.values.dtype.name in INTEGER_TYPES


def lower(node: Node, to: Lowering) -> None:
    """A float convolution."""
    to.add(
        KINDS[node.op](
            **to.common(node),
            weight=np.ascontiguousarray(node.constant(1).real()),
            bias=np.ascontiguousarray(node.constant(2).real().reshape(-1)),
            stride=node.attrs["stride"],
            padding=node.attrs["padding"],
            clamp=node.attrs["clamp"],
            **_spread(node),
        )
    )


def integer(node: Node, site: Site, to: Lowering) -> None:
    """An integer convolution."""
    to.add(_integer(node, site, to))


def _integer(node: Node, site: Site, to: Lowering) -> Any:
    weight, bias = node.constant(1), node.constant(2)
    (x,), y = site.x, site.y
    assert weight.scale is not None
    if weight.per_axis and weight.axis != weight.values.ndim - 1:
        raise to.refuse(
            node,
            f"its weights have one scale per element of axis {weight.axis} (must be one, or one "
            "per output channel); quantise them per tensor, or along the axis of its outputs",
        )
    channels = weight.values.shape[-1]
    values = weight.centred()
    if to.format == "onnx":
        to.expect_finer(node, y, "its sums", x.scale * float(weight.scale.max()))
        factor = onnx.convolution_requantize(x, weight.scale, y, channels)
        stored, values, factor = _onnx_bias(node, site, factor, values, to)
    else:
        if node.attrs["dense"]:
            factor = dense_requantize(x, weight.scale, y, channels)
        else:
            legacy = weight.values.dtype == np.uint8
            factor = convolution_requantize(x, weight.scale, y, channels, legacy=legacy)
        stored = _tflite_bias(bias, x, weight, y)
    narrow = values.min(initial=0) >= -128 and values.max(initial=0) <= 127
    return KINDS[node.op](
        **site.common,
        weight=np.ascontiguousarray(values.astype(np.int8 if narrow else np.int16)),
        bias=stored,
        stride=node.attrs["stride"],
        padding=node.attrs["padding"],
        clamp=site.clamp,
        requantize=factor,
        **_spread(node),
    )


def _tflite_bias(bias: Constant, x: QuantParams, weight: Constant, y: QuantParams) -> Array:
    if bias.values.dtype == np.int32:
        # LiteRT adds the integers, whatever scale the file gives them.
        return np.ascontiguousarray(bias.values.reshape(-1))
    assert weight.scale is not None
    step = np.float64(x.scale) * weight.scale.reshape(-1).astype(np.float64)
    stored = np.rint(bias.real().reshape(-1).astype(np.float64) / step)
    return np.clip(stored, -(2**31), 2**31 - 1).astype(np.int32)


def _onnx_bias(
    node: Node, site: Site, factor: Requantize, weight: Array, to: Lowering
) -> tuple[Array, Array, Requantize]:
    """Bias, weight and factor of an ONNX layer.

    An int32 bias with the scale of the sums is added to them as it is, where that fits. Any other
    bias is a real number.
    """
    bias, scale = node.constant(2), node.constant(1).scale
    assert scale is not None
    step = np.float64(site.x[0].scale) * scale.reshape(-1).astype(np.float64)
    step = np.broadcast_to(step, (weight.shape[-1],))
    limits = np.iinfo(to.tensors[site.inputs[0]].dtype)
    zero_point = site.x[0].zero_point
    largest = int(max(limits.max - zero_point, zero_point - limits.min))
    bound = np.abs(weight.astype(np.int64)).reshape(-1, weight.shape[-1]).sum(axis=0) * largest
    if bound.max(initial=0) >= 2**31:
        raise to.refuse(
            node,
            f"its sums reach {bound.max()} (must be below 2**31: int32); leave the node out "
            "(onnxruntime: nodes_to_exclude)",
        )
    if bias.scale is not None and bias.values.dtype == np.int32:
        stated = bias.scale.reshape(-1).astype(np.float64)
        centred = bias.centred().reshape(-1).astype(np.int64)
        alike = np.all(np.abs(stated - step) <= BIAS_SCALE_TOLERANCE * step)
        if alike and np.all(np.abs(centred) + bound < 2**31):
            return np.ascontiguousarray(centred.astype(np.int32)), weight, factor
        real = np.broadcast_to(centred * (step if alike else stated), step.shape)
    else:
        real = np.broadcast_to(bias.real().reshape(-1).astype(np.float64), step.shape)
    return onnx.with_real_bias(factor, real, step, site.y, weight, largest)
