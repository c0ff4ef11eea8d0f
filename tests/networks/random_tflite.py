"""Seeded random TFLite networks over the whole vocabulary: float, int8, uint8.

Every operator is a function that takes a live tensor and gives another; `used` says which operators
with which attributes and type a network holds. Sizes 1 to 40, odd and even; channels such as 1, 3,
5, 7, 45; scales over five orders, dead channels, zero points at both ends; tensors read again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tests.networks.random_choices
import tests.networks.random_moves  # noqa: F401 - their operators enter the table
from tests.networks.random_builder import (
    CHANNELS,
    MOST_ELEMENTS,
    OPERATORS,
    Builder,
    Live,
    RandomNet,
    operator,
)

__all__ = ["OPERATORS", "RandomNet", "random_network"]

MOST_CLASSES = 500
"""Of a softmax: LiteRT ends the process where the sum of exponentials reaches 512."""


def _padded(extent: int, kernel: int, stride: int, dilation: int, same: bool) -> int:
    window = (kernel - 1) * dilation + 1
    return -(-extent // stride) if same else (extent - window) // stride + 1


def _convolution(b: Builder, x: Live, depthwise: bool) -> Live | None:
    if not x.is_map:
        return None
    _, height, width, channels = x.shape
    kh, kw = (b.pick(1, 2, 3, 3, 3, 5, 7) for _ in range(2))
    kw = kh if b.chance(0.7) else kw
    dilation = b.pick(1, 1, 1, 2, 3)
    stride = b.pick(1, 2) if dilation == 1 else 1
    same = b.chance(0.6)
    oh = _padded(height, kh, stride, dilation, same)
    ow = _padded(width, kw, stride, dilation, same)
    if oh < 1 or ow < 1:
        return None
    multiplier = b.pick(1, 1, 1, 2, 3) if depthwise else 1
    outer = channels * multiplier if depthwise else b.pick(*CHANNELS)
    if oh * ow * outer > MOST_ELEMENTS:
        return None
    if depthwise:
        weight, scale = b.weights((1, kh, kw, outer), outer, 3)
        depth = kh * kw
    else:
        weight, scale = b.weights((outer, kh, kw, channels), outer, 0)
        depth = kh * kw * channels
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    square = "square" if kh == kw else "1xk or kx1" if 1 in (kh, kw) else "oblong"
    for cell in (
        f"{name} {square}", f"{name} {'even' if kh % 2 == 0 else 'odd'}",
        f"{name} {'SAME' if same else 'VALID'}", f"{name} stride {stride}",
        f"{name} dilation {dilation}", f"{name} multiplier {multiplier}",
    ):  # fmt: skip
        b.use(cell)
    y = b.tensor((1, oh, ow, outer), b.product_scale(x, scale, depth))
    options: dict[str, Any] = {
        "padding": 0 if same else 1, "stride_w": stride, "stride_h": stride,
        "dilation_w_factor": dilation, "dilation_h_factor": dilation,
        "fused_activation_function": b.activation(name),
    }  # fmt: skip
    if depthwise:
        options["depth_multiplier"] = multiplier
    kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    b.net.add(name, [x.number, weight, b.bias(x, scale, outer)], [y.number], kind, **options)
    return y


@operator
def conv(b: Builder, x: Live) -> Live | None:
    return _convolution(b, x, False)


@operator
def depthwise(b: Builder, x: Live) -> Live | None:
    return _convolution(b, x, True)


@operator
def fully_connected(b: Builder, x: Live) -> Live | None:
    inner = int(np.prod(x.shape[1:]))
    if inner > 2000:
        return None
    outer = b.pick(1, 2, 3, 5, 10, 33)
    weight, scale = b.weights((outer, inner), outer, 0)
    y = b.tensor((1, outer), b.product_scale(x, scale, inner))
    options = {"fused_activation_function": b.activation("FULLY_CONNECTED")}
    b.use(f"FULLY_CONNECTED of rank {len(x.shape)}")
    b.net.add(
        "FULLY_CONNECTED", [x.number, weight, b.bias(x, scale, outer)], [y.number],
        "FullyConnectedOptions", **options,
    )  # fmt: skip
    return y


def _spreads(shape: tuple[int, ...], wide: tuple[int, ...]) -> bool:
    """Whether a tensor of `shape` is repeated to `wide`."""
    pairs = zip(shape[::-1], wide[::-1], strict=False)
    return len(shape) <= len(wide) <= 4 and all(a in (1, b) for a, b in pairs)


@operator
def one_pixel(b: Builder, x: Live) -> Live | None:
    """Part of a map that spreads over it: rows, columns or channels of it, one of each."""
    if not x.is_map:
        return None
    size = [1, *(b.pick(1, e) for e in x.shape[1:])]
    y = b.like(x, size)
    b.use("SLICE")
    begin = b.ints([0, 0, 0, 0])
    b.net.add("SLICE", [x.number, begin, b.ints(size)], [y.number], "SliceOptions")
    b.live.append(y)
    return x


def _binary(name: str, options: str) -> None:
    def build(b: Builder, x: Live) -> Live | None:
        kinds = ("scalar", "channels", "map", "pixel")
        if name != "DIV":
            kinds = ("itself", "another", "spread", *kinds)
        elif b.quantised:
            return None
        kind = b.pick(*kinds)
        others = [t for t in b.live if t.shape == x.shape and t is not x]
        if kind == "spread":
            others = [t for t in b.live if t.shape != x.shape and _spreads(t.shape, x.shape)]
        other_scale = x.scale * 10 ** b.random.uniform(-0.7, 0.7)
        if kind == "itself":
            second, other_scale = x.number, x.scale
        elif kind in ("another", "spread"):
            if not others:
                return None
            other = b.pick(*others)
            second, other_scale = other.number, other.scale
        else:
            shape = {
                "scalar": (), "channels": x.shape[-1:], "map": x.shape[1:],
                "pixel": (1,) * (len(x.shape) - 1) + x.shape[-1:],
            }[kind]  # fmt: skip
            if not b.quantised:
                values = b.random.normal(size=shape).astype(np.float32) + 2
                if name == "DIV":
                    # By zero it would be infinite, or no number.
                    values = np.abs(values) + np.float32(0.1)
                second = b.net.constant(values)
            else:
                limits = np.iinfo(b.dtype)
                values = b.random.integers(limits.min, limits.max, shape).astype(b.dtype)
                zero = b.zero_point()
                second = b.net.constant(values, scale=other_scale, zero_point=zero)
        order = [x.number, second]
        if name != "DIV" and b.chance(0.4):
            order.reverse()
        b.use(f"{name} {kind}")
        product = x.scale * other_scale * 60 if name == "MUL" else max(x.scale, other_scale)
        y = b.tensor(x.shape, product * 10 ** b.random.uniform(-0.3, 0.6))
        activation = b.activation(name)
        b.net.add(name, order, [y.number], options, fused_activation_function=activation)
        return y

    OPERATORS[name.lower()] = build


_binary("ADD", "AddOptions")
_binary("SUB", "SubOptions")
_binary("MUL", "MulOptions")
_binary("DIV", "DivOptions")


def _extreme(name: str) -> None:
    def build(b: Builder, x: Live) -> Live | None:
        others = [
            t for t in b.live
            if t.shape == x.shape and (t.scale, t.zero_point) == (x.scale, x.zero_point)
        ]  # fmt: skip
        other = b.pick(*others)
        y = b.like(x)
        b.use(name)
        b.net.add(name, [x.number, other.number], [y.number], "MaximumMinimumOptions")
        return y

    OPERATORS[name.lower()] = build


_extreme("MINIMUM")
_extreme("MAXIMUM")


def _pool(name: str) -> None:
    def build(b: Builder, x: Live) -> Live | None:
        if not x.is_map:
            return None
        _, height, width, channels = x.shape
        whole = b.chance(0.35)
        kh, kw = (height, width) if whole else (b.integer(1, 4), b.integer(1, 4))
        stride = b.pick(1, 2, 3)
        same = not whole and b.chance(0.5)
        oh, ow = _padded(height, kh, stride, 1, same), _padded(width, kw, stride, 1, same)
        if oh < 1 or ow < 1:
            return None
        b.use(f"{name} {'whole' if whole else 'SAME' if same else 'VALID'}")
        y = b.like(x, (1, oh, ow, channels))
        b.net.add(
            name, [x.number], [y.number], "Pool2DOptions", padding=0 if same else 1,
            stride_w=stride, stride_h=stride, filter_width=kw, filter_height=kh,
            fused_activation_function=b.activation(name),
        )  # fmt: skip
        return y

    OPERATORS[name.lower()] = build


_pool("AVERAGE_POOL_2D")
_pool("MAX_POOL_2D")


def _reduce(name: str) -> None:
    def build(b: Builder, x: Live) -> Live | None:
        if not x.is_map or (name, b.dtype) == ("SUM", "int8"):
            return None  # LiteRT 2.3's SUM reads int8 as uint8: see tests/ops/test_reduce.py
        axes = b.pick((1, 2), (1, 2), (1,), (2,), (3,), (1, 2, 3), (2, 3))
        keep = b.chance(0.5)
        shape = [1 if i in axes else e for i, e in enumerate(x.shape)]
        shape = shape if keep else [e for i, e in enumerate(x.shape) if i not in axes]
        if len(shape) < 2:
            shape = [1 if i in axes else e for i, e in enumerate(x.shape)]
            keep = True
        same = b.chance(0.5) or name == "REDUCE_MAX" or name == "REDUCE_MIN"
        y = (
            b.like(x, shape)
            if same
            else b.tensor(shape, x.scale * 10 ** b.random.uniform(-0.6, 0.3))
        )
        b.use(f"{name} {axes} {'keep' if keep else 'drop'}")
        b.use(f"{name} {'same scale' if same else 'another scale'}")
        b.net.add(name, [x.number, b.ints(axes)], [y.number], "ReducerOptions", keep_dims=keep)
        return y

    OPERATORS[name.lower()] = build


for _name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
    _reduce(_name)


def _unary(
    name: str, options: str = "", fixed: Any = None, positive: bool = False, **fields: Any
) -> None:
    """`fixed` output (scale, zero point of int8), else one near the input's."""

    def build(b: Builder, x: Live) -> Live | None:
        if "SOFTMAX" in name and x.shape[-1] > MOST_CLASSES:
            return None
        if positive:
            x = _positive(b, x)
        b.use(name)
        if fixed is not None and b.quantised:
            scale, zero = fixed
            y = b.tensor(x.shape, scale, zero if b.dtype == "int8" else zero + 128)
        elif fixed == ():
            y = b.like(x)
        else:
            scale = x.scale * 10 ** b.random.uniform(-0.5, 0.5)
            if name == "RSQRT" and b.quantised:
                # LiteRT's integers hold no smaller factor than 2**-12 (`ops/test_unary.py`).
                scale = min(scale, 2**11 / x.scale**0.5)
            y = b.tensor(x.shape, scale)
        b.net.add(name, [x.number], [y.number], options, **fields)
        return y

    OPERATORS[name.lower()] = build


