"""Seeded random TFLite networks over the whole vocabulary: float, int8, uint8.

Every operator is a function that takes a live tensor and gives another; `used` says which operators
with which attributes and type a network holds. Sizes 1 to 40, odd and even; channels such as 1, 3,
5, 7, 45; scales over five orders, dead channels, zero points at both ends; tensors read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.networks.tflite_net import TfliteNet

__all__ = ["OPERATORS", "RandomNet", "random_network"]

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 45, 50)
MOST_ELEMENTS = 6000
MOST_CLASSES = 500
"""Of a softmax: LiteRT ends the process where the sum of exponentials reaches 512."""
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


@dataclass(frozen=True)
class Live:
    """A tensor of the network: its number, shape `[1, ...]`, scale and zero point."""

    number: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def is_map(self) -> bool:
        return len(self.shape) == 4


@dataclass
class RandomNet:
    """The file, its input, and the cells of the vocabulary that it holds."""

    blob: bytes
    shape: tuple[int, ...]
    dtype: str
    used: set[str]


class Builder:
    """One network under construction."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.random = np.random.default_rng(seed)
        self.dtype = dtype
        self.net = TfliteNet()
        self.live: list[Live] = []
        self.used: set[str] = set()

    # -- drawing ---------------------------------------------------------------------------------

    def pick(self, *values: Any, p: Any = None) -> Any:
        return values[int(self.random.choice(len(values), p=p))]

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.random.integers(low, high, endpoint=True))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    @property
    def quantised(self) -> bool:
        return self.dtype != "float32"

    def zero_point(self) -> int:
        if not self.quantised:
            return 0
        limits = np.iinfo(self.dtype)
        middle = 0 if self.dtype == "int8" else 128
        return int(self.pick(limits.min, limits.max, middle, self.integer(limits.min, limits.max)))

    def scale(self, low: float = -3.5, high: float = 1.0) -> float:
        return float(10 ** self.random.uniform(low, high))

    # -- tensors ---------------------------------------------------------------------------------

    def tensor(self, shape: Any, scale: float | None = None, zero: int | None = None) -> Live:
        shape = tuple(int(x) for x in shape)
        scale = self.scale() if scale is None else max(scale, 1e-7)
        zero = self.zero_point() if zero is None else zero
        number = self.net.tensor(shape, self.dtype, scale if self.quantised else None, zero)
        return Live(number, shape, scale, zero)

    def like(self, x: Live, shape: Any = None) -> Live:
        """A tensor of the quantisation of `x`."""
        return self.tensor(x.shape if shape is None else shape, x.scale, x.zero_point)

    def ints(self, values: Any) -> int:
        return self.net.constant(np.asarray(values, np.int32))

    def weights(self, shape: Any, outer: int, axis: int) -> tuple[int, np.ndarray]:
        """A constant, and its scale (one, or one per output channel)."""
        if not self.quantised:
            values = self.random.normal(size=shape).astype(np.float32) * 0.3
            return self.net.constant(values), np.ones(1)
        if self.dtype == "uint8":
            scale, zero = np.array([self.scale(-3, -1.5)]), self.integer(100, 160)
            values = self.random.integers(0, 256, shape).astype(np.uint8)
            return self.net.constant(values, scale=scale, zero_point=zero), scale
        values = self.random.integers(-127, 128, shape).astype(np.int8)
        if self.chance(0.25):
            scale = np.array([self.scale(-3, -1.5)])
            # LiteRT ignores the dimension of a single scale.
            return self.net.constant(values, scale=scale, axis=self.pick(0, axis)), scale
        scale = 10 ** self.random.uniform(-3, -1.5, outer)
        if self.chance(0.3):
            scale[self.random.integers(outer)] = 10 ** self.random.uniform(-12, -7)
        return self.net.constant(values, scale=scale, axis=axis), scale

    def bias(self, x: Live, scale: np.ndarray, outer: int) -> int:
        if self.chance(0.1):
            return -1
        if not self.quantised:
            return self.net.constant(self.random.normal(size=outer).astype(np.float32))
        values = self.random.integers(-3000, 3000, outer).astype(np.int32)
        return self.net.constant(values, scale=x.scale * scale)

    def product_scale(self, x: Live, scale: np.ndarray, depth: int) -> float:
        """Plausible for sums of `depth` products."""
        spread = 10 ** self.random.uniform(-0.5, 0.5)
        return float(x.scale * np.median(scale) * 45 * np.sqrt(depth) * spread)

    def activation(self, cell: str) -> int:
        name = self.pick(*ACTIVATIONS, p=[0.55, 0.15, 0.1, 0.2])
        self.use(f"{cell} fused {name}")
        return ACTIVATIONS[name]

    def use(self, cell: str) -> None:
        self.used.add(f"{cell} {self.dtype}")


