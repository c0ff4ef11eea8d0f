"""Keras files of both generations give what Keras's own `predict` gave."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgemnv2.errors import ModelError, UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.frontend.keras import _snake_case
from edgemnv2.frontend.keras_file import VARIABLES
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source
from tests.frontend.tiny_keras import keras_layer, tiny_keras

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "keras"
FILES = sorted([*CASES.glob("*.h5"), *CASES.glob("*.keras")])
TOLERANCE = 1e-4
CANCELLING = "k2_tutorial_sigmoid.h5"
"""Weights up to 8e6 and a bias of 6.7e7 give logits of a few units: float32 keeps multiples of 4 of
such a sum, and which one depends on the order of summation. Only that noise can be compared."""


def _rounding_noise(graph: Graph, values: dict[str, np.ndarray]) -> float:
    """A few units in the last place of the largest partial sum of the classifier."""
    layer = next(x for x in graph.layers if x.name == "classifier")
    assert isinstance(layer, Conv2D)
    parts = np.abs(values[layer.inputs[0]][0, 0, 0] * layer.weight[0, 0, :, 0])
    return 8 * float(np.spacing(np.float32(parts.sum() + abs(float(layer.bias[0])))))


@pytest.mark.skipif(not FILES, reason="the shared Keras files are not on this machine")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_as_keras_writes_them(path: Path) -> None:
    graph = lower(load_model(path))
    stored = np.load(path.with_suffix(".npz"))
    values = run(graph, to_nhwc(stored["x"], graph.input_specs[0]))
    for index, (name, spec) in enumerate(zip(graph.outputs, graph.output_specs, strict=True)):
        expected = stored[f"y{index}"]
        ours = to_source(values[name], spec).reshape(expected.shape)
        if path.name == CANCELLING:
            noise = _rounding_noise(graph, values)
            logits = [np.log(y / (1 - y)) for y in (ours.astype(float), expected.astype(float))]
            assert np.abs(logits[0] - logits[1]).max() <= noise
            continue
        assert np.abs(ours - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_padding_and_strides_are_tensorflows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 3, 2)).astype(np.float32)
    convolution = keras_layer(
        "Conv2D", "c", "x", strides=[2, 2], padding="same", activation="relu", filters=2
    )
    path = tiny_keras(tmp_path / "net.keras", [convolution], {"conv2d": [kernel, np.ones(2)]})
    graph = lower(load_model(path))
    x = random.normal(size=(1, 5, 4, 3)).astype(np.float32)
    out = run(graph, x)[graph.outputs[0]]
    # 5 rows at stride 2 want one row of padding on either side, 4 columns one on the right alone.
    padded = np.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)))
    for row in range(3):
        for column in range(2):
            part = padded[0, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            wanted = np.maximum(np.tensordot(part, kernel, 3) + 1, 0)
            np.testing.assert_allclose(out[0, row, column], wanted, rtol=1e-4, atol=1e-5)


def test_the_output_has_its_layers_name(tmp_path: Path) -> None:
    layers = [keras_layer("ReLU", "clipped", "x", max_value=6.0)]
    path = tiny_keras(tmp_path / "net.keras", layers)
    graph = lower(load_model(path))
    assert [spec.name for spec in graph.input_specs] == ["x"]
    assert [(spec.name, spec.layout) for spec in graph.output_specs] == [("clipped", "NHWC")]


def test_python_code_is_refused_by_the_layers_name(tmp_path: Path) -> None:
    path = tiny_keras(tmp_path / "net.keras", [keras_layer("Lambda", "mine", "x")])
    with pytest.raises(UnsupportedOperator, match=r"net.keras: layer 'mine': Lambda is not"):
        load_model(path)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04" + bytes(90), bytes(4096)])
@pytest.mark.parametrize("suffix", [".h5", ".keras", ".zip"])
def test_a_file_that_is_no_model_is_refused(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"m{suffix}: "):
        load_model(path)


def test_weights_without_a_model_say_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["dense/kernel"] = np.zeros(3)
    with pytest.raises(ModelError, match="weights without a model"):
        load_model(tmp_path / "m.h5")


def test_a_file_without_an_end_is_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "print(flush=True)\nwhile True: pass"
    monkeypatch.setattr("edgemnv2.frontend.keras_file.WALK", endless)
    monkeypatch.setattr("edgemnv2.frontend.keras_file.WALK_SECONDS", 0.2)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
    with pytest.raises(ModelError, match=r"m\.h5: the HDF5 library finds no end in it"):
        load_model(tmp_path / "m.h5")


def test_weights_quantised_by_keras_are_refused(tmp_path: Path) -> None:
    """The kernel is integers there; what is multiplied by its scale was taken without."""
    kernel, scale = np.ones((3, 2), np.int8), np.full(2, 0.1, np.float32)
    policy = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}
    for dtype in (policy, "int8_from_float32"):
        path = tiny_keras(
            tmp_path / "net.keras",
            [keras_layer("Dense", "d", "x", use_bias=False, dtype=dtype)],
            {"dense": [kernel, scale]},
        )
        with pytest.raises(UnsupportedOperator, match=r"net\.keras: layer 'd': quantised by Keras"):
            load_model(path)


@pytest.mark.parametrize("kind", sorted(VARIABLES))
def test_more_variables_than_are_known_are_refused(kind: str, tmp_path: Path) -> None:
    arrays = [np.ones(3, np.float32)] * (len(VARIABLES[kind]) + 1)
    path = tiny_keras(
        tmp_path / "net.keras", [keras_layer(kind, "d", "x")], {_snake_case(kind): arrays}
    )
    known = re.escape(", ".join(VARIABLES[kind]))
    with pytest.raises(UnsupportedOperator, match=f"'d': has {len(arrays)} variables, .* {known};"):
        load_model(path)


def test_doubles_and_integers_are_floats(tmp_path: Path) -> None:
    convolution = keras_layer("DepthwiseConv2D", "c", "x", strides=[1, 1], padding="valid")
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 1))
    weights = {"depthwise_conv2d": [kernel, np.ones(3, np.int64)]}
    path = tiny_keras(tmp_path / "net.keras", [convolution], weights)
    (layer,) = lower(load_model(path)).layers
    assert layer.weight.dtype == layer.bias.dtype == np.float32  # type: ignore[attr-defined]
