"""Keras's activations as ONNX nodes: by name, and as layers of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgemnv2.frontend.keras_net import OnnxNet

__all__ = ["ACTIVATIONS", "activate", "between", "leaky", "softmax"]

PLAIN = {
    "celu": "Celu", "elu": "Elu", "exponential": "Exp", "gelu": "Gelu", "hard_silu": "HardSwish",
    "hard_swish": "HardSwish", "mish": "Mish", "relu": "Relu", "selu": "Selu",
    "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "tanh": "Tanh",
}  # fmt: skip
"""Of Keras's names those that ONNX has, with the same constants."""


def activate(net: OnnxNet, x: str, activation: Any) -> str:
    """`activation` as the configuration has it: a name, a function, or a layer of its own."""
    if isinstance(activation, Mapping):
        kind = str(activation.get("class_name", ""))
        inner = activation.get("config")
        if kind in ACTIVATIONS and isinstance(inner, Mapping):
            return ACTIVATIONS[kind](net, [x], inner, {})
        activation = inner if isinstance(inner, str) else kind
    name = str(activation or "linear").lower()
    if name == "linear":
        return x
    if name in PLAIN:
        return net.add(PLAIN[name], [x])
    if name in OTHERS:
        return OTHERS[name](net, x)
    raise net.refuse(f"activation {name!r} is not supported", "use one of Keras's usual ones")


def between(net: OnnxNet, x: str, low: float, high: float) -> str:
    """`x` clamped."""
    return net.add("Clip", [x, net.operand(low), net.operand(high)])


def above(net: OnnxNet, x: str, threshold: float) -> str:
    """`x` where it is above a threshold, else 0."""
    return net.add("ThresholdedRelu", [x], alpha=threshold)


def softmax(net: OnnxNet, x: str, axis: Any, log: bool = False) -> str:
    """Over one axis, or over several as one."""
    axes = [int(i) for i in axis] if isinstance(axis, list | tuple) else [int(axis)]
    if len(axes) == 1:
        return net.add("LogSoftmax" if log else "Softmax", [x], axis=axes[0])
    constant = net.constant(np.array(axes, np.int64))
    powers = net.add("Exp", [net.add("Sub", [x, net.add("ReduceMax", [x, constant])])])
    return net.add("Div", [powers, net.add("ReduceSum", [powers, constant])])


def leaky(net: OnnxNet, x: str, slope: float) -> str:
    """A slope below zero."""
    return net.add("LeakyRelu", [x], alpha=float(slope))


def _swish(net: OnnxNet, x: str) -> str:
    return net.add("Mul", [x, net.add("Sigmoid", [x])])


def _hard_sigmoid(net: OnnxNet, x: str) -> str:
    # Keras 2 has other constants than Keras 3.
    slope = 0.2 if net.generation < 3 else 1.0 / 6.0
    return net.add("HardSigmoid", [x], alpha=slope, beta=0.5)


def _log_sigmoid(net: OnnxNet, x: str) -> str:
    return net.add("Neg", [net.add("Softplus", [net.add("Neg", [x])])])


def _squareplus(net: OnnxNet, x: str) -> str:
    # (x + sqrt(x * x + 4)) / 2
    root = net.add("Sqrt", [net.add("Add", [net.add("Mul", [x, x]), net.operand(4.0)])])
    return net.add("Mul", [net.add("Add", [x, root]), net.operand(0.5)])


OTHERS: dict[str, Callable[[OnnxNet, str], str]] = {
    "hard_sigmoid": _hard_sigmoid,
    "hard_tanh": lambda net, x: between(net, x, -1.0, 1.0),
    "leaky_relu": lambda net, x: leaky(net, x, 0.2),
    "log_sigmoid": _log_sigmoid,
    "log_softmax": lambda net, x: softmax(net, x, -1, log=True),
    "relu6": lambda net, x: between(net, x, 0.0, 6.0),
    "silu": _swish,
    "softmax": lambda net, x: softmax(net, x, -1),
    "squareplus": _squareplus,
    "swish": _swish,
    "tanh_shrink": lambda net, x: net.add("Sub", [x, net.add("Tanh", [x])]),
}


# -- layers ----------------------------------------------------------------------------------------


def _activation(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return activate(net, x[0], config.get("activation"))


def _relu(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    top, slope = config.get("max_value"), float(config.get("negative_slope") or 0.0)
    threshold = float(config.get("threshold") or 0.0)
    if threshold:
        y = above(net, x[0], threshold)
        y = y if top is None else between(net, y, 0.0, float(top))
        if slope:
            under = net.add(
                "Relu", [net.add("Sub", [net.operand(threshold), x[0]], net.ranks[x[0]])]
            )
            y = net.add("Sub", [y, net.add("Mul", [under, net.operand(slope)])])
        return y
    if slope:
        y = leaky(net, x[0], slope)
        return y if top is None else between(net, y, -np.inf, float(top))
    return net.add("Relu", [x[0]]) if top is None else between(net, x[0], 0.0, float(top))


def _thresholded(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return above(net, x[0], float(config.get("theta", 1.0)))


def _leaky_relu(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return leaky(net, x[0], config.get("negative_slope", config.get("alpha", 0.3)))


def _elu(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return net.add("Elu", [x[0]], alpha=float(config.get("alpha", 1.0)))


def _prelu(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return net.add("PRelu", [x[0], net.constant(weights["alpha"])])


def _softmax(net: OnnxNet, x: Any, config: Any, weights: Any) -> str:
    return softmax(net, x[0], config.get("axis", -1))


ACTIVATIONS: dict[str, Callable[[OnnxNet, Any, Any, Any], str]] = {
    "Activation": _activation,
    "ELU": _elu,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Softmax": _softmax,
    "ThresholdedReLU": _thresholded,
}
"""Layers by class, those that may also be the activation of another one."""
