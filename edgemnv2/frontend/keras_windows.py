"""Keras's layers with windows as ONNX nodes: convolutions, pools, padding, resizing.

Keras has images as `[N, H, W, C]`, ONNX's windowed operators as `[N, C, H, W]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.frontend.keras_activations import activate
from edgemnv2.frontend.keras_net import TO_NCHW, TO_NHWC, OnnxNet

__all__ = ["WINDOWS", "pooled", "reduced", "resized", "windowed"]

Array = NDArray[Any]
FURTHEST = np.iinfo(np.int32).max
MODES: dict[str, dict[str, Any]] = {
    # TensorFlow's cubic filter is Catmull and Rom's, and leaves out what lies outside.
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
    "bilinear": {"mode": "linear"},
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
}
LINE_DIMENSIONS = 3
"""Of a signal: batch, length, channels."""


def windowed(
    net: OnnxNet, op: str, x: str, inputs: list[str], config: Any = None, **attrs: Any
) -> str:
    """An operator of ONNX on images or signals; between transposes, but for channels first."""
    if _channels_first(config or {}):
        return net.add(op, [x, *inputs], **attrs)
    if net.ranks[x] == LINE_DIMENSIONS:
        first = net.add("Transpose", [x], perm=[0, 2, 1])
        return net.add("Transpose", [net.add(op, [first, *inputs], **attrs)], perm=[0, 2, 1])
    nchw = net.add("Transpose", [x], perm=TO_NCHW)
    return net.add("Transpose", [net.add(op, [nchw, *inputs], **attrs)], perm=TO_NHWC)


def _channels_first(config: Any) -> bool:
    return bool(config.get("data_format") == "channels_first")


def _image_axes(config: Any) -> list[int]:
    """Height and width."""
    return [2, 3] if _channels_first(config) else [1, 2]


def _pair(value: Any) -> list[int]:
    return [int(value)] * 2 if isinstance(value, int) else [int(x) for x in value]


def _pads(config: Any) -> dict[str, Any]:
    same = str(config.get("padding", "valid")).lower() == "same"
    return {"auto_pad": "SAME_UPPER" if same else "VALID"}


# -- convolutions ----------------------------------------------------------------------------------


def _convolve(net: OnnxNet, x: str, kernel: Array, bias: Any, config: Any, groups: int) -> str:
    """`kernel` `[O, I, H, W]`."""
    inputs = [net.constant(np.ascontiguousarray(kernel))]
    inputs += [] if bias is None else [net.constant(bias)]
    return windowed(
        net, "Conv", x, inputs, config, group=groups, strides=list(config.get("strides", (1, 1))),
        dilations=list(config.get("dilation_rate", (1, 1))), **_pads(config),
    )  # fmt: skip


def _conv2d(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    kernel = weights["kernel"].transpose(3, 2, 0, 1)
    y = _convolve(net, x[0], kernel, weights.get("bias"), config, int(config.get("groups", 1)))
    return activate(net, y, config.get("activation"))


def _list(value: Any) -> list[int]:
    return [int(value)] if isinstance(value, int) else [int(x) for x in value]


def _convolve_line(net: OnnxNet, x: str, kernel: Array, bias: Any, config: Any, groups: int) -> str:
    """`kernel` `[O, I, K]`."""
    dilation = _list(config.get("dilation_rate", 1))
    pads = _pads(config)
    if str(config.get("padding")).lower() == "causal":
        pads = {"pads": [(kernel.shape[2] - 1) * dilation[0], 0]}
    inputs = [net.constant(np.ascontiguousarray(kernel))]
    inputs += [] if bias is None else [net.constant(bias)]
    return windowed(
        net, "Conv", x, inputs, config, group=groups, dilations=dilation,
        strides=_list(config.get("strides", 1)), **pads,
    )  # fmt: skip


def _conv1d(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    kernel, groups = weights["kernel"].transpose(2, 1, 0), int(config.get("groups", 1))
    y = _convolve_line(net, x[0], kernel, weights.get("bias"), config, groups)
    return activate(net, y, config.get("activation"))


def _depthwise_1d(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    length, channels, multiplier = weights["kernel"].shape
    whole = weights["kernel"].transpose(1, 2, 0).reshape(channels * multiplier, 1, length)
    y = _convolve_line(net, x[0], whole, weights.get("bias"), config, channels)
    return activate(net, y, config.get("activation"))


def _separable_line(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    y = _depthwise_1d(
        net, x, {**config, "activation": None}, {"kernel": weights["depthwise_kernel"]}
    )
    point = weights["pointwise_kernel"].transpose(2, 1, 0)
    y = _convolve_line(net, y, point, weights.get("bias"), {"padding": "valid"}, 1)
    return activate(net, y, config.get("activation"))


def _depthwise(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    y = _convolve_depthwise(net, x[0], weights["kernel"], weights.get("bias"), config)
    return activate(net, y, config.get("activation"))


def _convolve_depthwise(net: OnnxNet, x: str, kernel: Array, bias: Any, config: Any) -> str:
    height, width, channels, multiplier = kernel.shape
    whole = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return _convolve(net, x, whole, bias, config, channels)


def _separable(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    y = _convolve_depthwise(net, x[0], weights["depthwise_kernel"], None, config)
    point = weights["pointwise_kernel"].transpose(3, 2, 0, 1)
    plain = {"padding": "valid", "data_format": config.get("data_format")}
    y = _convolve(net, y, point, weights.get("bias"), plain, 1)
    return activate(net, y, config.get("activation"))


def _transposed(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    kernel = weights["kernel"].transpose(3, 2, 0, 1)
    inputs = [net.constant(np.ascontiguousarray(kernel))]
    inputs += [net.constant(weights["bias"])] if "bias" in weights else []
    strides = _pair(config["strides"])
    dilation = _pair(config.get("dilation_rate", 1))
    more = config.get("output_padding")
    same = config.get("padding") == "same"
    begins, ends, behind = [], [], []
    for axis, stride in enumerate(strides):
        window = (kernel.shape[2 + axis] - 1) * dilation[axis] + 1
        # What TensorFlow cuts off the sums, or puts behind them.
        if more is not None:
            cut = (2 * (window // 2) if same else 0) - _pair(more)[axis]
        else:
            cut = window - stride if same else min(window - stride, 0)
        begins.append(max(cut, 0) // 2)
        ends.append(max(cut, 0) - max(cut, 0) // 2)
        behind.append(max(-cut, 0))
    y = windowed(
        net, "ConvTranspose", x[0], inputs, config, strides=strides, dilations=dilation,
        pads=begins + ends, output_padding=behind,
    )  # fmt: skip
    return activate(net, y, config.get("activation"))


# -- pools and means -------------------------------------------------------------------------------


def pooled(net: OnnxNet, op: str, x: str, config: Any) -> str:
    """A pool by `pool_size`, `strides` and `padding` of `config`."""
    size = _pair(config["pool_size"])
    strides = _pair(config.get("strides") or size)
    return windowed(net, op, x, [], config, kernel_shape=size, strides=strides, **_pads(config))


def reduced(net: OnnxNet, op: str, x: str, axes: Any, keep: bool) -> str:
    """A reduction over `axes`; None: over all."""
    if axes is None:
        axes = list(range(net.ranks[x]))
    axes = [int(a) for a in (axes if isinstance(axes, list | tuple) else [axes])]
    rank = net.ranks[x] if keep else net.ranks[x] - len(axes)
    constant = net.constant(np.array(axes, np.int64))
    return net.add(op, [x, constant], rank, keepdims=int(keep))


def _pool_line(op: str) -> Any:
    def convert(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
        size = _list(config["pool_size"])
        strides = _list(config.get("strides") or size)
        return windowed(
            net, op, x[0], [], config, kernel_shape=size, strides=strides, **_pads(config)
        )

    return convert


def _pool(op: str) -> Any:
    return lambda net, x, config, weights: pooled(net, op, x[0], config)


def _global(op: str) -> Any:
    def convert(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
        axes = _image_axes(config)[: net.ranks[x[0]] - 2]
        return reduced(net, op, x[0], axes, bool(config.get("keepdims", False)))

    return convert


# -- edges and sizes -------------------------------------------------------------------------------


def _zero_padding(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    pairs = [(0, 0)] * 4
    for axis, pair in zip(_image_axes(config), config["padding"], strict=True):
        pairs[axis] = (pair, pair) if isinstance(pair, int) else (int(pair[0]), int(pair[1]))
    pads = np.array([p[0] for p in pairs] + [p[1] for p in pairs], np.int64)
    return net.add("Pad", [x[0], net.constant(pads)])


def _cut(net: OnnxNet, x: str, axes: Sequence[int], starts: Any, ends: Any) -> str:
    """A part of an image."""
    bounds = [net.constant(np.array(part, np.int64)) for part in (starts, ends, axes)]
    return net.add("Slice", [x, *bounds])


def _cropping(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    (top, bottom), (left, right) = config["cropping"]
    ends = [-bottom or FURTHEST, -right or FURTHEST]
    return _cut(net, x[0], _image_axes(config), [top, left], ends)


def _center_crop(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    axes = _image_axes(config)
    extents = [net.shape(x[0])[axis] for axis in axes]
    wanted = [int(config["height"]), int(config["width"])]
    if any(w > e for w, e in zip(wanted, extents, strict=True)):
        # Keras resizes what is too small, without changing its sides' ratio.
        return resized(net, x[0], "bilinear", wanted, config, crop=True)
    starts = [(e - w) // 2 for w, e in zip(wanted, extents, strict=True)]
    ends = [s + w for s, w in zip(starts, wanted, strict=True)]
    return _cut(net, x[0], axes, starts, ends)


def resized(
    net: OnnxNet, x: str, mode: str, size: Sequence[int], config: Any, crop: bool = False
) -> str:
    """An image of `size`; `crop` first to the ratio of its sides."""
    if mode not in MODES:
        raise net.refuse(f"interpolation {mode!r} is not supported", "use bilinear or nearest")
    wanted = [int(e) for e in size]
    if crop:
        axes = _image_axes(config)
        height, width = (net.shape(x)[axis] for axis in axes)
        rows = min(height, int(width * wanted[0] / wanted[1]))
        columns = min(width, int(height * wanted[1] / wanted[0]))
        starts = [int((height - rows) / 2), int((width - columns) / 2)]
        x = _cut(net, x, axes, starts, [starts[0] + rows, starts[1] + columns])
    attrs: dict[str, Any] = {**MODES[mode], "axes": [2, 3]}
    inputs = ["", "", net.constant(np.array(wanted, np.int64))]
    return windowed(
        net, "Resize", x, inputs, config, coordinate_transformation_mode="half_pixel", **attrs
    )


def _resizing(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    if config.get("pad_to_aspect_ratio") or config.get("antialias"):
        raise net.refuse(
            "padding to a ratio, or antialiasing, is not supported",
            "resize the image in front of the network",
        )
    size = [config["height"], config["width"]]
    crop = bool(config.get("crop_to_aspect_ratio"))
    return resized(net, x[0], str(config.get("interpolation", "bilinear")), size, config, crop)


def _up_sampling_line(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    size = int(config["size"][0] if isinstance(config["size"], list) else config["size"])
    extents = net.shape(x[0])
    shape = [net.constant(np.array(s, np.int64)) for s in (
        [1, extents[1], 1, extents[2]], [1, 1, size, 1], [1, extents[1] * size, extents[2]]
    )]  # fmt: skip
    apart = net.add("Reshape", [x[0], shape[0]], 4)
    return net.add("Reshape", [net.add("Tile", [apart, shape[1]]), shape[2]], 3)


def _cropping_line(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    first, last = _both(config["cropping"])
    return _cut(net, x[0], [1], [first], [-last or FURTHEST])


def _zero_padding_line(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    first, last = _both(config["padding"])
    return net.add("Pad", [x[0], net.constant(np.array([0, first, 0, 0, last, 0], np.int64))])


def _both(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _up_sampling(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    mode = str(config.get("interpolation", "nearest"))
    if mode not in MODES:
        raise net.refuse(f"interpolation {mode!r} is not supported", "use bilinear or nearest")
    attrs: dict[str, Any] = {
        "bicubic": {**MODES["bicubic"], "coordinate_transformation_mode": "half_pixel"},
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        # Each pixel as often as the factor says.
        "nearest": {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
    }[mode]
    scales = net.constant(np.array([1, 1, *_pair(config["size"])], np.float32))
    return windowed(net, "Resize", x[0], ["", scales], config, **attrs)


WINDOWS = {
    "AveragePooling1D": _pool_line("AveragePool"),
    "AveragePooling2D": _pool("AveragePool"),
    "CenterCrop": _center_crop,
    "Conv1D": _conv1d,
    "Conv2D": _conv2d,
    "Conv2DTranspose": _transposed,
    "Cropping1D": _cropping_line,
    "Cropping2D": _cropping,
    "DepthwiseConv1D": _depthwise_1d,
    "DepthwiseConv2D": _depthwise,
    "GlobalAveragePooling1D": _global("ReduceMean"),
    "GlobalAveragePooling2D": _global("ReduceMean"),
    "GlobalMaxPooling1D": _global("ReduceMax"),
    "GlobalMaxPooling2D": _global("ReduceMax"),
    "MaxPooling1D": _pool_line("MaxPool"),
    "MaxPooling2D": _pool("MaxPool"),
    "Resizing": _resizing,
    "SeparableConv1D": _separable_line,
    "SeparableConv2D": _separable,
    "UpSampling1D": _up_sampling_line,
    "UpSampling2D": _up_sampling,
    "ZeroPadding1D": _zero_padding_line,
    "ZeroPadding2D": _zero_padding,
}
