"""Shapes of a TFLite file's tensors, from the operators that make them.

An interpreter computes them so; what the file states may be stale. A converter that leaves the
batch open writes 1 for it: where the batch is a factor of an extent (9 pixels as 9 rows of a
matrix), that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from edgemnv2.ops.source import SourceNode, SourceTensor

__all__ = ["settle"]

Shape = tuple[int, ...]
# What keeps the shape of the first operand, or spreads two.
ELEMENTWISE = (
    "ABS", "ADD", "CAST", "CEIL", "COS", "DEQUANTIZE", "DIV", "ELU", "EXP", "FLOOR",
    "FLOOR_DIV", "FLOOR_MOD", "GELU", "HARD_SWISH",
    "LEAKY_RELU", "LOG", "LOGISTIC", "LOG_SOFTMAX", "L2_NORMALIZATION", "MAXIMUM", "MINIMUM", "MUL",
    "NEG", "PRELU", "QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT",
    "SIGN", "SIN", "SOFTMAX", "SQRT", "SQUARE", "SUB", "TANH",
)  # fmt: skip


def settle(node: SourceNode) -> SourceNode:
    """The node, its outputs of the shapes that its operands give, where that is known here.

    Its inputs are settled already.
    """
    shapes = _shapes(node)
    if shapes is None or len(shapes) != len(node.outputs):
        return node
    outputs = tuple(replace(x, shape=shape) for x, shape in zip(node.outputs, shapes, strict=True))
    return replace(node, outputs=outputs)


def _shapes(node: SourceNode) -> list[Shape] | None:
    """Of every output; None where they are not known here."""
    sources = [x for x in node.inputs if x is not None]
    if not sources:
        return None
    if node.operator in ELEMENTWISE:
        return [tuple(int(e) for e in np.broadcast_shapes(*(x.shape for x in sources)))]
    rule = RULES.get(node.operator)
    return None if rule is None else rule(node, sources)


def _values(tensor: SourceTensor) -> list[int] | None:
    return None if tensor.value is None else [int(x) for x in tensor.value.reshape(-1)]


def _windowed(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    """CONV_2D and DEPTHWISE_CONV_2D (x, weights), AVERAGE_POOL_2D and MAX_POOL_2D (x)."""
    x = sources[0].shape
    if node.operator.endswith("POOL_2D"):
        kernel = int(node.get("filter_height", 1)), int(node.get("filter_width", 1))
        channels = x[-1]
    elif len(sources) > 1 and len(sources[1].shape) == 4:
        outer, *kernel_shape, inner = sources[1].shape
        kernel = kernel_shape[0], kernel_shape[1]
        channels = outer if node.operator == "CONV_2D" else inner
    else:
        return None
    if len(x) != 4:
        return None
    made = []
    for extent, size, axis in zip(x[1:3], kernel, "hw", strict=True):
        stride = int(node.get(f"stride_{axis}", 1))
        apart = int(node.get(f"dilation_{axis}_factor", 1))
        reach = 0 if node.get("padding", "SAME") == "SAME" else (size - 1) * apart
        if stride < 1:
            return None
        made.append(-(-(extent - reach) // stride))
    return None if min(made) < 1 else [(x[0], made[0], made[1], channels)]


def _connected(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    if len(sources) < 2 or not sources[1].shape:
        return None
    outer, inner = sources[1].shape[0], sources[1].shape[-1]
    x = sources[0].shape
    if node.get("keep_num_dims", False):
        return [(*x[:-1], outer)]
    return [(prod(x) // max(inner, 1), outer)]


def _joined(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    shape = list(sources[0].shape)
    axis = int(node.get("axis", 0)) % max(len(shape), 1)
    if any(len(x.shape) != len(shape) for x in sources) or not shape:
        return None
    shape[axis] = sum(x.shape[axis] for x in sources)
    return [tuple(shape)]


def _packed(node: SourceNode, sources: list[SourceTensor]) -> list[Shape]:
    shape = list(sources[0].shape)
    shape.insert(int(node.get("axis", 0)) % (len(shape) + 1), len(sources))
    return [tuple(shape)]


def _unpacked(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    shape = list(sources[0].shape)
    if not shape:
        return None
    del shape[int(node.get("axis", 0)) % len(shape)]
    return [tuple(shape)] * len(node.outputs)


def _transposed(_: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    axes, shape = _values(sources[-1]), sources[0].shape
    if axes is None or sorted(axes) != list(range(len(shape))):
        return None
    return [tuple(shape[axis] for axis in axes)]


def _split(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    """SPLIT (axis, x) into equal parts, SPLIT_V (x, sizes, axis)."""
    equal = node.operator == "SPLIT"
    x, axes = (sources[-1], _values(sources[0])) if equal else (sources[0], _values(sources[-1]))
    if axes is None or len(axes) != 1 or not x.shape:
        return None
    axis = axes[0] % len(x.shape)
    extent, count = x.shape[axis], len(node.outputs)
    sizes = [extent // count] * count if equal else _values(sources[1])
    if sizes is None:
        return None
    left = extent - sum(size for size in sizes if size >= 0)
    return [(*x.shape[:axis], left if size < 0 else size, *x.shape[axis + 1 :]) for size in sizes]


def _reduced(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    axes, shape = _values(sources[-1]), sources[0].shape
    if axes is None or not shape:
        return None
    gone = {axis % len(shape) for axis in axes}
    if node.get("keep_dims", False):
        return [tuple(1 if axis in gone else extent for axis, extent in enumerate(shape))]
    return [tuple(extent for axis, extent in enumerate(shape) if axis not in gone)]


def _sliced(_: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    if len(sources) != 3:
        return None
    begins, sizes = _values(sources[1]), _values(sources[2])
    if begins is None or sizes is None or not len(begins) == len(sizes) == len(sources[0].shape):
        return None
    ranges = zip(sources[0].shape, begins, sizes, strict=True)
    return [tuple(extent - begin if size < 0 else size for extent, begin, size in ranges)]


def _strided(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    bounds = [_values(x) for x in sources[1:4]]
    if len(bounds) != 3 or any(x is None for x in bounds):
        return None
    unusual = any(node.get(f"{name}_mask", 0) for name in ("ellipsis", "new_axis"))
    if unusual or node.get("offset", False):
        return None
    masks = [int(node.get(f"{name}_mask", 0)) for name in ("begin", "end", "shrink_axis")]
    made: list[int] = []
    for place, extent in enumerate(sources[0].shape):
        if any(x is None or place >= len(x) for x in bounds):
            made.append(extent)
            continue
        begin, end, step = (0 if x is None else x[place] for x in bounds)
        from_end, to_end, shrinks = (bool(mask >> place & 1) for mask in masks)
        if shrinks:
            continue
        if step == 0:
            return None
        limits = slice(None if from_end else begin, None if to_end else end, step)
        made.append(len(range(extent)[limits]))
    return [tuple(made)]


def _reshaped(node: SourceNode, sources: list[SourceTensor]) -> list[Shape] | None:
    wanted = [int(x) for x in node.get("new_shape", ())]
    if len(sources) > 1:
        value = sources[1].value
        if value is None:
            return None
        wanted = [int(x) for x in value.reshape(-1)]
    total = prod(sources[0].shape)
    known = prod(x for x in wanted if x >= 0)
    if wanted.count(-1) == 1 and known and total % known == 0:
        wanted[wanted.index(-1)] = total // known
    return [tuple(wanted)] if prod(wanted) == total and min(wanted, default=1) >= 0 else None


Shaping = Callable[[SourceNode, list[SourceTensor]], list[Shape] | None]
RULES: dict[str, Shaping] = {
    "AVERAGE_POOL_2D": _windowed,
    "CONCATENATION": _joined,
    "CONV_2D": _windowed,
    "DEPTHWISE_CONV_2D": _windowed,
    "FULLY_CONNECTED": _connected,
    "MAX_POOL_2D": _windowed,
    "MEAN": _reduced,
    "PACK": _packed,
    "REDUCE_ALL": _reduced,
    "REDUCE_ANY": _reduced,
    "REDUCE_MAX": _reduced,
    "REDUCE_MIN": _reduced,
    "REDUCE_PROD": _reduced,
    "RESHAPE": _reshaped,
    "SLICE": _sliced,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "STRIDED_SLICE": _strided,
    "SUM": _reduced,
    "TRANSPOSE": _transposed,
    "UNPACK": _unpacked,
}
