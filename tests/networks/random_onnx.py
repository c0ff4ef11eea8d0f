"""Seeded random ONNX networks of floats over the whole vocabulary, channels first.

As `random_tflite`, whose sizes and ways these share: an operator takes a live tensor and gives
another, or None where the tensor does not suit it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.networks.random_builder import CHANNELS, MOST_ELEMENTS, RandomNet

__all__ = ["OPERATORS", "random_onnx"]

OPSET = 18
EPSILON = 0.1
"""Of normalisations: a small one makes much of the noise in values that are all but equal."""


@dataclass(frozen=True)
class Value:
    """A tensor of the network."""

    name: str
    shape: tuple[int, ...]


class Builder:
    """One network under construction."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []
        self.live: list[Value] = []
        self.used: set[str] = set()

    def pick(self, *values: Any) -> Any:
        return values[int(self.random.integers(len(values)))]

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return int(self.random.integers(low, high, endpoint=True))

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def normal(self, shape: Any, factor: float = 1.0, offset: float = 0.0) -> str:
        return self.constant(self.random.normal(size=shape) * factor + offset)

    def longs(self, values: Any) -> str:
        return self.constant(values, np.int64)

    def node(self, operator: str, inputs: Any, shape: Any, cell: str = "", **fields: Any) -> Value:
        """One more node; its output."""
        value = Value(f"t{len(self.nodes)}", tuple(int(x) for x in shape))
        names = [x.name if isinstance(x, Value) else x for x in inputs]
        self.nodes.append(helper.make_node(operator, names, [value.name], **fields))
        self.used.add(f"{operator} {cell}".strip() + " onnx")
        return value


Operator = Callable[[Builder, Value], "Value | None"]
OPERATORS: dict[str, Operator] = {}


def operator(function: Operator) -> Operator:
    OPERATORS[function.__name__] = function
    return function


def _unary(name: str, positive: bool = False, **fields: Any) -> None:
    def build(b: Builder, x: Value) -> Value | None:
        if positive:
            size = b.node("Abs", [x], x.shape)
            x = b.node("Add", [size, b.constant(0.3)], x.shape, "scalar")
        return b.node(name, [x], x.shape, **fields)

    OPERATORS[name.lower()] = build


for _name in (
    "Abs", "Elu", "Erf", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Neg", "Relu", "Sigmoid",
    "Softplus", "Softsign", "Tanh",
):  # fmt: skip
    _unary(_name)
for _name in ("Log", "Reciprocal", "Sqrt"):
    _unary(_name, positive=True)


def _over_axis(name: str) -> None:
    def build(b: Builder, x: Value) -> Value | None:
        axis = b.integer(1, len(x.shape) - 1)
        return b.node(name, [x], x.shape, f"axis {axis} of {len(x.shape)}", axis=axis)

    OPERATORS[name.lower()] = build


for _name in ("LogSoftmax", "LpNormalization", "Softmax"):
    _over_axis(_name)


def _binary(name: str) -> None:
    def build(b: Builder, x: Value) -> Value | None:
        kind = b.pick("itself", "another", "spread", "scalar", "channels", "map", "axis")
        if name == "Div" and kind in ("itself", "another", "spread"):
            return None
        rank = len(x.shape)
        if kind in ("itself", "another", "spread"):
            fits = [t for t in b.live if t.shape == x.shape and (kind == "itself") == (t is x)]
            if kind == "spread":
                size = [b.pick(1, e) for e in x.shape]
                part = b.node("Slice", [x, b.longs([0] * rank), b.longs(size)], size, "of some")
                fits = [part]
            if not fits:
                return None
            other: Any = b.pick(*fits)
        else:
            axis = b.integer(1, rank - 1)
            shape = {
                "scalar": (), "map": x.shape[1:],
                "channels": (x.shape[1],) + (1,) * (rank - 2),
                "axis": tuple(e if i == axis else 1 for i, e in enumerate(x.shape)),
            }[kind]  # fmt: skip
            other = b.normal(shape, 0.3, 2.0)
        operands = [x, other]
        if name != "Div" and b.pick(True, False):
            operands.reverse()
        return b.node(name, operands, x.shape, kind)

    OPERATORS[name.lower()] = build


