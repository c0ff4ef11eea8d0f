"""Keras's recurrent layers, and layers around one other layer, as ONNX nodes.

Keras has the steps of a sequence behind the batch, ONNX in front of it; an LSTM's gates come in
another order (Keras: input, forget, cell, output; ONNX: input, output, forget, cell). The steps are
unrolled by the ONNX front end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.frontend.keras_net import OnnxNet

__all__ = ["CELLS", "RECURRENT_LAYERS", "recurrent_kind"]

Array = NDArray[Any]
FURTHEST = np.iinfo(np.int32).max
CELLS = {"GRU": "GRU", "LSTM": "LSTM", "SimpleRNN": "RNN"}
"""Keras's recurrent layers; ONNX's operators."""
NEW_AXIS_FIRST = [1, 0, 2]
ACTIVATIONS: Mapping[str, tuple[str, dict[str, float]]] = {
    "elu": ("Elu", {"alpha": 1.0}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "linear": ("Affine", {"alpha": 1.0, "beta": 0.0}),
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}
"""ONNX's names inside of a recurrent node, and the constants of those that have some."""
MERGES = {"ave": "Add", "mul": "Mul", "sum": "Add"}


def recurrent_kind(layer: Mapping[str, Any]) -> str:
    """Which of `CELLS` a layer is, an `RNN` around a cell too; "" for another layer."""
    kind = str(layer["class_name"])
    if kind == "RNN":
        cell = layer["config"].get("cell")
        kind = str(cell.get("class_name", "")) if isinstance(cell, Mapping) else ""
        kind = kind.removesuffix("Cell") if kind.endswith("Cell") else ""
    return kind if kind in CELLS else ""


def _activation(net: OnnxNet, name: Any) -> tuple[str, dict[str, float]]:
    word = str(name or "linear").lower()
    if word == "hard_sigmoid":
        # Keras 2 has other constants than Keras 3.
        return "HardSigmoid", {"alpha": 0.2 if net.generation < 3 else 1.0 / 6.0, "beta": 0.5}
    if word not in ACTIVATIONS:
        raise net.refuse(
            f"activation {name!r} of a recurrent layer is not supported",
            f"use one of {', '.join(ACTIVATIONS)}",
        )
    return ACTIVATIONS[word]


def _ordered(kind: str, array: Array) -> Array:
    """Gates along the last axis of Keras's array as ONNX has them."""
    if kind != "LSTM":
        return array
    first, forget, cell, output = np.split(array, 4, axis=-1)
    return np.concatenate([first, output, forget, cell], axis=-1)


def _parameters(
    net: OnnxNet, kind: str, config: Mapping[str, Any], weights: Mapping[str, Array]
) -> tuple[list[str], dict[str, Any]]:
    """The names of W, R and B ("" for none), and the node's attributes."""
    for name in ("stateful", "time_major"):
        if config.get(name):
            raise net.refuse(f"{name}=True is not supported", f"save the model with {name}=False")
    kernel, recurrent = (_ordered(kind, weights[k]).T[None] for k in ("kernel", "recurrent_kernel"))
    functions = [config.get("activation", "tanh")]
    if kind != "SimpleRNN":
        functions.insert(0, config.get("recurrent_activation", "sigmoid"))
    if kind == "LSTM":
        functions.append(config.get("activation", "tanh"))
    found = [_activation(net, name) for name in functions]
    attrs: dict[str, Any] = {
        "hidden_size": int(recurrent.shape[-1]),
        "activations": [name for name, _ in found],
    }
    for name in ("alpha", "beta"):
        # Of functions without this constant nothing stands in the list.
        values = [constants[name] for _, constants in found if name in constants]
        attrs.update({f"activation_{name}": values} if values else {})
    names = [net.constant(np.ascontiguousarray(kernel)), net.constant(recurrent.copy())]
    bias = weights.get("bias")
    if kind == "GRU":
        attrs["linear_before_reset"] = int(bool(config.get("reset_after", net.generation >= 3)))
    if bias is None:
        return [*names, ""], attrs
    # A GRU whose gate resets the product has a second bias, which is inside of it.
    pair = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    return [*names, net.constant(_ordered(kind, pair).reshape(1, -1))], attrs