def _positive(b: Builder, x: Live) -> Live:
    """What has a root and a logarithm."""
    y = b.tensor(x.shape, x.scale, np.iinfo(b.dtype).min if b.quantised else 0)
    b.net.add("RELU", [x.number], [y.number])
    if b.quantised:
        return y
    one = b.net.constant(np.array(1.0, np.float32))
    z = b.tensor(x.shape)
    b.net.add("ADD", [y.number, one], [z.number], "AddOptions")
    return z


_unary("RELU")
_unary("RELU6")
_unary("RELU_N1_TO_1")
_unary("LOGISTIC", fixed=(1 / 256, -128))
_unary("TANH", fixed=(1 / 128, 0))
_unary("HARD_SWISH")
_unary("RELU_0_TO_1")
_unary("GELU", "GeluOptions", approximate=False)
_unary("SOFTMAX", "SoftmaxOptions", fixed=(1 / 256, -128), beta=1.0)
_unary("LOG_SOFTMAX", "LogSoftmaxOptions", fixed=(16 / 256, 127))


# LiteRT has these for int8 and floats only.
for _name in ("ABS", "EXP", "NEG"):
    _unary(_name)
for _name in ("LOG", "RSQRT", "SQRT"):
    _unary(_name, positive=True)
SIGNED = ("abs", "exp", "neg", "log", "rsqrt", "sqrt")


