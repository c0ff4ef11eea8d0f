"""Keras's recurrent layers, attention, and layers on each step compute what Keras says, in NumPy.

The equations here were compared with files and outputs of Keras 3.15 when they were written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source
from tests.frontend.tiny_keras import SHAPE, called, keras_layer, tiny_keras
from tests.networks.compiled import verified

Array = Any
STEPS, FEATURES, UNITS = 5, 12, 4
RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(1, *SHAPE)).astype(np.float32)
GATES = {"GRU": 3, "LSTM": 4, "SimpleRNN": 1}
TOLERANCE = 1e-5


def _weights(kind: str, bias: bool = True, second: bool = False) -> list[Array]:
    width = GATES[kind] * UNITS
    shapes = [(FEATURES, width), (UNITS, width)]
    if bias:
        shapes.append((2, width) if second else (width,))
    return [(RANDOM.normal(size=shape) * 0.5).astype(np.float32) for shape in shapes]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _states(kind: str, x: Array, weights: list[Array], act: Any = np.tanh) -> list[list[Array]]:
    """Output and cell after each step of `[steps, features]`, in the order in which they ran."""
    kernel, recurrent, *bias = weights
    first, second = (
        bias[0] if bias and bias[0].ndim == 2 else (bias[0] if bias else np.float32(0), 0.0)
    )
    h, c, found = np.zeros(UNITS, np.float32), np.zeros(UNITS, np.float32), []
    for row in x:
        mine, theirs = row @ kernel + first, h @ recurrent
        if kind == "SimpleRNN":
            h = act(mine + theirs)
        elif kind == "LSTM":
            i, f, new, o = np.split(mine + theirs, 4)
            c = _sigmoid(f) * c + _sigmoid(i) * act(new)
            h = _sigmoid(o) * act(c)
        else:
            update, reset, new = np.split(mine, 3)
            a, b, last = np.split(theirs + second, 3)
            update, reset = _sigmoid(update + a), _sigmoid(reset + b)
            if bias and bias[0].ndim == 2:
                new = act(new + reset * last)
            else:
                new = act(new + (reset * h) @ recurrent[:, 2 * UNITS :])
            h = update * h + (1 - update) * new
        found.append([h, c])
    return found


def _sequence(kind: str, x: Array, weights: list[Array], backwards: bool) -> Array:
    """The states in the order in which they were made."""
    return np.stack([h for h, _ in _states(kind, x[::-1] if backwards else x, weights)])


def _sequence_layer() -> dict[str, Any]:
    return keras_layer("Reshape", "sequence", "x", "keras.layers", target_shape=[STEPS, FEATURES])


ROWS = X.reshape(STEPS, FEATURES)


def _config(kind: str, **more: Any) -> dict[str, Any]:
    gates = {} if kind == "SimpleRNN" else {"recurrent_activation": "sigmoid"}
    return {"units": UNITS, "activation": "tanh", **gates, **more}


def _computed(path: Path) -> list[Array]:
    graph = lower(load_model(path))
    values = run(graph, to_nhwc(X, graph.input_specs[0]))
    ends = zip(graph.outputs, graph.output_specs, strict=True)
    return [np.asarray(to_source(values[name], spec)).reshape(spec.shape) for name, spec in ends]


def _alike(ours: Array, wanted: Array) -> None:
    np.testing.assert_allclose(ours.reshape(wanted.shape), wanted, rtol=TOLERANCE, atol=TOLERANCE)


def _file(folder: Path, kind: str, weights: list[Array], **config: Any) -> Path:
    layers = [_sequence_layer(), keras_layer(kind, "r", "sequence", **_config(kind, **config))]
    stored = {"GRU": "gru", "LSTM": "lstm", "SimpleRNN": "simple_rnn"}[kind]
    return tiny_keras(folder / "net.keras", layers, {f"{stored}/cell": weights})


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", list(GATES))
def test_each_layer_in_each_order(kind: str, whole: bool, backwards: bool, tmp_path: Path) -> None:
    for bias in (False, True):
        weights = _weights(kind, bias)
        path = _file(
            tmp_path, kind, weights, return_sequences=whole, go_backwards=backwards,
            reset_after=False,
        )  # fmt: skip
        wanted = _sequence(kind, ROWS, weights, backwards)
        _alike(_computed(path)[0], wanted if whole else wanted[-1])


def test_a_gru_that_resets_the_product(tmp_path: Path) -> None:
    weights = _weights("GRU", second=True)
    path = _file(tmp_path, "GRU", weights, reset_after=True)
    _alike(_computed(path)[0], _sequence("GRU", ROWS, weights, backwards=False)[-1])


ACTIVATIONS: dict[str, Any] = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
}


@pytest.mark.parametrize("name", list(ACTIVATIONS))
@pytest.mark.parametrize("kind", list(GATES))
def test_other_activations(kind: str, name: str, tmp_path: Path) -> None:
    weights = [w * np.float32(0.3) for w in _weights(kind)]
    path = _file(tmp_path, kind, weights, activation=name, reset_after=False)
    _alike(_computed(path)[0], _states(kind, ROWS, weights, ACTIVATIONS[name])[-1][0])


MERGES: dict[str | None, Any] = {
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "mul": lambda a, b: a * b,
    "sum": lambda a, b: a + b,
}


@pytest.mark.parametrize("form", ["keras", "h5", "h5 of Keras 2"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("merge", list(MERGES))
def test_both_directions(merge: str, whole: bool, form: str, tmp_path: Path) -> None:
    ways = [_weights("LSTM"), _weights("LSTM")]
    inner = {"class_name": "LSTM", "config": {"name": "lstm", **_config("LSTM")}}
    inner["config"]["return_sequences"] = whole
    layers = [
        _sequence_layer(),
        keras_layer("Bidirectional", "b", "sequence", layer=inner, merge_mode=merge),
    ]
    weights = {
        f"bidirectional/{way}_layer/cell": values
        for way, values in zip(("forward", "backward"), ways, strict=True)
    }
    path = tiny_keras(tmp_path / "net.keras", layers, weights)
    if form != "keras":
        end = ":0" if "2" in form else ""
        names = {
            f"b/{way}_lstm/lstm_cell/{variable}{end}": array
            for way, values in zip(("forward", "backward"), ways, strict=True)
            for variable, array in zip(("kernel", "recurrent_kernel", "bias"), values, strict=True)
        }
        path = _h5(tmp_path / "net.h5", layers, "b", names)
    ahead = _sequence("LSTM", ROWS, ways[0], backwards=False)
    back = _sequence("LSTM", ROWS, ways[1], backwards=True)
    wanted = MERGES[merge](ahead, back[::-1]) if whole else MERGES[merge](ahead[-1], back[-1])
    _alike(_computed(path)[0], wanted)


def _h5(path: Path, layers: list[Any], layer: str, weights: dict[str, Array]) -> Path:
    image = keras_layer("InputLayer", "x", None, batch_shape=[None, *SHAPE], dtype="float32")
    config = {
        "layers": [image, *layers],
        "input_layers": ["x", 0, 0],
        "output_layers": [layers[-1]["config"]["name"], 0, 0],
    }
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
        file.attrs["keras_version"] = "3.9.0"
        group = file.create_group(f"model_weights/{layer}")
        group.attrs["weight_names"] = [name.encode() for name in weights]
        for name, array in weights.items():
            group[name] = array
    return path


def test_states_go_out_and_in(tmp_path: Path) -> None:
    """The last states of one layer in front of the first step of the next call of it."""
    weights = _weights("LSTM")
    state = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": ["r", 0, i]}} for i in (1, 2)
    ]
    layer = keras_layer("LSTM", "r", "sequence", **_config("LSTM", return_state=True))
    layer["inbound_nodes"].append(called("sequence", initial_state=state))
    second = {"class_name": "__keras_tensor__", "config": {"keras_history": ["r", 1, 0]}}
    last = keras_layer("Activation", "a", {"args": [second], "kwargs": {}}, activation="linear")
    path = tiny_keras(
        tmp_path / "net.keras", [_sequence_layer(), layer, last], {"lstm/cell": weights}
    )
    twice = np.concatenate([ROWS, ROWS])
    _alike(_computed(path)[0], _sequence("LSTM", twice, weights, backwards=False)[-1])


def test_layers_on_each_step(tmp_path: Path) -> None:
    kernel = RANDOM.normal(size=(FEATURES, 3)).astype(np.float32)
    inner = {"class_name": "Dense", "config": {"name": "d", "activation": "relu"}}
    flat = {"class_name": "Flatten", "config": {"name": "f"}}
    layers = [
        keras_layer("TimeDistributed", "t", "x", layer=flat),
        keras_layer("TimeDistributed", "d", "t", layer=inner),
    ]
    path = tiny_keras(tmp_path / "net.keras", layers, {"time_distributed_1/layer": [kernel]})
    _alike(_computed(path)[0], np.maximum(ROWS @ kernel, 0))


def test_attention_of_several_heads(tmp_path: Path) -> None:
    heads, size = 2, 3
    weights: dict[str, list[Array]] = {}
    for name in ("query", "key", "value"):
        shapes = [(FEATURES, heads, size), (heads, size)]
        weights[f"{name}_dense"] = [RANDOM.normal(size=s).astype(np.float32) for s in shapes]
    shapes = [(heads, size, FEATURES), (FEATURES,)]
    weights["output_dense"] = [RANDOM.normal(size=s).astype(np.float32) for s in shapes]
    layers = [
        _sequence_layer(),
        keras_layer(
            "MultiHeadAttention", "m", called("sequence", "sequence"), num_heads=heads, key_dim=size
        ),
    ]
    stored = {f"multi_head_attention/{k}": v for k, v in weights.items()}
    path = tiny_keras(tmp_path / "net.keras", layers, stored)
    q, k, v = (
        np.einsum("sf,fhd->hsd", ROWS, weights[f"{n}_dense"][0]) + weights[f"{n}_dense"][1][:, None]
        for n in ("query", "key", "value")
    )
    powers = np.exp(np.einsum("hsd,htd->hst", q, k) / np.sqrt(size))
    mixed = np.einsum("hst,htd->shd", powers / powers.sum(-1, keepdims=True), v)
    kernel, bias = weights["output_dense"]
    _alike(_computed(path)[0], np.einsum("shd,hdf->sf", mixed, kernel) + bias)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"stateful": True}, "stateful=True"),
        ({"activation": "mish"}, "activation 'mish' of a recurrent layer"),
    ],
)
def test_other_forms_are_refused_by_name(config: Any, message: str, tmp_path: Path) -> None:
    path = _file(tmp_path, "LSTM", _weights("LSTM"), **config)
    with pytest.raises(UnsupportedOperator, match=message):
        load_model(path)


def test_batches_own_means_are_refused(tmp_path: Path) -> None:
    call = called("x", training=True)
    ones = [np.ones(3, np.float32)] * 4
    layers = [keras_layer("BatchNormalization", "b", call)]
    path = tiny_keras(tmp_path / "net.keras", layers, {"batch_normalization": ones})
    with pytest.raises(UnsupportedOperator, match="training=True"):
        load_model(path)


@pytest.mark.parametrize("word", ["mask", "return_attention_scores", "use_causal_mask"])
def test_keywords_that_change_a_layer_are_refused(word: str, tmp_path: Path) -> None:
    """They were not looked at: a causal attention was computed as one that sees all."""
    call = called(["sequence", "sequence"], **{word: True})
    layers = [_sequence_layer(), keras_layer("Attention", "a", call)]
    path = tiny_keras(tmp_path / "net.keras", layers)
    with pytest.raises(UnsupportedOperator, match=f"called with {word}"):
        load_model(path)


@pytest.mark.parametrize("target", ["host", pytest.param("rpi4", marks=pytest.mark.slow(ci=True))])
@pytest.mark.parametrize(
    "kind", [k if k == "LSTM" else pytest.param(k, marks=pytest.mark.slow(ci=True)) for k in GATES]
)
def test_compiled(kind: str, target: str, tmp_path: Path) -> None:
    path = _file(tmp_path, kind, _weights(kind), reset_after=False)
    assert verified(path.read_bytes(), ".keras", target, tmp_path).passed