def _ran(
    net: OnnxNet,
    x: Sequence[str],
    layer: Mapping[str, Any],
    weights: Mapping[str, Array],
    turned: bool = False,
) -> list[str]:
    """The output and the last states of a recurrent layer on `x`, its states behind the sequence.

    `turned`: the steps of the output in the other order, which one direction of two needs.
    """
    kind, config = recurrent_kind(layer), layer["config"]
    if layer["class_name"] == "RNN":
        config = {**config["cell"]["config"], **config}
    if net.ranks[x[0]] != 3:
        raise net.refuse(
            f"{kind} of a tensor of rank {net.ranks[x[0]]}", "give it [batch, steps, features]"
        )
    names, attrs = _parameters(net, kind, config, weights)
    axis = net.constant(np.array([0], np.int64))
    states = [net.add("Unsqueeze", [state, axis], 3) for state in x[1:]]
    backwards = bool(config.get("go_backwards"))
    steps = net.add("Transpose", [x[0]], perm=NEW_AXIS_FIRST)
    inputs = [steps, *names, "", *states]
    ranks = [4, 3, 3] if kind == "LSTM" else [4, 3]
    direction = "reverse" if backwards else "forward"
    made = net.several(CELLS[kind], inputs, ranks, direction=direction, **attrs)
    last = [net.add("Squeeze", [name, axis], 2) for name in made[1:]]
    if not config.get("return_sequences"):
        return [last[0], *last]
    one = net.constant(np.array([1], np.int64))
    whole = net.add("Transpose", [net.add("Squeeze", [made[0], one], 3)], perm=NEW_AXIS_FIRST)
    # ONNX has the states in the order of time, Keras in the order in which they were made.
    if backwards != turned:
        ends = [net.constant(np.array([v], np.int64)) for v in (-1, -FURTHEST, 1, -1)]
        whole = net.add("Slice", [whole, *ends])
    return [whole, *last]


def _recurrent(kind: str) -> Any:
    def convert(net: OnnxNet, x: Any, config: Any, weights: Any) -> list[str]:
        layer = {"class_name": kind, "config": config}
        if not recurrent_kind(layer):
            raise net.refuse("an RNN of other cells", f"use {', '.join(CELLS)}")
        made = _ran(net, x, layer, weights)
        return made if config.get("return_state") else made[:1]

    return convert


def _bidirectional(net: OnnxNet, x: Any, config: Any, weights: Any) -> list[str]:
    forward = config["layer"]
    backward = config.get("backward_layer")
    if backward is None:
        other = not forward["config"].get("go_backwards", False)
        backward = {**forward, "config": {**forward["config"], "go_backwards": other}}
    for layer in (forward, backward):
        if not recurrent_kind(layer):
            raise net.refuse(
                f"Bidirectional of {layer['class_name']} is not supported",
                f"use {', '.join(CELLS)} in it",
            )
    half = (len(x) - 1) // 2
    made: list[list[str]] = []
    for layer, states, prefix in (
        (forward, x[1 : 1 + half], "forward/"),
        (backward, x[1 + half :], "backward/"),
    ):
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        made.append(_ran(net, [x[0], *states], layer, own, turned=bool(made)))
    merge = config.get("merge_mode", "concat")
    pair = [made[0][0], made[1][0]]
    if merge == "concat":
        whole = [net.add("Concat", pair, axis=-1)]
    elif merge in MERGES:
        whole = [net.add(MERGES[merge], pair)]
        whole = [net.add("Mul", [*whole, net.operand(0.5)])] if merge == "ave" else whole
    else:
        whole = pair
    states = [*made[0][1:], *made[1][1:]]
    return [*whole, *states] if forward["config"].get("return_state") else whole


RECURRENT_LAYERS = {
    "Bidirectional": _bidirectional,
    **{kind: _recurrent(kind) for kind in (*CELLS, "RNN")},
}