@operator
def leaky_relu(b: Builder, x: Live) -> Live | None:
    b.use("LEAKY_RELU")
    y = b.tensor(x.shape, x.scale * 10 ** b.random.uniform(-0.3, 0.3))
    alpha = b.pick(0.1, 0.3, 0.01)
    b.net.add("LEAKY_RELU", [x.number], [y.number], "LeakyReluOptions", alpha=alpha)
    return y


@operator
def l2_normalization(b: Builder, x: Live) -> Live | None:
    if b.dtype == "uint8":
        return None
    b.use("L2_NORMALIZATION")
    y = b.tensor(x.shape, 1 / 128, 0)
    b.net.add("L2_NORMALIZATION", [x.number], [y.number], "L2NormOptions")
    return y


@operator
def prelu(b: Builder, x: Live) -> Live | None:
    if len(x.shape) > 4:
        return None
    kind = b.pick("scalar", "channels", "map")
    shape = {"scalar": (1,), "channels": x.shape[-1:], "map": x.shape[1:]}[kind]
    b.use(f"PRELU {kind}")
    slope = b.net.constant(b.random.normal(size=shape).astype(np.float32))
    if b.quantised:
        limits = np.iinfo(b.dtype)
        values = b.random.integers(limits.min, limits.max, shape).astype(b.dtype)
        slope = b.net.constant(values, scale=b.scale(-2, -0.5), zero_point=b.zero_point())
    y = b.tensor(x.shape, x.scale * 10 ** b.random.uniform(-0.4, 0.4))
    b.net.add("PRELU", [x.number, slope], [y.number])
    return y


