"""Operators on tensors in Keras models as ONNX nodes: `x / 127.5`, `tf.nn.relu6`, `keras.ops.mean`.

Keras 3 keeps them as layers named after classes of `keras.ops`, Keras 2 as `TFOpLambda` with the
name of TensorFlow's function; both come here under Keras 3's names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgemnv2.frontend.keras_activations import activate, between, leaky, softmax
from edgemnv2.frontend.keras_calls import Arguments
from edgemnv2.frontend.keras_net import OnnxNet
from edgemnv2.frontend.keras_windows import pooled, reduced, resized

__all__ = ["OPERATORS", "operator_of_function"]

Convert = Callable[[OnnxNet, Arguments], "str | list[str]"]
FURTHEST = np.iinfo(np.int32).max

FUNCTIONS = {
    "__operators__.add": "Add", "__operators__.getitem": "GetItem", "cast": "Cast",
    "clip_by_value": "Clip", "compat.v1.pad": "Pad", "compat.v1.squeeze": "Squeeze",
    "compat.v1.transpose": "Transpose", "concat": "Concatenate", "expand_dims": "ExpandDims",
    "identity": "Identity", "image.resize": "Resize", "math.abs": "Absolute", "math.add": "Add",
    "linalg.matmul": "Matmul", "math.greater": "Greater", "math.less": "Less",
    "math.argmax": "Argmax", "math.ceil": "Ceil", "math.cos": "Cos", "math.divide": "Divide",
    "math.exp": "Exp", "math.floor": "Floor",
    "math.l2_normalize": "Normalize", "math.log": "Log", "math.maximum": "Maximum",
    "math.minimum": "Minimum", "math.multiply": "Multiply", "math.negative": "Negative",
    "math.pow": "Power", "math.reduce_max": "Max", "math.reduce_mean": "Mean",
    "math.reduce_min": "Min", "math.reduce_sum": "Sum", "math.round": "Round",
    "math.rsqrt": "Rsqrt",
    "math.sigmoid": "Sigmoid", "math.sin": "Sin", "math.softplus": "Softplus", "math.sqrt": "Sqrt",
    "math.square": "Square", "math.subtract": "Subtract", "math.tanh": "Tanh",
    "math.truediv": "TrueDivide", "nn.bias_add": "Add", "nn.elu": "Elu", "nn.gelu": "Gelu",
    "nn.l2_normalize": "Normalize", "nn.leaky_relu": "LeakyRelu", "nn.log_softmax": "LogSoftmax",
    "nn.relu": "Relu", "nn.relu6": "Relu6", "nn.selu": "Selu", "nn.sigmoid": "Sigmoid",
    "nn.silu": "Silu", "nn.softmax": "Softmax", "nn.softplus": "Softplus",
    "nn.softsign": "Softsign", "nn.swish": "Silu", "nn.tanh": "Tanh", "pad": "Pad",
    "reshape": "Reshape", "split": "Split", "squeeze": "Squeeze", "stack": "Stack",
    "stop_gradient": "Identity", "transpose": "Transpose",
    "where": "Where",
}  # fmt: skip
"""TensorFlow's functions that Keras 2 files name."""


def operator_of_function(function: str) -> str:
    """The operator of a function of TensorFlow's; the function where there is none."""
    return FUNCTIONS.get(function, function)


def _first(net: OnnxNet, given: Arguments) -> str:
    """The operand, which may be a list of one."""
    x = given.get(0, "x", "inputs")
    return net.operand(x[0] if isinstance(x, list) and len(x) == 1 else x)


def _all(net: OnnxNet, given: Arguments) -> list[str]:
    """The operands of what takes a list of them."""
    return [net.operand(x) for x in given.get(0, "xs", "arrays", "values")]


def _longs(net: OnnxNet, values: Sequence[int]) -> str:
    return net.constant(np.array([int(x) for x in values], np.int64))


def _unary(op: str, **attrs: Any) -> Convert:
    return lambda net, given: net.add(op, [_first(net, given)], **attrs)


def _activated(name: str) -> Convert:
    return lambda net, given: activate(net, _first(net, given), name)


def _binary(op: str) -> Convert:
    def convert(net: OnnxNet, given: Arguments) -> str:
        first, second = given.get(0, "x1"), given.get(1, "x2", "y", "bias")
        parts = first if isinstance(first, list) and second is None else [first, second]
        names = [net.operand(x) for x in parts]
        rank = max(net.ranks.get(name, 0) for name in names)
        total = names[0]
        for name in names[1:]:
            total = net.add(op, [total, name], rank)
        return total

    return convert


