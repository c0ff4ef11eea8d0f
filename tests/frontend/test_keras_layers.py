"""Each Keras layer and operator on tensors computes what Keras says, in NumPy.

What these say was compared with files and outputs of Keras 2 and 3 when it was written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source
from tests.frontend.tiny_keras import (
    SHAPE,
    called,
    keras2_layer,
    keras_layer,
    tiny_keras,
)

Array = Any
RANDOM = np.random.default_rng(0)
X = (RANDOM.normal(size=(1, *SHAPE)) * 2).astype(np.float32)
OPS = "keras.src.ops.numpy"
TOLERANCE = 1e-5
SLOPES = np.float32([0.1, 0.5, 2.0])
SHIFTS = np.float32([0.3, -0.2, 0.1])


def _computed(path: Path, x: Array = X) -> Array:
    graph = lower(load_model(path))
    values = run(graph, to_nhwc(x, graph.input_specs[0]))
    made = to_source(values[graph.outputs[0]], graph.output_specs[0])
    return np.asarray(made).reshape(graph.output_specs[0].shape)


def _alike(ours: Array, wanted: Array) -> None:
    assert ours.shape == wanted.shape
    assert np.abs(ours - wanted).max() <= TOLERANCE * max(np.abs(wanted).max(), 1.0)


# -- activations -----------------------------------------------------------------------------------


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Array, axes: Any = -1) -> Array:
    powers = np.exp(x)
    return powers / powers.sum(axis=axes, keepdims=True)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "celu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "exponential": np.exp,
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "linear": lambda x: x,
    "log_sigmoid": lambda x: np.log(_sigmoid(x)),
    "log_softmax": lambda x: np.log(_softmax(x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x)),
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "softmax": _softmax,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "swish": lambda x: x * _sigmoid(x),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_name(name: str, tmp_path: Path) -> None:
    layers = [keras_layer("Activation", "a", "x", activation=name)]
    _alike(_computed(tiny_keras(tmp_path / "net.keras", layers)), ACTIVATIONS[name](X))


@pytest.mark.parametrize(("version", "slope"), [("2.15.0", 0.2), ("3.9.0", 1 / 6)])
def test_the_hard_sigmoid_is_of_the_generation_that_wrote_the_file(
    version: str, slope: float, tmp_path: Path
) -> None:
    layers = [keras_layer("Activation", "a", "x", activation="hard_sigmoid")]
    path = tiny_keras(tmp_path / "net.keras", layers, version=version)
    _alike(_computed(path), np.clip(X * np.float32(slope) + 0.5, 0, 1))


# -- layers ----------------------------------------------------------------------------------------


def _normal(x: Array, axes: Any, epsilon: float) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + epsilon)


def _middle(x: Array, rows: int, columns: int) -> Array:
    top, left = (x.shape[1] - rows) // 2, (x.shape[2] - columns) // 2
    return x[:, top : top + rows, left : left + columns]


def _nearest(x: Array, rows: int, columns: int) -> Array:
    places = [
        np.floor((np.arange(made) + 0.5) * size / made).astype(int)
        for made, size in ((rows, x.shape[1]), (columns, x.shape[2]))
    ]
    return x[:, places[0]][:, :, places[1]]


def _bilinear(x: Array, rows: int, columns: int) -> Array:
    for axis, made in ((1, rows), (2, columns)):
        size = x.shape[axis]
        place = np.clip((np.arange(made) + 0.5) * size / made - 0.5, 0, size - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, size - 1)
        share = (place - low).reshape([-1 if i == axis else 1 for i in range(4)])
        x = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return x


LAYERS: dict[str, tuple[str, dict[str, Any], list[Any], Callable[[Array], Array]]] = {
    "a softmax over several axes": (
        "Softmax", {"axis": [1, 2]}, [], lambda x: _softmax(x, (1, 2)),
    ),
    "ELU": ("ELU", {"alpha": 0.5}, [], lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    "ReLU with a slope and a top": (
        "ReLU", {"negative_slope": 0.2, "max_value": 1.0}, [],
        lambda x: np.minimum(np.where(x > 0, x, 0.2 * x), 1),
    ),
    "LayerNormalization": (
        "LayerNormalization", {"axis": [3], "epsilon": 1e-3}, [SLOPES, SHIFTS],
        lambda x: _normal(x, -1, 1e-3) * SLOPES + SHIFTS,
    ),
    "LayerNormalization of a whole map, without a scale": (
        "LayerNormalization", {"axis": [1, 2, 3], "scale": False, "center": False}, [],
        lambda x: _normal(x, (1, 2, 3), 1e-3),
    ),
    "GroupNormalization": (
        "GroupNormalization", {"groups": 3, "axis": -1, "epsilon": 1e-3}, [SLOPES, SHIFTS],
        lambda x: _normal(x, (1, 2), 1e-3) * SLOPES + SHIFTS,
    ),
    "UnitNormalization": (
        "UnitNormalization", {"axis": [3]}, [],
        lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True),
    ),
    "BatchNormalization without a scale": (
        "BatchNormalization", {"axis": [3], "scale": False, "epsilon": 0.1},
        [SHIFTS, SHIFTS * 2, SLOPES], lambda x: (x - SHIFTS * 2) / np.sqrt(SLOPES + 0.1) + SHIFTS,
    ),
    "BatchNormalization of channels first": (
        "BatchNormalization", {"axis": 1, "epsilon": 0.1}, [np.arange(5.0) + i for i in range(4)],
        lambda x: ((x.transpose(0, 2, 3, 1) - np.arange(5) - 2) / np.sqrt(np.arange(5) + 3.1)
                   * np.arange(5) + np.arange(5) + 1).transpose(0, 3, 1, 2),
    ),
    "Normalization, inverted": (
        "Normalization", {"mean": [1.0, 2.0, 3.0], "variance": [1.0, 4.0, 9.0], "invert": True}, [],
        lambda x: x * np.float32([1, 2, 3]) + np.float32([1, 2, 3]),
    ),
    "UpSampling2D nearest": (
        "UpSampling2D", {"size": [2, 3], "interpolation": "nearest"}, [],
        lambda x: x.repeat(2, 1).repeat(3, 2),
    ),
    "UpSampling2D bilinear": (
        "UpSampling2D", {"size": [2, 3], "interpolation": "bilinear"}, [],
        lambda x: _bilinear(x, 10, 12),
    ),
    "Resizing up": ("Resizing", {"height": 7, "width": 9}, [], lambda x: _bilinear(x, 7, 9)),
    "Resizing down": ("Resizing", {"height": 3, "width": 2}, [], lambda x: _bilinear(x, 3, 2)),
    "Resizing nearest": (
        "Resizing", {"height": 7, "width": 3, "interpolation": "nearest"}, [],
        lambda x: _nearest(x, 7, 3),
    ),
    "Resizing to the image's own ratio": (
        "Resizing", {"height": 6, "width": 6, "crop_to_aspect_ratio": True}, [],
        lambda x: _bilinear(x[:, :4], 6, 6),
    ),
    "CenterCrop": ("CenterCrop", {"height": 2, "width": 3}, [], lambda x: _middle(x, 2, 3)),
    "GlobalMaxPooling2D": (
        "GlobalMaxPooling2D", {"keepdims": True}, [], lambda x: x.max((1, 2), keepdims=True),
    ),
    "GlobalAveragePooling2D of channels first": (
        "GlobalAveragePooling2D", {"data_format": "channels_first"}, [],
        lambda x: x.mean((2, 3)),
    ),
    "ZeroPadding2D": (
        "ZeroPadding2D", {"padding": [[0, 1], [2, 0]]}, [],
        lambda x: np.pad(x, ((0, 0), (0, 1), (2, 0), (0, 0))),
    ),
    "Flatten of channels first": (
        "Flatten", {"data_format": "channels_first"}, [],
        lambda x: x.transpose(0, 2, 3, 1).reshape(1, -1),
    ),
    "RandomCrop": ("RandomCrop", {"height": 2, "width": 2}, [], lambda x: x),
    "RandomShear": ("RandomShear", {}, [], lambda x: x),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, tmp_path: Path) -> None:
    kind, config, weights, wanted = LAYERS[name]
    layers = [keras_layer(kind, "made", "x", "keras.layers", trainable=True, **config)]
    stored = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).lstrip("_")
    path = tiny_keras(tmp_path / "net.keras", layers, {stored: weights} if weights else None)
    _alike(_computed(path), wanted(X))


def test_a_cut_image_of_keras_2_is_its_middle_resized(tmp_path: Path) -> None:
    layers = [keras_layer("RandomCrop", "r", "x", height=2, width=2)]
    path = tiny_keras(tmp_path / "net.keras", layers, version="2.15.0")
    _alike(_computed(path), _bilinear(X[:, :4], 2, 2))


def _transposed(kernel: Array, stride: int, extents: tuple[int, int], begins: Any) -> Array:
    """What TensorFlow computes: every pixel puts the kernel, whatever lies outside is cut off."""
    height, width = kernel.shape[:2]
    far = np.zeros((5 * stride + height + extents[0], 4 * stride + width + extents[1], 2))
    for row in range(5):
        for column in range(4):
            part = far[row * stride :][:height, column * stride :][:, :width]
            part += np.tensordot(kernel, X[0, row, column], (3, 0))
    top, left = begins
    return far[np.newaxis, top : top + extents[0], left : left + extents[1]]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(2, 2), (3, 3), (1, 4)])
def test_transposed_convolutions_have_tensorflows_sizes(
    size: tuple[int, int], stride: int, padding: str, tmp_path: Path
) -> None:
    kernel = RANDOM.normal(size=(*size, 2, 3)).astype(np.float32)
    config = {"strides": [stride, stride], "padding": padding, "filters": 2}
    layers = [keras_layer("Conv2DTranspose", "t", "x", **config)]
    path = tiny_keras(tmp_path / "net.keras", layers, {"conv2d_transpose": [kernel]})
    over = [max(k - stride, 0) for k in size]
    if padding == "same":
        extents, begins = (5 * stride, 4 * stride), [o // 2 for o in over]
    else:
        extents, begins = (5 * stride + over[0], 4 * stride + over[1]), [0, 0]
    _alike(_computed(path), _transposed(kernel, stride, extents, begins))


# -- operators on tensors --------------------------------------------------------------------------

SLICE = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": -1}}
PART = {"class_name": "__slice__", "config": {"start": 1, "stop": -1, "step": 2}}
DOTS = {"class_name": "__ellipsis__", "config": {}}
VALUES = {"class_name": "__tensor__", "config": {"value": [[[SHIFTS.tolist()]]]}}

OPERATORS: dict[str, tuple[str, dict[str, Any], Any, Callable[[Array], Array]]] = {
    "a number first": ("Subtract", {}, called(1.0, "x"), lambda x: 1 - x),
    "an integer": ("Multiply", {}, called(2, "x"), lambda x: 2 * x),
    "numbers for channels": ("Add", {}, called("x", VALUES), lambda x: x + SHIFTS),
    "a square": ("Power", {}, called("x", 2), np.square),
    "a division": ("TrueDivide", {}, called("x", 127.5), lambda x: x / 127.5),
    "channels turned round": ("GetItem", {}, called("x", [DOTS, SLICE]), lambda x: x[..., ::-1]),
    "one channel": ("GetItem", {}, called("x", [DOTS, 1]), lambda x: x[..., 1]),
    "a part": ("GetItem", {}, called("x", [SLICE, PART]), lambda x: x[:, 1:-1:2]),
    "a mean": ("Mean", {"axis": [1, 2], "keepdims": False}, "x", lambda x: x.mean((1, 2))),
    "a maximum": ("Max", {"axis": -1, "keepdims": True}, "x", lambda x: x.max(-1, keepdims=True)),
    "a clip": ("Clip", {"x_min": -0.5, "x_max": 1.0}, "x", lambda x: np.clip(x, -0.5, 1)),
    "a new shape": ("Reshape", {"newshape": [-1, 60]}, "x", lambda x: x.reshape(1, 60)),
    "other axes": ("Transpose", {"axes": [0, 3, 1, 2]}, "x", lambda x: x.transpose(0, 3, 1, 2)),
    "twice, stacked": (
        "Stack", {"axis": -1}, called(["x", "x"]), lambda x: np.stack([x, x], -1),
    ),
    "twice, joined": (
        "Concatenate", {"axis": 1}, called(["x", "x"]), lambda x: np.concatenate([x, x], 1),
    ),
    "padding": (
        "Pad", {"pad_width": [[0, 0], [1, 0], [2, 1], [0, 0]], "mode": "constant"},
        called("x", constant_values=None), lambda x: np.pad(x, ((0, 0), (1, 0), (2, 1), (0, 0))),
    ),
    "resizing": (
        "Resize", {"size": [7, 9], "interpolation": "bilinear"}, "x", lambda x: _bilinear(x, 7, 9),
    ),
    "lengths of 1": (
        "Normalize", {"axis": -1, "order": 2}, "x",
        lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True),
    ),
    "relu6": ("Relu6", {}, "x", lambda x: np.clip(x, 0, 6)),
    "the nearest whole number": ("Round", {"decimals": 0}, "x", np.rint),
    "the one below": ("Floor", {}, "x", np.floor),
    "the one above": ("Ceil", {}, "x", np.ceil),
}  # fmt: skip


@pytest.mark.parametrize("module", [OPS, ""])
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_on_tensors(name: str, module: str, tmp_path: Path) -> None:
    """`.h5` files have no module, and name an operator as a layer is named."""
    kind, config, call, wanted = OPERATORS[name]
    path = tiny_keras(tmp_path / "net.keras", [keras_layer(kind, "made", call, module, **config)])
    _alike(_computed(path), wanted(X))


FUNCTIONS: dict[str, tuple[str, list[Any], Callable[[Array], Array]]] = {
    "a division": ("math.truediv", ["x", 0, 0, {"y": 127.5}], lambda x: x / 127.5),
    "a number first": (
        "math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["x", 0, 0]}], lambda x: 1 - x,
    ),
    "with itself": ("__operators__.add", ["x", 0, 0, {"y": ["x", 0, 0]}], lambda x: x + x),
    "numbers for channels": (
        "nn.bias_add", ["x", 0, 0, {"bias": SHIFTS.tolist()}], lambda x: x + SHIFTS,
    ),
    "channels turned round": (
        "__operators__.getitem",
        ["x", 0, 0, {"slice_spec": [
            {"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]}],
        lambda x: x[..., ::-1],
    ),
    "a mean": ("math.reduce_mean", ["x", 0, 0, {"axis": [1, 2]}], lambda x: x.mean((1, 2))),
    "a resize": ("image.resize", ["x", 0, 0, {"size": [7, 9]}], lambda x: _bilinear(x, 7, 9)),
    "lengths of 1": (
        "math.l2_normalize", ["x", 0, 0, {"axis": 3}],
        lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True),
    ),
    "the nearest whole number": ("math.round", ["x", 0, 0, {}], np.rint),
    "the one below": ("math.floor", ["x", 0, 0, {}], np.floor),
    "the one above": ("math.ceil", ["x", 0, 0, {}], np.ceil),
    "padding": (
        "compat.v1.pad", ["x", 0, 0, {"paddings": [[0, 0], [1, 0], [2, 1], [0, 0]]}],
        lambda x: np.pad(x, ((0, 0), (1, 0), (2, 1), (0, 0))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_tensorflow(name: str, tmp_path: Path) -> None:
    function, call, wanted = FUNCTIONS[name]
    layers = [keras2_layer("TFOpLambda", "made", [call], function=function)]
    path = tiny_keras(tmp_path / "net.keras", layers, version="2.15.0")
    _alike(_computed(path), wanted(X))


def test_keras_2_counts_the_construction_of_a_nested_model_as_a_call(tmp_path: Path) -> None:
    image = keras2_layer("InputLayer", "i", [], batch_shape=[None, *SHAPE])
    inner = [image, keras2_layer("LeakyReLU", "l", [[["i", 0, 0, {}]]], alpha=0.5)]
    model = {"layers": inner, "input_layers": [["i", 0, 0]], "output_layers": [["l", 0, 0]]}
    calls = [[["x", 0, 0, {}]], [["turned", 0, 0, {}]]]
    layers = [
        keras2_layer("TFOpLambda", "turned", [["x", 0, 0, {}]], function="math.negative"),
        keras2_layer("Functional", "m", calls, **model),
        keras2_layer("Subtract", "s", [[["m", 1, 0, {}], ["m", 2, 0, {}]]], trainable=True),
    ]
    path = tiny_keras(tmp_path / "net.keras", layers, version="2.15.0")
    leaky = [np.where(x > 0, x, 0.5 * x) for x in (X, -X)]
    _alike(_computed(path), leaky[0] - leaky[1])


def test_an_image_of_integers_is_computed_with_as_floats(tmp_path: Path) -> None:
    layers = [keras_layer("Rescaling", "r", "x", scale=1 / 127.5, offset=-1.0)]
    path = tiny_keras(tmp_path / "net.keras", layers, dtype="uint8")
    x = np.arange(60, dtype=np.uint8).reshape(1, *SHAPE) * 4
    _alike(_computed(path, x), x.astype(np.float32) / 127.5 - 1)


LINES = [
    keras_layer("Reshape", "line", "x", target_shape=[20, 3], trainable=True),
    keras_layer("Conv1D", "convolved", "line", strides=[2], padding="causal", dilation_rate=[2]),
    keras_layer("MaxPooling1D", "pooled", "convolved", pool_size=[2], strides=[2]),
    keras_layer("UpSampling1D", "wide", "pooled", size=2),
    keras_layer("ZeroPadding1D", "padded", "wide", padding=[1, 2]),
    keras_layer("Cropping1D", "cut", "padded", cropping=[2, 1]),
]


def test_layers_of_signals_are_keras_s(tmp_path: Path) -> None:
    kernel = RANDOM.normal(size=(3, 3, 4)).astype(np.float32)
    path = tiny_keras(tmp_path / "net.keras", LINES, {"conv1d": [kernel]})
    x = np.pad(X.reshape(20, 3), ((4, 0), (0, 0)))
    places = range(0, 20, 2)
    convolved = np.stack([np.tensordot(x[i : i + 5 : 2], kernel, 2) for i in places])
    pooled = convolved.reshape(5, 2, 4).max(axis=1)
    wide = np.pad(np.repeat(pooled, 2, axis=0), ((1, 2), (0, 0)))
    _alike(_computed(path), wide[np.newaxis, 2:-1])


def test_depthwise_and_separable_signals_are_keras_s(tmp_path: Path) -> None:
    kernel = RANDOM.normal(size=(2, 3, 1)).astype(np.float32)
    point = RANDOM.normal(size=(1, 3, 5)).astype(np.float32)
    line = keras_layer("Reshape", "line", "x", target_shape=[20, 3], trainable=True)
    layers = [line, keras_layer("SeparableConv1D", "both", "line", use_bias=False)]
    path = tiny_keras(tmp_path / "a.keras", layers, {"separable_conv1d": [kernel, point]})
    x = X.reshape(20, 3)
    deep = np.stack([(x[i : i + 2] * kernel[..., 0]).sum(axis=0) for i in range(19)])
    _alike(_computed(path), (deep @ point[0])[np.newaxis])
    layers = [line, keras_layer("DepthwiseConv1D", "deep", "line")]
    path = tiny_keras(tmp_path / "b.keras", layers, {"depthwise_conv1d": [kernel]})
    _alike(_computed(path), deep[np.newaxis])


def test_products_of_two_tensors_are_keras_s(tmp_path: Path) -> None:
    x = X.reshape(20, 3)
    line = keras_layer("Reshape", "line", "x", target_shape=[20, 3], trainable=True)
    pair = called(["line", "line"])
    dot = keras_layer("Dot", "dot", pair, axes=[2, 2], normalize=False)
    _alike(_computed(tiny_keras(tmp_path / "a.keras", [line, dot])), (x @ x.T)[np.newaxis])
    attention = keras_layer("Attention", "looks", pair, use_scale=False, score_mode="dot")
    path = tiny_keras(tmp_path / "b.keras", [line, attention])
    _alike(_computed(path), (_softmax(x @ x.T) @ x)[np.newaxis])


def test_thresholds_and_repetitions_are_keras_s(tmp_path: Path) -> None:
    relu = keras_layer("ReLU", "r", "x", threshold=0.5, max_value=2.0, negative_slope=0.1)
    wanted = np.where(X > 0.5, np.minimum(X, 2.0), 0.1 * (X - 0.5))
    _alike(_computed(tiny_keras(tmp_path / "a.keras", [relu])), wanted)
    layers = [
        keras_layer("ThresholdedReLU", "t", "x", theta=0.7),
        keras_layer("Flatten", "f", "t"),
        keras_layer("RepeatVector", "n", "f", n=3),
    ]
    flat = np.where(X > 0.7, X, 0.0).reshape(1, 1, -1)
    _alike(_computed(tiny_keras(tmp_path / "b.keras", layers)), np.repeat(flat, 3, axis=1))


def test_all_layers_that_cannot_be_done_are_told_at_once(tmp_path: Path) -> None:
    layers = [
        keras_layer("Lambda", "mine", "x"),
        keras_layer("Conv3D", "deep", "mine"),
        keras_layer("UpSampling3D", "odd", "deep"),
    ]
    with pytest.raises(UnsupportedOperator) as error:
        load_model(tiny_keras(tmp_path / "net.keras", layers))
    lines = str(error.value).splitlines()
    assert [line.split("'")[1] for line in lines] == ["mine", "deep", "odd"]
    assert all("net.keras: layer" in line and "; " in line for line in lines)


def test_rounding_to_decimals_is_refused(tmp_path: Path) -> None:
    path = tiny_keras(tmp_path / "net.keras", [keras_layer("Round", "r", "x", OPS, decimals=1)])
    with pytest.raises(UnsupportedOperator, match="'r': rounding to decimals"):
        load_model(path)