for _name in ("Add", "Div", "Max", "Min", "Mul", "Sub"):
    _binary(_name)


def _of_many(name: str) -> None:
    def build(b: Builder, x: Value) -> Value | None:
        parts: list[Any] = [x, b.normal((x.shape[1],) + (1,) * (len(x.shape) - 2)), b.constant(0.5)]
        parts = [parts[int(i)] for i in b.random.permutation(b.integer(1, 3))]
        if x not in parts:
            parts.append(x)
        return b.node(name, parts, x.shape, f"of {len(parts)}")

    OPERATORS[f"{name.lower()}_of_many"] = build


for _name in ("Max", "Mean", "Min", "Sum"):
    _of_many(_name)


@operator
def pow_(b: Builder, x: Value) -> Value | None:
    exponent = b.pick(-1.5, -1.0, 0.3, 0.5, 2.0, 3.0, 5.0)
    size = b.node("Abs", [x], x.shape)
    above = b.node("Add", [size, b.constant(0.3)], x.shape, "scalar")
    below = b.node("Min", [above, b.constant(3.0)], x.shape, "scalar")
    return b.node("Pow", [below, b.constant(exponent)], x.shape, f"to {exponent}")


@operator
def instance_normalization(b: Builder, x: Value) -> Value | None:
    if len(x.shape) < 3 or np.prod(x.shape[2:]) < 2:
        return None
    vectors = [b.normal((x.shape[1],)) for _ in range(2)]
    cell = f"of {len(x.shape)}"
    return b.node("InstanceNormalization", [x, *vectors], x.shape, cell, epsilon=EPSILON)


@operator
def layer_normalization(b: Builder, x: Value) -> Value | None:
    axis = b.integer(1, len(x.shape) - 1)
    if np.prod(x.shape[axis:]) < 2:
        return None
    vectors = [b.normal(x.shape[axis:]) for _ in range(2)]
    cell = f"from {axis} of {len(x.shape)}"
    fields = {"axis": axis, "epsilon": EPSILON}
    return b.node("LayerNormalization", [x, *vectors], x.shape, cell, **fields)


@operator
def group_normalization(b: Builder, x: Value) -> Value | None:
    fits = [n for n in (1, 2, 3) if x.shape[1] % n == 0]
    groups = b.pick(*fits)
    if len(x.shape) < 3 or np.prod(x.shape[1:]) // groups < 2:
        return None
    vectors = [b.normal((groups,)) for _ in range(2)]
    fields = {"num_groups": groups, "epsilon": EPSILON}
    return b.node("GroupNormalization", [x, *vectors], x.shape, **fields)


