"""ONNX LSTM, GRU and RNN beside onnxruntime's: every form that the standard has and we take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.frontend.onnx_recurrent import RECURRENT
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_model
from edgemnv2.samples.images import to_nhwc, to_source
from tests.networks.against import onnxruntime_outputs, random_samples
from tests.networks.compiled import verified

STEPS, FEATURES, HIDDEN = 4, 6, 5
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


@pytest.fixture(autouse=True)
def _onnxruntime(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")


def file_of(
    op: str,
    direction: str = "forward",
    output: int = 0,
    states: str = "none",
    batch: int = 1,
    bias: bool = True,
    opset: int = 17,
    steps: int = STEPS,
    lengths: Any = None,
    **attributes: Any,
) -> bytes:
    """x `[steps, batch, features]` -> `output` (0 all states, 1 the last one, 2 its cell)."""
    random, count, gates = np.random.default_rng(3), DIRECTIONS[direction], RECURRENT[op]
    constants = {
        "w": random.normal(size=(count, gates * HIDDEN, FEATURES)) * 0.5,
        "r": random.normal(size=(count, gates * HIDDEN, HIDDEN)) * 0.5,
        "b": random.normal(size=(count, 2 * gates * HIDDEN)) * 0.5,
        "h": random.normal(size=(count, batch, HIDDEN)),
        "c": random.normal(size=(count, batch, HIDDEN)),
    }
    if states == "zeros":
        constants["h"], constants["c"] = np.zeros((2, count, batch, HIDDEN))
    given = states != "none"
    inputs = ["x", "w", "r", "b" if bias else "", "" if lengths is None else "n"]
    inputs += ["h" if given else "", *(["c" if given else ""] if op == "LSTM" else [])]
    arrays = [numpy_helper.from_array(np.float32(v), k) for k, v in constants.items()]
    if lengths is not None:
        arrays.append(numpy_helper.from_array(np.array(lengths, np.int32), "n"))
    outputs = [*[""] * output, "y"]
    node = helper.make_node(
        op, inputs, outputs, hidden_size=HIDDEN, direction=direction, **attributes
    )
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, (steps, batch, FEATURES)),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], arrays)
    imports = [helper.make_opsetid("", opset)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())


def assert_close(blob: bytes, folder: Path, batch: int = 1) -> None:
    samples = random_samples((STEPS, batch, FEATURES), "float32", 2, 0)
    path = folder / "net.onnx"
    path.write_bytes(blob)
    graph = lower(load_model(path))
    made = run(graph, to_nhwc(np.stack(samples), graph.input_specs[0]))[graph.outputs[0]]
    ours = np.asarray(to_source(made, graph.output_specs[0]))
    theirs = onnxruntime_outputs(blob, samples)[0].reshape(ours.shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("states", ["none", "zeros", "given"])
@pytest.mark.parametrize("direction", list(DIRECTIONS))
@pytest.mark.parametrize("op", list(RECURRENT))
def test_every_output_is_onnxruntimes(op: str, direction: str, states: str, tmp_path: Path) -> None:
    for output in range(3 if op == "LSTM" else 2):
        assert_close(file_of(op, direction, output, states), tmp_path)


@pytest.mark.parametrize("op", list(RECURRENT))
def test_without_biases_in_an_older_opset(op: str, tmp_path: Path) -> None:
    assert_close(file_of(op, "bidirectional", bias=False, opset=9), tmp_path)


@pytest.mark.parametrize("op", list(RECURRENT))
def test_several_sequences_beside_one_another(op: str, tmp_path: Path) -> None:
    assert_close(file_of(op, "bidirectional", states="given", batch=3), tmp_path, 3)


@pytest.mark.parametrize("direction", list(DIRECTIONS))
def test_a_gate_that_scales_the_product(direction: str, tmp_path: Path) -> None:
    """PyTorch's and Keras' GRU: the reset gate is behind the recurrent product."""
    for states in ("none", "given"):
        assert_close(file_of("GRU", direction, 0, states, linear_before_reset=1), tmp_path)
    assert_close(file_of("GRU", direction, 0, "given", bias=False, linear_before_reset=1), tmp_path)


@pytest.mark.parametrize(
    "op, names",
    [
        ("LSTM", ("HardSigmoid", "Relu", "Softsign")),
        ("GRU", ("sigmoid", "RELU")),
        ("RNN", ("Relu",)),
        ("LSTM", ("Sigmoid", "Elu", "LeakyRelu")),
    ],
)
def test_other_activations(op: str, names: tuple[str, ...], tmp_path: Path) -> None:
    assert_close(file_of(op, activations=list(names)), tmp_path)


def test_constants_of_activations(tmp_path: Path) -> None:
    """The lists hold constants of those functions alone that have one."""
    forms: list[tuple[str, list[str], list[float], list[float]]] = [
        ("LSTM", ["Sigmoid", "Elu", "HardSigmoid"], [0.7, 0.3], [0.4]),
        ("LSTM", ["HardSigmoid", "Tanh", "Affine"], [0.3, 0.8], [0.4, 0.1]),
        ("GRU", ["HardSigmoid", "LeakyRelu"], [0.25], []),
        ("RNN", ["Affine"], [0.5], [0.25]),
    ]
    for op, names, alphas, betas in forms:
        constants = {"activation_alpha": alphas, **({"activation_beta": betas} if betas else {})}
        assert_close(file_of(op, activations=names, **constants), tmp_path)


def test_whole_lengths_are_no_obstacle(tmp_path: Path) -> None:
    assert_close(file_of("LSTM", lengths=[STEPS]), tmp_path)


@pytest.mark.parametrize(
    "form, message",
    [
        ({"lengths": [STEPS - 1]}, "sequences that end early"),
        ({"clip": 1.0}, "clip"),
        ({"activations": ["Sigmoid", "ScaledTanh", "Tanh"]}, "activation ScaledTanh"),
        ({"activations": ["Affine", "Tanh", "Tanh"]}, "activation Affine without its alpha"),
        ({"input_forget": 1}, "coupled gates"),
        ({"layout": 1}, "the batch in front"),
        ({"steps": 300}, "300 steps.*1 to 128"),
    ],
)
def test_other_forms_are_refused_by_name(form: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(file_of("LSTM", **form))
    with pytest.raises(UnsupportedOperator, match=f"LSTM with {message}"):
        load_model(path)


@pytest.mark.parametrize("target", ["host", pytest.param("rpi4", marks=pytest.mark.slow(ci=True))])
@pytest.mark.parametrize("op", list(RECURRENT))
def test_compiled(op: str, target: str, tmp_path: Path) -> None:
    assert verified(file_of(op, "bidirectional"), ".onnx", target, tmp_path).passed


def test_weights_are_there_once(tmp_path: Path) -> None:
    """Not once for each step."""
    sizes = []
    for steps in (2, 6):
        path = tmp_path / f"{steps}.onnx"
        path.write_bytes(file_of("LSTM", steps=steps))
        manifest = compile_model(path, "host", tmp_path / f"a{steps}").manifest
        sizes.append(manifest.constants_bytes)
    assert sizes[1] <= sizes[0] + 64
