"""Keras layers as ONNX nodes, one function a layer.

A function gets the net, the names of its operands (or numbers), the layer's configuration, its
weights, and the keywords of the call; it returns the name of its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UnsupportedOperator

__all__ = ["LAYERS", "OnnxNet"]

Array = NDArray[Any]
OPSET = 17
TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
Convert = Callable[["OnnxNet", list[Any], Mapping[str, Any], Mapping[str, Array], Any], str]


class OnnxNet:
    """An ONNX network under construction."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.constants: list[Any] = []
        self.ranks: dict[str, int] = {}
        self._layer = ""
        self._count = 0

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        """What is added inside belongs to the layer `name`."""
        self._layer = name
        yield

    def refuse(self, fact: str, remedy: str) -> UnsupportedOperator:
        """What to raise where the current layer cannot be done."""
        return UnsupportedOperator(f"{self.source}: layer {self._layer!r}: {fact}; {remedy}")

    def input(self, name: str, shape: Sequence[int | None], dtype: str) -> str:
        """An input of the network; symbols stay symbols."""
        import onnx

        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        dims = [1 if i == 0 else (x or f"dim{i}") for i, x in enumerate(shape)]
        self.inputs.append(onnx.helper.make_tensor_value_info(name, kind, dims))
        self.ranks[name] = len(dims)
        return name

    def constant(self, value: Any) -> str:
        """A constant tensor."""
        import onnx

        self._count += 1
        name = f"{self._layer}.constant{self._count}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op: str, inputs: Sequence[str], rank: int | None = None, **attrs: Any) -> str:
        """A node of the current layer; its output, of `rank` (else that of the first operand)."""
        import onnx

        self._count += 1
        name = f"{self._layer}.{self._count}"
        node = onnx.helper.make_node(op, list(inputs), [name], name=self._layer, **attrs)
        self.nodes.append(node)
        self.ranks[name] = self.ranks.get(inputs[0], 4) if rank is None else rank
        return name

    def operand(self, value: Any) -> str:
        """A tensor by name, or a number as a constant."""
        return value if isinstance(value, str) else self.constant(np.float32(value))

    def proto(self, outputs: Sequence[str]) -> Any:
        """The finished model; its outputs have the names of the layers that make them."""
        import onnx

        ends = []
        names: dict[str, str] = {}
        for name in outputs:
            layer = next((n.name for n in self.nodes if name in n.output), name)
            final = (
                layer if layer not in {*names.values(), *(x.name for x in self.inputs)} else name
            )
            names[name] = final
            ends.append(onnx.ValueInfoProto(name=final))
        nodes = list(self.nodes)
        for name, final in names.items():
            if name != final:
                nodes.append(onnx.helper.make_node("Identity", [name], [final], name=final))
        graph = onnx.helper.make_graph(nodes, "keras", self.inputs, [], self.constants)
        for end in ends:
            end.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
            graph.output.append(end)
        opset = [onnx.helper.make_opsetid("", OPSET)]
        return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)


# -- activations -----------------------------------------------------------------------------------


def _activate(net: OnnxNet, x: str, activation: Any) -> str:
    """`activation` as the configuration has it: a name, or a layer of its own."""
    if isinstance(activation, Mapping):
        activation = activation.get("config", activation.get("class_name"))
    name = str(activation or "linear").lower()
    plain = {
        "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "elu": "Elu", "softplus": "Softplus",
        "exponential": "Exp", "hard_swish": "HardSwish", "hard_silu": "HardSwish",
    }  # fmt: skip
    if name == "linear":
        return x
    if name in plain:
        return net.add(plain[name], [x])
    if name == "relu6":
        return _clip(net, x, 0.0, 6.0)
    if name in ("softmax", "log_softmax"):
        return net.add("Softmax" if name == "softmax" else "LogSoftmax", [x], axis=-1)
    if name in ("swish", "silu"):
        return net.add("Mul", [x, net.add("Sigmoid", [x])])
    if name == "hard_sigmoid":
        return net.add("HardSigmoid", [x], alpha=1.0 / 6.0, beta=0.5)
    if name == "leaky_relu":
        return net.add("LeakyRelu", [x], alpha=0.2)
    raise net.refuse(f"activation {name!r} is not supported", "use one of Keras's usual ones")


def _clip(net: OnnxNet, x: str, low: float, high: float) -> str:
    return net.add("Clip", [x, net.constant(np.float32(low)), net.constant(np.float32(high))])