def _padded(extent: int, kernel: int, stride: int, dilation: int, same: bool) -> int:
    window = (kernel - 1) * dilation + 1
    return -(-extent // stride) if same else (extent - window) // stride + 1


Operator = Callable[[Builder, Live], Live | None]
"""None: it does not suit the tensor."""
OPERATORS: dict[str, Operator] = {}


def operator(function: Operator) -> Operator:
    OPERATORS[function.__name__] = function
    return function


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
        if name == "DIV" and b.quantised:
            return None
        kind = b.pick("itself", "another", "spread", "scalar", "channels", "map", "pixel")
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
                second = b.net.constant(values)
            else:
                limits = np.iinfo(b.dtype)
                values = b.random.integers(limits.min, limits.max, shape).astype(b.dtype)
                zero = b.zero_point()
                second = b.net.constant(values, scale=other_scale, zero_point=zero)
        order = [x.number, second]
        if b.chance(0.4):
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
            y = b.tensor(x.shape, x.scale * 10 ** b.random.uniform(-0.5, 0.5))
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
def concatenation(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    fits = [
        t for t in b.live
        if len(t.shape) == len(x.shape)
        and all(i == axis or p == q for i, (p, q) in enumerate(zip(t.shape, x.shape, strict=True)))
    ]  # fmt: skip
    parts = [x, *(b.pick(*fits) for _ in range(b.integer(1, 3)))]
    shape = list(x.shape)
    shape[axis] = sum(t.shape[axis] for t in parts)
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    # LiteRT's int8 CONCATENATION wants one scale.
    parts = [t for t in parts if (t.scale, t.zero_point) == (x.scale, x.zero_point)]
    shape[axis] = sum(t.shape[axis] for t in parts)
    b.use(f"CONCATENATION axis {axis} of {len(x.shape)}")
    y = b.like(x, shape)
    b.net.add(
        "CONCATENATION", [t.number for t in parts], [y.number], "ConcatenationOptions", axis=axis,
        fused_activation_function=0,
    )  # fmt: skip
    return y


@operator
def pad(b: Builder, x: Live) -> Live | None:
    if not x.is_map:
        return None
    pairs = [[0, 0], *([b.integer(0, 3), b.integer(0, 3)] for _ in range(2)), [0, 0]]
    if b.chance(0.2):
        pairs[3] = [b.integer(0, 2), b.integer(0, 2)]
    shape = [e + sum(p) for e, p in zip(x.shape, pairs, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    b.use(f"PAD {'channels' if any(pairs[3]) else 'map'}")
    y = b.like(x, shape)
    b.net.add("PAD", [x.number, b.ints(pairs)], [y.number], "PadOptions")
    return y


@operator
def slice_(b: Builder, x: Live) -> Live | None:
    begin = [0, *(b.integer(0, e - 1) for e in x.shape[1:])]
    size = [1, *(b.integer(1, e - s) for e, s in zip(x.shape[1:], begin[1:], strict=True))]
    b.use("SLICE")
    y = b.like(x, size)
    b.net.add("SLICE", [x.number, b.ints(begin), b.ints(size)], [y.number], "SliceOptions")
    return y


@operator
def strided_slice(b: Builder, x: Live) -> Live | None:
    begin = [0, *(b.integer(0, e - 1) for e in x.shape[1:])]
    stride = [1, *(b.integer(1, 3) for _ in x.shape[1:])]
    end = list(x.shape)
    shape = [-(-(e - s) // k) for e, s, k in zip(end, begin, stride, strict=True)]
    b.use("STRIDED_SLICE")
    y = b.like(x, shape)
    b.net.add(
        "STRIDED_SLICE", [x.number, b.ints(begin), b.ints(end), b.ints(stride)], [y.number],
        "StridedSliceOptions",
    )  # fmt: skip
    return y


@operator
def split(b: Builder, x: Live) -> Live | None:
    axis = len(x.shape) - 1
    parts = next((n for n in (2, 3, 4) if x.shape[axis] % n == 0), None)
    if parts is None:
        return None
    shape = [*x.shape[:-1], x.shape[axis] // parts]
    outs = [b.like(x, shape) for _ in range(parts)]
    b.use("SPLIT")
    b.net.add(
        "SPLIT", [b.ints(axis), x.number], [y.number for y in outs], "SplitOptions",
        num_splits=parts,
    )  # fmt: skip
    b.live += outs[1:]
    return outs[0]


def _select(b: Builder, name: str, x: Live, shape: Any, more: list[int], **options: Any) -> Live:
    """An operator that moves values of `x` into `shape`."""
    b.use(name)
    y = b.like(x, shape)
    kind = options.pop("kind", "")
    first = [*more, x.number] if options.pop("last", False) else [x.number, *more]
    b.net.add(name, first, [y.number], kind, **options)
    return y


@operator
def gather(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    indices = [b.integer(0, x.shape[axis] - 1) for _ in range(b.integer(1, 7))]
    shape = [*x.shape[:axis], len(indices), *x.shape[axis + 1 :]]
    return _select(b, "GATHER", x, shape, [b.ints(indices)], kind="GatherOptions", axis=axis)


@operator
def tile(b: Builder, x: Live) -> Live | None:
    repeats = [1, *(b.pick(1, 1, 2, 3) for _ in x.shape[1:])]
    shape = [e * n for e, n in zip(x.shape, repeats, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS or (b.quantised and b.dtype != "int8"):
        return None
    return _select(b, "TILE", x, shape, [b.ints(repeats)], kind="TileOptions")


@operator
def reverse(b: Builder, x: Live) -> Live | None:
    if b.dtype == "int8":
        return None
    axis = b.integer(1, len(x.shape) - 1)
    return _select(b, "REVERSE_V2", x, x.shape, [b.ints([axis])], kind="ReverseV2Options")


@operator
def mirror_pad(b: Builder, x: Live) -> Live | None:
    symmetric = b.chance(0.5)
    most = [min(3, e if symmetric else e - 1) for e in x.shape]
    pairs = [[0, 0], *([b.integer(0, m), b.integer(0, m)] for m in most[1:])]
    shape = [e + sum(p) for e, p in zip(x.shape, pairs, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    mode = 1 if symmetric else 0
    return _select(b, "MIRROR_PAD", x, shape, [b.ints(pairs)], kind="MirrorPadOptions", mode=mode)


@operator
def split_v(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    if x.shape[axis] < 2:
        return None
    cut = b.integer(1, x.shape[axis] - 1)
    sizes = [cut, x.shape[axis] - cut]
    outs = [b.like(x, [*x.shape[:axis], n, *x.shape[axis + 1 :]]) for n in sizes]
    b.use(f"SPLIT_V axis {axis} of {len(x.shape)}")
    b.net.add(
        "SPLIT_V", [x.number, b.ints([sizes[0], -1]), b.ints(axis)], [y.number for y in outs],
        "SplitVOptions", num_splits=2,
    )  # fmt: skip
    b.live.append(outs[1])
    return outs[0]


@operator
def unpack(b: Builder, x: Live) -> Live | None:
    axis = b.integer(1, len(x.shape) - 1)
    if len(x.shape) < 3 or x.shape[axis] > 6:
        return None
    shape = [*x.shape[:axis], *x.shape[axis + 1 :]]
    outs = [b.like(x, shape) for _ in range(x.shape[axis])]
    b.use(f"UNPACK axis {axis} of {len(x.shape)}")
    b.net.add(
        "UNPACK", [x.number], [y.number for y in outs], "UnpackOptions", axis=axis, num=len(outs)
    )
    b.live += outs[1:]
    return outs[0]


@operator
def pack(b: Builder, x: Live) -> Live | None:
    alike = [
        t for t in b.live
        if t.shape == x.shape and (t.scale, t.zero_point) == (x.scale, x.zero_point)
    ]  # fmt: skip
    parts = [x, *(b.pick(*alike) for _ in range(b.integer(1, 2)))]
    axis = b.integer(1, len(x.shape))
    shape = [*x.shape[:axis], len(parts), *x.shape[axis:]]
    if np.prod(shape) > MOST_ELEMENTS or len(shape) > 5:
        return None
    b.use(f"PACK axis {axis} of {len(shape)}")
    y = b.like(x, shape)
    numbers = [t.number for t in parts]
    b.net.add("PACK", numbers, [y.number], "PackOptions", axis=axis, values_count=len(parts))
    return y


@operator
def padv2(b: Builder, x: Live) -> Live | None:
    if len(x.shape) > 4:
        return None
    pairs = [[0, 0], *([b.integer(0, 2), b.integer(0, 2)] for _ in x.shape[1:])]
    shape = [e + sum(p) for e, p in zip(x.shape, pairs, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    b.use("PADV2")
    y = b.like(x, shape)
    if b.quantised:
        limits = np.iinfo(b.dtype)
        value = np.array([b.integer(limits.min, limits.max)], b.dtype)
        fill = b.net.constant(value, scale=x.scale, zero_point=x.zero_point)
    else:
        fill = b.net.constant(np.array([b.random.normal()], np.float32))
    b.net.add("PADV2", [x.number, b.ints(pairs), fill], [y.number], "PadV2Options")
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


@operator
def transpose(b: Builder, x: Live) -> Live | None:
    axes = [0, *(int(i) + 1 for i in b.random.permutation(len(x.shape) - 1))]
    b.use(f"TRANSPOSE of {len(x.shape)}")
    y = b.like(x, [x.shape[i] for i in axes])
    b.net.add("TRANSPOSE", [x.number, b.ints(axes)], [y.number], "TransposeOptions")
    return y


@operator
def reshape(b: Builder, x: Live) -> Live | None:
    rest = x.shape[1:]
    kind = b.pick("flat", "map", "pixels")
    total = int(np.prod(rest))
    shape = {
        "flat": (1, total),
        "map": (1, 1, total // x.shape[-1], x.shape[-1]),
        "pixels": (1, total // x.shape[-1], x.shape[-1]),
    }[kind]
    b.use(f"RESHAPE {kind}")
    y = b.like(x, shape)
    b.net.add(
        "RESHAPE", [x.number, b.ints(shape)], [y.number], "ReshapeOptions", new_shape=list(shape)
    )
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