@operator
def conv_transpose(b: Builder, x: Value) -> Value | None:
    if len(x.shape) != 4 or x.shape[0] != 1:
        return None
    _, channels, height, width = x.shape
    kernel, stride, dilation = b.pick(1, 2, 3), b.pick(1, 2, 3), b.pick(1, 1, 2)
    groups = b.pick(1, channels)
    outer = b.pick(1, 2, 3)
    pad = b.integer(0, (kernel - 1) * dilation // 2)
    more = b.integer(0, stride - 1)
    sizes = [
        (e - 1) * stride + (kernel - 1) * dilation + 1 + more - 2 * pad for e in (height, width)
    ]
    shape = (1, outer * groups, *sizes)
    if min(sizes) < 1 or np.prod(shape) > MOST_ELEMENTS:
        return None
    fields = {
        "strides": [stride] * 2, "dilations": [dilation] * 2, "group": groups, "pads": [pad] * 4,
        "output_padding": [more] * 2,
    }  # fmt: skip
    inputs = [x, b.normal((channels, outer, kernel, kernel), 0.3), b.normal((outer * groups,))]
    cell = "dense" if groups == 1 else "grouped"
    return b.node("ConvTranspose", inputs, shape, cell, **fields)


@operator
def matmul(b: Builder, x: Value) -> Value | None:
    side, outer = b.pick("left", "right"), b.pick(1, 2, 3, 10)
    inner = x.shape[-1] if side == "right" else x.shape[-2]
    if inner > 2000 or len(x.shape) < 3:
        return None
    if side == "right":
        weight = b.normal((inner, outer), 0.2)
        return b.node("MatMul", [x, weight], (*x.shape[:-1], outer), "right")
    weight = b.normal((outer, inner), 0.2)
    return b.node("MatMul", [weight, x], (*x.shape[:-2], outer, x.shape[-1]), "left")


@operator
def pool(b: Builder, x: Value) -> Value | None:
    if len(x.shape) != 4 or x.shape[0] != 1:
        return None
    name, kernel, stride = b.pick("MaxPool", "AveragePool"), b.integer(1, 3), b.integer(1, 3)
    pads = [b.integer(0, kernel - 1) for _ in range(4)]
    sizes = [(x.shape[2 + i] + pads[i] + pads[2 + i] - kernel) // stride + 1 for i in (0, 1)]
    if min(sizes) < 1:
        return None
    fields = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads}
    return b.node(name, [x], (1, x.shape[1], *sizes), **fields)


@operator
def resize(b: Builder, x: Value) -> Value | None:
    if len(x.shape) != 4 or x.shape[0] != 1:
        return None
    sizes = [b.integer(1, 12), b.integer(1, 12)]
    mode = b.pick("nearest", "linear")
    where = b.pick("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
    shape = (*x.shape[:2], *sizes)
    if np.prod(shape) > MOST_ELEMENTS or (where == "align_corners" and 1 in sizes):
        return None
    fields = {"mode": mode, "coordinate_transformation_mode": where}
    return b.node("Resize", [x, "", "", b.longs(shape)], shape, f"{mode} {where}", **fields)


@operator
def clip(b: Builder, x: Value) -> Value | None:
    low = float(b.pick(-1.0, 0.0, 0.5))
    bounds = [b.constant(low), b.constant(low + 3)]
    return b.node("Clip", [x, *bounds], x.shape)


@operator
def prelu(b: Builder, x: Value) -> Value | None:
    slopes = b.pick((1,), (x.shape[1], *(1,) * (len(x.shape) - 2)), x.shape[1:])
    return b.node("PRelu", [x, b.normal(slopes)], x.shape)


@operator
def batch_normalization(b: Builder, x: Value) -> Value | None:
    size = (x.shape[1],)
    constants = [b.normal(size, 0.2, 1.0), b.normal(size), b.normal(size)]
    variance = b.constant(np.abs(b.random.normal(size=size)) + 0.5)
    return b.node("BatchNormalization", [x, *constants, variance], x.shape)


@operator
def conv(b: Builder, x: Value) -> Value | None:
    if len(x.shape) != 4 or x.shape[0] != 1:
        return None
    _, channels, height, width = x.shape
    kernel = b.pick(1, 3, 5)
    depthwise = b.pick(True, False)
    outer = channels if depthwise else b.pick(*CHANNELS)
    pad = kernel // 2
    if outer * height * width > MOST_ELEMENTS:
        return None
    inner = 1 if depthwise else channels
    weight = b.normal((outer, inner, kernel, kernel), 0.3)
    fields = {"pads": [pad] * 4, "group": channels if depthwise else 1}
    cell = "depthwise" if depthwise else "dense"
    return b.node("Conv", [x, weight, b.normal(outer)], (1, outer, height, width), cell, **fields)


@operator
def gemm(b: Builder, x: Value) -> Value | None:
    if len(x.shape) != 2 or x.shape[1] > 2000:
        return None
    outer = b.pick(1, 2, 3, 10)
    weight = b.normal((outer, x.shape[1]), 0.2)
    return b.node("Gemm", [x, weight, b.normal(outer)], (x.shape[0], outer), transB=1)


@operator
def reduce(b: Builder, x: Value) -> Value | None:
    name = b.pick("ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2")
    count = b.integer(1, len(x.shape) - 1)
    axes = sorted(int(i) + 1 for i in b.random.permutation(len(x.shape) - 1)[:count])
    keep = b.pick(0, 1)
    shape = [1 if i in axes else e for i, e in enumerate(x.shape) if keep or i not in axes]
    if len(shape) < 2:
        return None
    return b.node(name, [x, b.longs(axes)], shape, f"of {len(x.shape)}", keepdims=keep)


@operator
def concat(b: Builder, x: Value) -> Value | None:
    axis = b.integer(1, len(x.shape) - 1)
    fits = [
        t for t in b.live
        if len(t.shape) == len(x.shape)
        and all(i == axis or p == q for i, (p, q) in enumerate(zip(t.shape, x.shape, strict=True)))
    ]  # fmt: skip
    parts = [x, *(b.pick(*fits, x) for _ in range(b.integer(1, 2)))]
    shape = list(x.shape)
    shape[axis] = sum(t.shape[axis] for t in parts)
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    return b.node("Concat", parts, shape, f"axis {axis} of {len(shape)}", axis=axis)


@operator
def slice_(b: Builder, x: Value) -> Value | None:
    axis = b.integer(1, len(x.shape) - 1)
    extent = x.shape[axis]
    step = b.pick(1, 2, -1, -2)
    start, end = (b.integer(0, extent - 1), extent) if step > 0 else (-1, -extent - 1)
    taken = len(range(extent)[start : end if step > 0 else None : step])
    shape = [taken if i == axis else e for i, e in enumerate(x.shape)]
    bounds = [b.longs([value]) for value in (start, end, axis, step)]
    return b.node("Slice", [x, *bounds], shape, f"step {step}")


@operator
def split(b: Builder, x: Value) -> Value | None:
    axis = b.integer(1, len(x.shape) - 1)
    if x.shape[axis] < 2:
        return None
    cut = b.integer(1, x.shape[axis] - 1)
    sizes = [cut, x.shape[axis] - cut]
    values = [
        Value(f"t{len(b.nodes)}.{i}", (*x.shape[:axis], n, *x.shape[axis + 1 :]))
        for i, n in enumerate(sizes)
    ]
    names = [x.name, b.longs(sizes)]
    b.nodes.append(helper.make_node("Split", names, [v.name for v in values], axis=axis))
    b.used.add(f"Split axis {axis} of {len(x.shape)} onnx")
    b.live.append(values[1])
    return values[0]


@operator
def gather(b: Builder, x: Value) -> Value | None:
    axis = b.integer(1, len(x.shape) - 1)
    indices = [b.integer(-x.shape[axis], x.shape[axis] - 1) for _ in range(b.integer(1, 5))]
    shape = [*x.shape[:axis], len(indices), *x.shape[axis + 1 :]]
    return b.node("Gather", [x, b.longs(indices)], shape, axis=axis)


@operator
def tile(b: Builder, x: Value) -> Value | None:
    repeats = [1, *(b.pick(1, 1, 2) for _ in x.shape[1:])]
    shape = [e * n for e, n in zip(x.shape, repeats, strict=True)]
    return None if np.prod(shape) > MOST_ELEMENTS else b.node("Tile", [x, b.longs(repeats)], shape)


@operator
def pad(b: Builder, x: Value) -> Value | None:
    if len(x.shape) > 4:
        return None
    mode = b.pick("constant", "edge", "reflect")
    most = [min(3, e - 1) if mode == "reflect" else 3 for e in x.shape]
    before = [0, *(b.integer(0, m) for m in most[1:])]
    behind = [0, *(b.integer(0, m) for m in most[1:])]
    shape = [e + p + q for e, p, q in zip(x.shape, before, behind, strict=True)]
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    operands = [x, b.longs(before + behind)]
    if mode == "constant":
        operands.append(b.constant(b.random.normal()))
    return b.node("Pad", operands, shape, mode, mode=mode)


@operator
def transpose(b: Builder, x: Value) -> Value | None:
    perm = [0, *(int(i) + 1 for i in b.random.permutation(len(x.shape) - 1))]
    shape = [x.shape[i] for i in perm]
    return b.node("Transpose", [x], shape, f"of {len(shape)}", perm=perm)


@operator
def reshape(b: Builder, x: Value) -> Value | None:
    total = int(np.prod(x.shape[1:]))
    first = x.shape[1]
    kind = b.pick("flat", "pixels", "map", "groups")
    shape = {
        "flat": (1, total), "pixels": (1, total // first, first),
        "map": (1, first, total // first, 1),
        "groups": (1, 2, first // 2, *x.shape[2:]) if first % 2 == 0 else (1, first, -1),
    }[kind]  # fmt: skip
    if len(shape) > 5:
        return None
    known = [total // first if e == -1 else e for e in shape]
    return b.node("Reshape", [x, b.longs(shape)], known, kind)


@operator
def unsqueeze(b: Builder, x: Value) -> Value | None:
    if len(x.shape) > 3:
        return None
    axis = b.integer(1, len(x.shape))
    shape = [*x.shape[:axis], 1, *x.shape[axis:]]
    return b.node("Unsqueeze", [x, b.longs([axis])], shape)


@operator
def choice(b: Builder, x: Value) -> Value | None:
    """An extreme by a comparison: the same where the last bit decides about it."""
    name, other = b.pick("Greater", "LessOrEqual"), b.constant([b.random.normal()])
    truth = b.node(name, [x, other], x.shape)
    if b.pick(False, True):
        truth = b.node("Not", [truth], x.shape)
    return b.node("Where", [truth, x, other], x.shape)


@operator
def matmul_of_two(b: Builder, x: Value) -> Value | None:
    if len(x.shape) not in (3, 4) or x.shape[-2] ** 2 * np.prod(x.shape[:-2]) > MOST_ELEMENTS:
        return None
    perm = [*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2]
    turned = b.node("Transpose", [x], [x.shape[i] for i in perm], perm=perm)
    shape = (*x.shape[:-1], x.shape[-2])
    return b.node("MatMul", [x, turned], shape, f"of two of {len(x.shape)}")


@operator
def einsum(b: Builder, x: Value) -> Value | None:
    if len(x.shape) != 4 or x.shape[1] ** 2 > MOST_ELEMENTS:
        return None
    equation = b.pick("bchw,bdhw->bcd", "bchw,bchw->bc", "bchw,bdhw->bdc")
    shape = (1, x.shape[1], x.shape[1]) if "d" in equation else (1, x.shape[1])
    return b.node("Einsum", [x, x], shape, equation, equation=equation)


@operator
def lp_pool(b: Builder, x: Value) -> Value | None:
    if len(x.shape) not in (3, 4):
        return None
    kernel = [b.integer(1, min(3, e)) for e in x.shape[2:]]
    shape = (*x.shape[:2], *(e - k + 1 for e, k in zip(x.shape[2:], kernel, strict=True)))
    power = b.pick(1, 2)
    cell = f"p {power} of {len(shape)}"
    return b.node("LpPool", [x], shape, cell, kernel_shape=kernel, p=power)


@operator
def line(b: Builder, x: Value) -> Value | None:
    """A convolution or a pool of a signal."""
    if len(x.shape) != 3:
        return None
    kernel = b.integer(1, min(3, x.shape[2]))
    length = x.shape[2] - kernel + 1
    name = b.pick("Conv", "MaxPool", "AveragePool")
    if name == "Conv":
        outer = b.pick(1, 3, 8)
        weight = b.normal((outer, x.shape[1], kernel), 0.3)
        return b.node(name, [x, weight, b.normal(outer)], (1, outer, length), "of a signal")
    shape = (*x.shape[:2], length)
    return b.node(name, [x], shape, "of a signal", kernel_shape=[kernel])


def random_onnx(seed: int, only: tuple[str, ...] = ()) -> RandomNet:
    """The network of a seed; `only` some operators of `OPERATORS`."""
    b = Builder(seed)
    shape = (1, b.pick(1, 2, 3, 3, 3, 4, 5, 7), b.integer(1, 16), b.integer(1, 16))
    x = first = Value("x", shape)
    b.live.append(x)
    names = list(only or OPERATORS)
    wanted = b.integer(1, 7)
    for _ in range(60):
        if len(b.nodes) >= wanted:
            break
        source = x if b.random.random() < 0.75 else b.pick(*b.live)
        made = OPERATORS[b.pick(*names)](b, source)
        if made is not None:
            x = made
            b.live.append(x)
    ends = [
        helper.make_tensor_value_info(value.name, TensorProto.FLOAT, list(value.shape))
        for value in (first, x)
    ]
    graph = helper.make_graph(b.nodes, "random", [ends[0]], [ends[1]], b.arrays)
    imports = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return RandomNet(bytes(model.SerializeToString()), shape, "float32", b.used, ".onnx")