def _resize(name: str, options: str) -> None:
    def build(b: Builder, x: Live) -> Live | None:
        if not x.is_map:
            return None
        size = [b.integer(1, 2 * e + 1) for e in x.shape[1:3]]
        shape = (1, *size, x.shape[3])
        if np.prod(shape) > MOST_ELEMENTS:
            return None
        align, half = b.pick((False, False), (True, False), (False, True))
        b.use(f"{name} align_corners {align} half_pixel {half}")
        y = b.like(x, shape)
        b.net.add(
            name, [x.number, b.ints(size)], [y.number], options, align_corners=align,
            half_pixel_centers=half,
        )  # fmt: skip
        return y

    OPERATORS[name.lower()] = build


_resize("RESIZE_BILINEAR", "ResizeBilinearOptions")
_resize("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")


@operator
def quantize(b: Builder, x: Live) -> Live | None:
    if not b.quantised:
        return None
    b.use("QUANTIZE")
    y = b.tensor(x.shape, x.scale * 10 ** b.random.uniform(-0.6, 0.6))
    b.net.add("QUANTIZE", [x.number], [y.number], "QuantizeOptions")
    return y


def random_network(seed: int, only: tuple[str, ...] = ()) -> RandomNet:
    """The network of a seed; `only` some operators of `OPERATORS`."""
    random = np.random.default_rng(seed)
    dtype = ("int8", "uint8", "float32", "int8")[seed % 4]
    b = Builder(int(random.integers(1 << 62)), dtype)
    height, width = b.integer(1, 20), b.integer(1, 20)
    x = b.tensor((1, height, width, b.pick(1, 2, 3, 3, 3, 4, 5, 7)))
    if b.chance(0.1):
        x = Live(x.number, x.shape, x.scale, x.zero_point)
    first = x
    b.live.append(x)
    names = list(only or OPERATORS)
    wanted = b.integer(1, 6)
    for _ in range(40):
        if len(b.net.operators) >= wanted:
            break
        source = x if b.chance(0.75) else b.pick(*b.live)
        name = b.pick(*names)
        if b.dtype == "uint8" and name in SIGNED:
            continue
        made = OPERATORS[name](b, source)
        if made is not None:
            x = made
            b.live.append(x)
    if not b.net.operators:
        return random_network(seed + 1_000_000, only)
    blob = b.net.build([first.number], [x.number])
    return RandomNet(blob, first.shape, dtype, b.used)