def _reduction(op: str) -> Convert:
    def convert(net: OnnxNet, given: Arguments) -> str:
        keep = bool(given.get(2, "keepdims", default=False))
        return reduced(net, op, _first(net, given), given.get(1, "axis"), keep)

    return convert


def _softmax(log: bool) -> Convert:
    def convert(net: OnnxNet, given: Arguments) -> str:
        return softmax(net, _first(net, given), given.get(1, "axis", default=-1), log)

    return convert


def _leaky_relu(net: OnnxNet, given: Arguments) -> str:
    slope = given.get(1, "negative_slope", "alpha", default=0.2)
    return leaky(net, _first(net, given), slope)


def _elu(net: OnnxNet, given: Arguments) -> str:
    return net.add("Elu", [_first(net, given)], alpha=float(given.get(1, "alpha", default=1.0)))


def _gelu(net: OnnxNet, given: Arguments) -> str:
    # Keras 3 approximates where nothing is said, TensorFlow does not.
    tanh = bool(given.get(1, "approximate", default=net.generation >= 3))
    return net.add("Gelu", [_first(net, given)], approximate="tanh" if tanh else "none")


def _clip(net: OnnxNet, given: Arguments) -> str:
    low = given.get(1, "x_min", "clip_value_min")
    high = given.get(2, "x_max", "clip_value_max")
    return between(net, _first(net, given), low, high)


def _rsqrt(net: OnnxNet, given: Arguments) -> str:
    return net.add("Div", [net.operand(1.0), net.add("Sqrt", [_first(net, given)])])


def _round(net: OnnxNet, given: Arguments) -> str:
    if given.get(1, "decimals", default=0):
        raise net.refuse("rounding to decimals", "round to whole numbers")
    return net.add("Round", [_first(net, given)])


def _square(net: OnnxNet, given: Arguments) -> str:
    return net.add("Mul", [_first(net, given)] * 2)


def _normalize(net: OnnxNet, given: Arguments) -> str:
    axis, order = given.get(1, "axis", default=-1), given.get(2, "order", default=2)
    if isinstance(axis, list):
        axis = axis[0] if len(axis) == 1 else None
    if axis is None or order != 2:
        raise net.refuse("a norm of other order, or over several axes", "normalise by l2, one axis")
    return net.add("LpNormalization", [_first(net, given)], axis=int(axis), p=2)


def _same(net: OnnxNet, given: Arguments) -> str:
    return _first(net, given)


def _cast(net: OnnxNet, given: Arguments) -> str:
    dtype = str(given.get(1, "dtype", default="float32"))
    if "float" not in dtype:
        raise net.refuse(f"a cast to {dtype}", "keep the network's values floats")
    return net.add("Cast", [_first(net, given)], to=1)


def _reshape(net: OnnxNet, given: Arguments) -> str:
    shape = given.get(1, "newshape", "shape")
    # The batch is one, whatever stands in its place.
    sizes = [
        1 if i == 0 and e is None else -1 if e is None else int(e) for i, e in enumerate(shape)
    ]
    return net.add("Reshape", [_first(net, given), _longs(net, sizes)], len(sizes))


def _transpose(net: OnnxNet, given: Arguments) -> str:
    x = _first(net, given)
    perm = given.get(1, "axes", "perm", default=list(reversed(range(net.ranks[x]))))
    return net.add("Transpose", [x], perm=[int(i) for i in perm])


def _squeeze(net: OnnxNet, given: Arguments) -> str:
    x, axes = _first(net, given), given.get(1, "axis")
    if axes is None or axes == []:
        axes = [i for i, extent in enumerate(net.shape(x)) if i and extent == 1]
    axes = axes if isinstance(axes, list) else [axes]
    return net.add("Squeeze", [x, _longs(net, axes)], net.ranks[x] - len(axes))


def _expand_dims(net: OnnxNet, given: Arguments) -> str:
    x, axes = _first(net, given), given.get(1, "axis")
    axes = axes if isinstance(axes, list) else [axes]
    return net.add("Unsqueeze", [x, _longs(net, axes)], net.ranks[x] + len(axes))


def _concatenate(net: OnnxNet, given: Arguments) -> str:
    return net.add("Concat", _all(net, given), axis=int(given.get(1, "axis", default=-1)))


