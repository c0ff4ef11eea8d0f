"""Keras layers as ONNX nodes, one function a layer.

A function gets the net, the names of its operands, the layer's configuration, and its weights; it
returns the name of its output, or a list of names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.frontend.keras_activations import ACTIVATIONS, activate
from edgemnv2.frontend.keras_attention import attention, multi_head_attention
from edgemnv2.frontend.keras_net import TO_NHWC, OnnxNet
from edgemnv2.frontend.keras_recurrent import RECURRENT_LAYERS
from edgemnv2.frontend.keras_windows import WINDOWS, resized, windowed

__all__ = ["LAYERS"]

Array = NDArray[Any]
Convert = Callable[[OnnxNet, list[str], Mapping[str, Any], Mapping[str, Array]], "str | list[str]"]


def _dense(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    y = net.add("MatMul", [x[0], net.constant(weights["kernel"])])
    if "bias" in weights:
        y = net.add("Add", [y, net.constant(weights["bias"])])
    return activate(net, y, config.get("activation"))


def _batch_norm(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    mean, variance = weights["moving_mean"], weights["moving_variance"]
    gamma = weights.get("gamma", np.ones_like(mean))
    beta = weights.get("beta", np.zeros_like(mean))
    inputs = [net.constant(v) for v in (gamma, beta, mean, variance)]
    epsilon, rank = float(config.get("epsilon", 1e-3)), net.ranks[x[0]]
    axis = config.get("axis", -1)
    axis = int(axis[0] if isinstance(axis, list) else axis) % rank
    # ONNX normalises the axis behind the batch.
    perm = [0, axis, *(i for i in range(1, rank) if i != axis)]
    y = x[0] if axis == 1 else net.add("Transpose", [x[0]], perm=perm)
    y = net.add("BatchNormalization", [y, *inputs], epsilon=epsilon)
    back = [perm.index(i) for i in range(rank)]
    return y if axis == 1 else net.add("Transpose", [y], perm=back)


def _layer_norm(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    rank, axes = net.ranks[x[0]], config.get("axis", -1)
    axes = sorted(int(a) % rank for a in (axes if isinstance(axes, list) else [axes]))
    if axes != list(range(rank - len(axes), rank)):
        raise net.refuse(f"normalisation over axes {axes}", "normalise over the last axes")
    extents = net.shape(x[0])[rank - len(axes) :]
    gamma = np.broadcast_to(weights.get("gamma", np.float32(1)), extents)
    inputs = [x[0], net.constant(np.ascontiguousarray(gamma))]
    inputs += [net.constant(weights["beta"])] if "beta" in weights else []
    epsilon = float(config.get("epsilon", 1e-3))
    return net.add("LayerNormalization", inputs, axis=-len(axes), epsilon=epsilon)


def _group_norm(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    axis = int(config.get("axis", -1)) % net.ranks[x[0]]
    if net.ranks[x[0]] != 4 or axis != 3:
        raise net.refuse("group normalisation over other axes", "normalise groups of channels last")
    groups = int(config.get("groups", 32))
    groups = net.shape(x[0])[3] if groups == -1 else groups
    plain = [net.constant(np.full(groups, value, np.float32)) for value in (1, 0)]
    epsilon = float(config.get("epsilon", 1e-3))
    y = windowed(net, "GroupNormalization", x[0], plain, None, num_groups=groups, epsilon=epsilon)
    y = net.add("Mul", [y, net.constant(weights["gamma"])]) if "gamma" in weights else y
    return net.add("Add", [y, net.constant(weights["beta"])]) if "beta" in weights else y


def _rms_norm(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    if config.get("axis", -1) not in (-1, [-1], net.ranks[x[0]] - 1):
        raise net.refuse("normalisation over other axes", "normalise over the last axis")
    axis = net.constant(np.array([-1], np.int64))
    mean = net.add("ReduceMean", [net.add("Mul", [x[0], x[0]]), axis], keepdims=1)
    mean = net.add("Add", [mean, net.operand(float(config.get("epsilon", 1e-6)))])
    y = net.add("Div", [x[0], net.add("Sqrt", [mean])])
    return net.add("Mul", [y, net.constant(weights["scale"])]) if "scale" in weights else y


def _unit_norm(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    axis = config.get("axis", -1)
    if isinstance(axis, list) and len(axis) != 1:
        raise net.refuse("a norm over several axes", "normalise over one axis")
    axis = int(axis[0] if isinstance(axis, list) else axis)
    return net.add("LpNormalization", [x[0]], axis=axis, p=2)


def _same(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    """Does nothing in inference."""
    return str(x[0])


def _random_crop(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    """Keras 3 leaves the image as it is in inference; Keras 2 cuts its middle out and resizes."""
    if net.generation >= 3:
        return str(x[0])
    size = [config["height"], config["width"]]
    return resized(net, x[0], "bilinear", size, config, crop=True)


def _rescaling(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    scale, offset = (
        np.asarray(config.get(k, d), np.float32) for k, d in (("scale", 1), ("offset", 0))
    )
    y = net.add("Mul", [x[0], net.constant(scale)])
    return net.add("Add", [y, net.constant(offset)]) if offset.any() else y


def _normalization(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    mean = np.asarray(weights.get("mean", config.get("mean")), np.float32).reshape(-1)
    variance = np.asarray(weights.get("variance", config.get("variance")), np.float32).reshape(-1)
    deviation = np.maximum(np.sqrt(variance), np.float32(1e-7))
    if config.get("invert"):
        y = net.add("Mul", [x[0], net.constant(deviation)])
        return net.add("Add", [y, net.constant(mean)])
    centred = net.add("Sub", [x[0], net.constant(mean)])
    return net.add("Div", [centred, net.constant(deviation)])


def _binary(op: str) -> Callable[[OnnxNet, Any, Any, Any], str]:
    def convert(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
        total = net.operand(x[0])
        for other in x[1:]:
            total = net.add(op, [total, net.operand(other)])
        return total

    return convert


def _average(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    total = _binary("Add")(net, x, config, weights)
    return net.add("Mul", [total, net.constant(np.float32(1.0 / len(x)))])


def _concatenate(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return net.add("Concat", x, axis=int(config.get("axis", -1)))


def _flatten(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    y = x[0]
    if config.get("data_format") == "channels_first" and net.ranks[y] == 4:
        y = net.add("Transpose", [y], perm=TO_NHWC)
    return net.add("Flatten", [y], 2, axis=1)


def _reshape(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    shape = np.array([1, *config["target_shape"]], np.int64)
    return net.add("Reshape", [x[0], net.constant(shape)], len(shape))


def _permute(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return net.add("Transpose", [x[0]], perm=[0, *config["dims"]])


def _repeat(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    axis, times = (net.constant(np.array(v, np.int64)) for v in ([1], [1, int(config["n"]), 1]))
    return net.add("Tile", [net.add("Unsqueeze", [x[0], axis], 3), times])


def _dot(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    """Sums of products along one axis of each operand."""
    axes = config["axes"]
    pair = [int(a) for a in axes] if isinstance(axes, list) else [int(axes)] * 2
    pair = [a % net.ranks[name] for a, name in zip(pair, x, strict=True)]
    if config.get("normalize"):
        names = zip(x, pair, strict=True)
        x = [net.add("LpNormalization", [name], axis=axis, p=2) for name, axis in names]
    letters = iter("cdefgh")
    terms = []
    for name, axis in zip(x, pair, strict=True):
        inner = ["b" if i == axis else next(letters) for i in range(1, net.ranks[name])]
        terms.append("".join(["a", *inner]))
    out = "".join(c for c in "".join(terms) if c not in "ab")
    if out:
        return net.add("Einsum", x, len(out) + 1, equation=f"{','.join(terms)}->a{out}")
    product = net.add("Mul", x)
    return net.add("ReduceSum", [product, net.constant(np.array([1], np.int64))], keepdims=1)


def _time_distributed(net: OnnxNet, x: Any, config: Any, weights: Any) -> str | list[str]:
    """A layer on each step; such as know no steps are the same on all of them at once."""
    inner = config["layer"]
    kind, own = str(inner["class_name"]), inner["config"]
    if kind in ("Flatten", "Reshape"):
        extents = net.shape(x[0])
        target = [-1] if kind == "Flatten" else list(own["target_shape"])
        if -1 in target:
            known = int(np.prod([e for e in target if e != -1]))
            target[target.index(-1)] = int(np.prod(extents[2:])) // known
        shape = np.array([*extents[:2], *target], np.int64)
        return net.add("Reshape", [x[0], net.constant(shape)], len(shape))
    axis = own.get("axis", -1)
    last = net.ranks[x[0]] - 2
    if kind not in OF_THE_LAST_AXIS or axis not in (-1, [-1], last, [last]):
        raise net.refuse(
            f"TimeDistributed of {kind} is not supported",
            "save the layer inside it alone, and call it for each image of the sequence",
        )
    return LAYERS[kind](net, x, {**own, "axis": -1}, weights)


NOTHING = (
    "ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "Dropout", "GaussianDropout",
    "GaussianNoise", "Identity", "MixUp", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast",
    "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur",
    "RandomGrayscale", "RandomHeight", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
    "RandomTranslation", "RandomWidth", "RandomZoom", "SpatialDropout1D", "SpatialDropout2D",
)  # fmt: skip
"""Layers that work in training alone."""

OF_THE_LAST_AXIS = (
    *NOTHING, "Activation", "BatchNormalization", "Dense", "ELU", "LayerNormalization",
    "LeakyReLU", "ReLU", "Rescaling", "Softmax",
)  # fmt: skip
"""Layers to which the axes in front of the last are all alike."""

LAYERS: dict[str, Convert] = {
    **ACTIVATIONS,
    **RECURRENT_LAYERS,
    **WINDOWS,
    **dict.fromkeys(NOTHING, _same),
    "Add": _binary("Add"),
    "Attention": attention,
    "Average": _average,
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "Dot": _dot,
    "Flatten": _flatten,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "Maximum": _binary("Max"),
    "Minimum": _binary("Min"),
    "MultiHeadAttention": multi_head_attention,
    "Multiply": _binary("Mul"),
    "Normalization": _normalization,
    "Permute": _permute,
    "RMSNormalization": _rms_norm,
    "RandomCrop": _random_crop,
    "RepeatVector": _repeat,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Subtract": _binary("Sub"),
    "TimeDistributed": _time_distributed,
    "UnitNormalization": _unit_norm,
}