def _activation(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    return _activate(net, x[0], config.get("activation"))


def _relu(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    top, slope = config.get("max_value"), float(config.get("negative_slope") or 0.0)
    if float(config.get("threshold") or 0.0):
        raise net.refuse("ReLU with a threshold", "train with a plain ReLU")
    if slope:
        y = net.add("LeakyRelu", [x[0]], alpha=slope)
        return y if top is None else _clip(net, y, -np.inf, float(top))
    return net.add("Relu", [x[0]]) if top is None else _clip(net, x[0], 0.0, float(top))


def _leaky_relu(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    return net.add(
        "LeakyRelu", [x[0]], alpha=float(config.get("negative_slope", config.get("alpha", 0.3)))
    )


def _prelu(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    return net.add("PRelu", [x[0], net.constant(weights["alpha"])])


def _softmax(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    axis = config.get("axis", -1)
    return net.add("Softmax", [x[0]], axis=axis[0] if isinstance(axis, list) else axis)


# -- windows ---------------------------------------------------------------------------------------


def _windowed(net: OnnxNet, op: str, x: str, inputs: list[str], **attrs: Any) -> str:
    """An operator of ONNX on images, between transposes."""
    nchw = net.add("Transpose", [x], perm=TO_NCHW)
    return net.add("Transpose", [net.add(op, [nchw, *inputs], **attrs)], perm=TO_NHWC)


def _pads(config: Any) -> dict[str, Any]:
    return {"auto_pad": "SAME_UPPER" if config.get("padding", "valid") == "same" else "VALID"}


def _convolve(net: OnnxNet, x: str, kernel: Array, bias: Any, config: Any, groups: int) -> str:
    """`kernel` `[O, I, H, W]`."""
    inputs = [net.constant(np.ascontiguousarray(kernel))]
    inputs += [] if bias is None else [net.constant(bias)]
    return _windowed(
        net, "Conv", x, inputs, group=groups, strides=list(config.get("strides", (1, 1))),
        dilations=list(config.get("dilation_rate", (1, 1))), **_pads(config),
    )  # fmt: skip


def _conv2d(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    _channels_last(net, config)
    kernel = weights["kernel"].transpose(3, 2, 0, 1)
    y = _convolve(net, x[0], kernel, weights.get("bias"), config, int(config.get("groups", 1)))
    return _activate(net, y, config.get("activation"))


def _depthwise(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    _channels_last(net, config)
    y = _convolve_depthwise(net, x[0], weights["kernel"], weights.get("bias"), config)
    return _activate(net, y, config.get("activation"))


def _convolve_depthwise(net: OnnxNet, x: str, kernel: Array, bias: Any, config: Any) -> str:
    height, width, channels, multiplier = kernel.shape
    whole = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return _convolve(net, x, whole, bias, config, channels)


def _separable(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    _channels_last(net, config)
    y = _convolve_depthwise(net, x[0], weights["depthwise_kernel"], None, config)
    point = weights["pointwise_kernel"].transpose(3, 2, 0, 1)
    y = _convolve(net, y, point, weights.get("bias"), {"padding": "valid"}, 1)
    return _activate(net, y, config.get("activation"))


def _transposed(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    _channels_last(net, config)
    kernel = weights["kernel"].transpose(3, 2, 0, 1)
    inputs = [net.constant(np.ascontiguousarray(kernel))]
    inputs += [net.constant(weights["bias"])] if "bias" in weights else []
    y = _windowed(
        net, "ConvTranspose", x[0], inputs, strides=list(config["strides"]),
        dilations=list(config.get("dilation_rate", (1, 1))), **_pads(config),
    )  # fmt: skip
    return _activate(net, y, config.get("activation"))


def _pool(op: str) -> Convert:
    def convert(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
        _channels_last(net, config)
        size = list(config["pool_size"])
        strides = list(config.get("strides") or size)
        return _windowed(net, op, x[0], [], kernel_shape=size, strides=strides, **_pads(config))

    return convert


def _global(op: str) -> Convert:
    def convert(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
        _channels_last(net, config)
        keep = bool(config.get("keepdims", False))
        return net.add(op, [x[0]], 4 if keep else 2, axes=[1, 2], keepdims=int(keep))

    return convert


def _channels_last(net: OnnxNet, config: Any) -> None:
    if config.get("data_format", "channels_last") not in (None, "channels_last"):
        raise net.refuse("data_format channels_first", "save the model with channels_last")


# -- the rest --------------------------------------------------------------------------------------


def _dense(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    y = net.add("MatMul", [x[0], net.constant(weights["kernel"])])
    if "bias" in weights:
        y = net.add("Add", [y, net.constant(weights["bias"])])
    return _activate(net, y, config.get("activation"))


def _batch_norm(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    mean, variance = weights["moving_mean"], weights["moving_variance"]
    gamma = weights.get("gamma", np.ones_like(mean))
    beta = weights.get("beta", np.zeros_like(mean))
    inputs = [net.constant(v) for v in (gamma, beta, mean, variance)]
    epsilon = float(config.get("epsilon", 1e-3))
    if net.ranks[x[0]] == 4:
        return _windowed(net, "BatchNormalization", x[0], inputs, epsilon=epsilon)
    return net.add("BatchNormalization", [x[0], *inputs], epsilon=epsilon)


def _same(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    """Does nothing in inference."""
    return str(x[0])


def _rescaling(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    scale, offset = (
        np.asarray(config.get(k, d), np.float32) for k, d in (("scale", 1), ("offset", 0))
    )
    y = net.add("Mul", [x[0], net.constant(scale)])
    return net.add("Add", [y, net.constant(offset)]) if offset.any() else y


def _normalization(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    mean = weights.get("mean", config.get("mean"))
    variance = weights.get("variance", config.get("variance"))
    deviation = np.maximum(np.sqrt(np.asarray(variance, np.float32)), np.float32(1e-7)).reshape(-1)
    centred = net.add("Sub", [x[0], net.constant(np.asarray(mean, np.float32).reshape(-1))])
    return net.add("Div", [centred, net.constant(deviation)])


def _binary(op: str) -> Convert:
    def convert(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
        total = net.operand(x[0])
        for other in x[1:]:
            total = net.add(op, [total, net.operand(other)])
        return total

    return convert


def _average(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    total = _binary("Add")(net, x, config, weights, call)
    return net.add("Mul", [total, net.constant(np.float32(1.0 / len(x)))])


def _concatenate(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    return net.add("Concat", x, axis=int(config.get("axis", -1)))


def _zero_padding(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    (top, bottom), (left, right) = config["padding"]
    pads = np.array([0, top, left, 0, 0, bottom, right, 0], np.int64)
    return net.add("Pad", [x[0], net.constant(pads)])


def _cropping(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    (top, bottom), (left, right) = config["cropping"]
    huge = np.iinfo(np.int32).max
    starts = net.constant(np.array([top, left], np.int64))
    ends = net.constant(np.array([-bottom or huge, -right or huge], np.int64))
    return net.add("Slice", [x[0], starts, ends, net.constant(np.array([1, 2], np.int64))])


def _flatten(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    return net.add("Flatten", [x[0]], 2, axis=1)


def _reshape(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    shape = np.array([1, *config["target_shape"]], np.int64)
    return net.add("Reshape", [x[0], net.constant(shape)], len(shape))


def _permute(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    return net.add("Transpose", [x[0]], perm=[0, *config["dims"]])


def _resize(net: OnnxNet, x: str, mode: str, scales: Any = None, sizes: Any = None) -> str:
    mode = {"bilinear": "linear", "nearest": "nearest"}.get(mode, mode)
    if mode not in ("linear", "nearest"):
        raise net.refuse(f"interpolation {mode!r} is not supported", "use bilinear or nearest")
    inputs = ["", net.constant(np.array([1, 1, *scales], np.float32))] if scales is not None else []
    if sizes is not None:
        raise net.refuse("a size without scales", "resize the image in front of the network")
    nearest = {"nearest_mode": "floor"} if mode == "nearest" else {}
    return _windowed(
        net, "Resize", x, inputs, mode=mode, coordinate_transformation_mode="half_pixel", **nearest
    )


def _up_sampling(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    _channels_last(net, config)
    return _resize(net, x[0], str(config.get("interpolation", "nearest")), scales=config["size"])


def _tf_operator(net: OnnxNet, x: Any, config: Any, weights: Any, call: Any) -> str:
    """Keras 2 keeps `x / 127.5` as `tf.math.truediv` with the number among the keywords."""
    function = str(config.get("function", ""))
    ops = {
        "truediv": "Div",
        "subtract": "Sub",
        "multiply": "Mul",
        "add": "Add",
        "__operators__.add": "Add",
    }
    op = ops.get(function) or ops.get(function.rpartition(".")[2])
    if op is None or not isinstance(call.get("y"), int | float):
        raise net.refuse(f"{function} is not supported", "use a Rescaling layer")
    return net.add(op, [x[0], net.constant(np.float32(call["y"]))])


NOTHING = (
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
    "RandomBrightness", "RandomContrast", "RandomCrop", "RandomFlip", "RandomHeight",
    "RandomRotation", "RandomTranslation", "RandomWidth", "RandomZoom", "SpatialDropout2D",
)  # fmt: skip

LAYERS: dict[str, Convert] = {
    **dict.fromkeys(NOTHING, _same),
    "Activation": _activation,
    "Add": _binary("Add"),
    "Average": _average,
    "AveragePooling2D": _pool("AveragePool"),
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Conv2D": _conv2d,
    "Conv2DTranspose": _transposed,
    "Cropping2D": _cropping,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Divide": _binary("Div"),
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global("ReduceMean"),
    "GlobalMaxPooling2D": _global("ReduceMax"),
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pool("MaxPool"),
    "Maximum": _binary("Max"),
    "Minimum": _binary("Min"),
    "Multiply": _binary("Mul"),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": _separable,
    "Softmax": _softmax,
    "Subtract": _binary("Sub"),
    "TFOpLambda": _tf_operator,
    "TrueDivide": _binary("Div"),
    "UpSampling2D": _up_sampling,
    "ZeroPadding2D": _zero_padding,
}