def _stack(net: OnnxNet, given: Arguments) -> str:
    axis, parts = int(given.get(1, "axis", default=0)), _all(net, given)
    rank = net.ranks[parts[0]] + 1
    parts = [net.add("Unsqueeze", [x, _longs(net, [axis])], rank) for x in parts]
    return net.add("Concat", parts, axis=axis)


def _split(net: OnnxNet, given: Arguments) -> list[str]:
    x = _first(net, given)
    wanted = given.get(1, "indices_or_sections", "num_or_size_splits")
    axis = int(given.get(2, "axis", default=0)) % net.ranks[x]
    extent = net.shape(x)[axis]
    if isinstance(wanted, int):
        ends = [extent // wanted * (i + 1) for i in range(wanted)]
    elif net.generation >= 3:
        ends = [*(int(i) for i in wanted), extent]
    else:
        ends = [int(i) for i in np.cumsum(wanted)]
    parts = zip([0, *ends[:-1]], ends, strict=True)
    return [
        net.add("Slice", [x, *(_longs(net, [value]) for value in (start, end, axis))])
        for start, end in parts
    ]


def _get_item(net: OnnxNet, given: Arguments) -> str:
    """Slices by numbers; `...` stands for as many axes as are left, None is a new axis."""
    x, key = _first(net, given), given.get(1, "key", "slice_spec")
    key = key if isinstance(key, list) else [key]
    rank = net.ranks[x]
    counted = sum(1 for k in key if k is not None and k is not Ellipsis)
    if Ellipsis not in key:
        key = [*key, Ellipsis]
    bounds: list[tuple[int, int, int, int]] = []
    gone: list[int] = []
    new: list[int] = []
    axis = 0
    for part in key:
        if part is Ellipsis:
            axis += rank - counted
        elif part is None:
            new.append(axis - len(gone) + len(new))
        elif isinstance(part, slice):
            step = 1 if part.step is None else int(part.step)
            first, last = (0, FURTHEST) if step > 0 else (-1, -FURTHEST)
            start = first if part.start is None else int(part.start)
            stop = last if part.stop is None else int(part.stop)
            if (start, stop, step) != (0, FURTHEST, 1):
                bounds.append((start, stop, axis, step))
            axis += 1
        elif isinstance(part, int):
            bounds.append((part, part + 1 if part != -1 else FURTHEST, axis, 1))
            gone.append(axis)
            axis += 1
        else:
            raise net.refuse("an index that is computed", "take parts of tensors by numbers")
    if bounds:
        x = net.add("Slice", [x, *(_longs(net, values) for values in zip(*bounds, strict=True))])
    if gone:
        x = net.add("Squeeze", [x, _longs(net, gone)], rank - len(gone))
    if new:
        x = net.add("Unsqueeze", [x, _longs(net, new)], rank - len(gone) + len(new))
    return x


def _pad(net: OnnxNet, given: Arguments) -> str:
    pairs = given.get(1, "pad_width", "paddings") if not given.config.get("pad_width") else None
    pairs = pairs or given.config["pad_width"]
    mode = str(given.get(3, "mode", default="constant")).lower()
    fill = given.call.keywords.get("constant_values") or 0.0
    modes = {"constant": "constant", "edge": "edge", "reflect": "reflect"}
    if mode not in modes:
        raise net.refuse(f"padding mode {mode!r} is not supported", "pad with a constant")
    sizes = _longs(net, [p[0] for p in pairs] + [p[1] for p in pairs])
    inputs = [_first(net, given), sizes]
    inputs += [net.operand(fill)] if mode == "constant" else []
    return net.add("Pad", inputs, mode=modes[mode])


def _resize(net: OnnxNet, given: Arguments) -> str:
    for name in ("antialias", "pad_to_aspect_ratio", "preserve_aspect_ratio"):
        if given.get(9, name):
            raise net.refuse(f"{name} is not supported", "resize in front of the network")
    size = given.get(1, "size")
    mode = str(given.get(2, "interpolation", "method", default="bilinear"))
    crop = bool(given.get(9, "crop_to_aspect_ratio"))
    return resized(net, _first(net, given), mode, size, given.config, crop)


def _pool(op: str) -> Convert:
    return lambda net, given: pooled(net, op, _first(net, given), given.config)


def _argmax(net: OnnxNet, given: Arguments) -> str:
    x = _first(net, given)
    axis, keep = int(given.get(1, "axis", default=0)), bool(given.get(2, "keepdims"))
    rank = net.ranks[x] - (0 if keep else 1)
    return net.add("ArgMax", [x], rank, axis=axis, keepdims=int(keep))


def _where(net: OnnxNet, given: Arguments) -> str:
    operands = [given.get(0, "condition"), given.get(1, "x1", "x"), given.get(2, "x2", "y")]
    names = [net.operand(x) for x in operands]
    return net.add("Where", names, max(net.ranks.get(name, 0) for name in names))


def _einsum(net: OnnxNet, given: Arguments) -> str:
    equation = str(given.config["subscripts"])
    operands = [net.operand(x) for x in given.call.args]
    rank = len(equation.partition("->")[2].replace(" ", ""))
    return net.add("Einsum", operands, rank, equation=equation)


def _matmul(net: OnnxNet, given: Arguments) -> str:
    names = [net.operand(given.get(0, "x1", "a")), net.operand(given.get(1, "x2", "b"))]
    for place, word in enumerate(("transpose_a", "transpose_b")):
        if given.call.keywords.get(word):
            rank = net.ranks[names[place]]
            axes = [*range(rank - 2), rank - 1, rank - 2]
            names[place] = net.add("Transpose", [names[place]], perm=axes)
    return net.add("MatMul", names, max(net.ranks.get(name, 2) for name in names))


OPERATORS: dict[str, Convert] = {
    "Absolute": _unary("Abs"),
    "Add": _binary("Add"),
    "Argmax": _argmax,
    "AveragePool": _pool("AveragePool"),
    "Cast": _cast,
    "Ceil": _unary("Ceil"),
    "Celu": _activated("celu"),
    "Clip": _clip,
    "Arctan": _unary("Atan"),
    "Concatenate": _concatenate,
    "Cos": _unary("Cos"),
    "Divide": _binary("Div"),
    "Einsum": _einsum,
    "Elu": _elu,
    "Equal": _binary("Equal"),
    "Exp": _unary("Exp"),
    "ExpandDims": _expand_dims,
    "Floor": _unary("Floor"),
    "Gelu": _gelu,
    "GetItem": _get_item,
    "Greater": _binary("Greater"),
    "GreaterEqual": _binary("GreaterOrEqual"),
    "HardSigmoid": _activated("hard_sigmoid"),
    "HardSilu": _activated("hard_silu"),
    "HardTanh": _activated("hard_tanh"),
    "Identity": _same,
    "LeakyRelu": _leaky_relu,
    "Less": _binary("Less"),
    "LessEqual": _binary("LessOrEqual"),
    "Log": _unary("Log"),
    "LogSigmoid": _activated("log_sigmoid"),
    "LogSoftmax": _softmax(log=True),
    "Matmul": _matmul,
    "Max": _reduction("ReduceMax"),
    "MaxPool": _pool("MaxPool"),
    "Maximum": _binary("Max"),
    "Mean": _reduction("ReduceMean"),
    "Min": _reduction("ReduceMin"),
    "Minimum": _binary("Min"),
    "Mish": _activated("mish"),
    "Multiply": _binary("Mul"),
    "Negative": _unary("Neg"),
    "Normalize": _normalize,
    "Pad": _pad,
    "Power": _binary("Pow"),
    "Prod": _reduction("ReduceProd"),
    "Reciprocal": _unary("Reciprocal"),
    "Relu": _activated("relu"),
    "Relu6": _activated("relu6"),
    "Reshape": _reshape,
    "Resize": _resize,
    "Round": _round,
    "Rsqrt": _rsqrt,
    "Selu": _activated("selu"),
    "Sigmoid": _activated("sigmoid"),
    "Sign": _unary("Sign"),
    "Silu": _activated("silu"),
    "Sin": _unary("Sin"),
    "Softmax": _softmax(log=False),
    "Softplus": _activated("softplus"),
    "Softsign": _activated("softsign"),
    "Split": _split,
    "Sqrt": _unary("Sqrt"),
    "Square": _square,
    "Squeeze": _squeeze,
    "Stack": _stack,
    "StopGradient": _same,
    "Subtract": _binary("Sub"),
    "Sum": _reduction("ReduceSum"),
    "Tanh": _activated("tanh"),
    "Transpose": _transpose,
    "TrueDivide": _binary("Div"),
    "Where": _where,
}
"""By the class names of `keras.ops`."""
