"""TFLite's fused LSTM beside LiteRT's: every form that the operator has and we take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.frontend.tflite_recurrent import LSTM
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_nhwc, to_source
from tests.networks.against import litert, random_samples, reference
from tests.networks.compiled import verified
from tests.networks.tflite_net import TfliteNet

STEPS, FEATURES, HIDDEN = 4, 6, 5
INPUTS = 24


def file_of(
    time_major: bool = False,
    batch: int = 1,
    steps: int = STEPS,
    weights: str = "float32",
    fused: str = "TANH",
    without: tuple[int, ...] = (),
    extra: tuple[int, ...] = (),
    dtype: str = "float32",
    **options: Any,
) -> bytes:
    """x -> all states; `without` and `extra` are places of operands left out and given."""
    random, net = np.random.default_rng(3), TfliteNet()

    def constant(*shape: int) -> int:
        values = (random.normal(size=shape) * 0.5).astype(np.float32)
        # "mixed": integers for what is multiplied by the input, by the first gate alone.
        whole = weights == "float32" or (weights == "mixed" and len(net.tensors) > 1)
        if whole or len(shape) == 1:
            return net.constant(values)
        scale = float(np.abs(values).max()) / 127
        return net.constant(np.rint(values / scale).astype(np.int8), scale=scale)

    quantisation = {} if dtype == "float32" else {"scale": 0.05, "zero_point": 3}
    order = (steps, batch) if time_major else (batch, steps)
    x = net.tensor((*order, FEATURES), dtype, **quantisation)
    operands = [x, *[-1] * (INPUTS - 1)]
    for gate in range(4):
        operands[1 + gate] = constant(HIDDEN, FEATURES)
        operands[5 + gate] = constant(HIDDEN, HIDDEN)
        operands[12 + gate] = constant(HIDDEN)
    for place in (18, 19):
        operands[place] = net.tensor((batch, HIDDEN), variable=True)
    for place in (*without, *extra):
        operands[place] = -1 if place in without else constant(HIDDEN)
    y = net.tensor((*order, HIDDEN), dtype, **quantisation)
    fields = {
        "fused_activation_function": getattr(tflite.ActivationFunctionType, fused),
        "time_major": time_major,
        **options,
    }
    net.add(LSTM, operands, [y], "UnidirectionalSequenceLSTMOptions", **fields)
    return net.build([x], [y])


@pytest.mark.parametrize("clip", [0.0, 0.25, 2.5, 10.0])
@pytest.mark.parametrize("fused", ["TANH", "RELU", "RELU6"])
@pytest.mark.parametrize("time_major, batch", [(False, 1), (True, 1), (True, 3)])
@pytest.mark.parametrize("steps", [1, STEPS])
def test_every_state_is_litert_s(
    fused: str,
    time_major: bool,
    batch: int,
    steps: int,
    clip: float,
    tmp_path: Path,
    require_module: Callable[[str], None],
) -> None:
    require_module("ai_edge_litert")
    blob = file_of(time_major, batch, steps, fused=fused, cell_clip=clip)
    shape = (steps, batch, FEATURES) if time_major else (batch, steps, FEATURES)
    samples = random_samples(shape, "float32", 3, 0)
    (theirs,) = litert(blob, samples)
    path = tmp_path / "net.tflite"
    path.write_bytes(blob)
    graph = lower(load_model(path))
    made = run(graph, to_nhwc(np.stack(samples), graph.input_specs[0]))[graph.outputs[0]]
    ours = np.asarray(to_source(made, graph.output_specs[0]))
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-5, atol=1e-6)


def test_weights_of_integers(tmp_path: Path) -> None:
    """Dynamic range: real numbers here, while TFLite quantises what they are multiplied by."""
    samples = random_samples((1, STEPS, FEATURES), "float32", 3, 0)
    _, whole = reference(file_of(), ".tflite", samples, tmp_path)
    _, ours = reference(file_of(weights="int8"), ".tflite", samples, tmp_path)
    assert 0 < np.abs(whole - ours).max() < 0.05


@pytest.mark.parametrize(
    "form, message",
    [
        ({"dtype": "int8"}, "integer activations"),
        ({"weights": "mixed"}, "weights of two types"),
        ({"without": (1, 5, 12)}, "coupled gates"),
        ({"extra": (10,)}, "peepholes"),
        ({"extra": (17,)}, "a projection"),
        ({"extra": (21,)}, "normalised gates"),
        ({"fused": "SIGN_BIT"}, "activation SIGN_BIT"),
        ({"diagonal_recurrent_tensors": True}, "diagonal recurrent weights"),
        ({"steps": 300}, "300 steps.*1 to 128"),
        ({"batch": 2}, "2 sequences"),
    ],
)
def test_other_forms_are_refused_by_name(form: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(file_of(**form))
    with pytest.raises(UnsupportedOperator, match=f"{LSTM} with {message}"):
        load_model(path)


@pytest.mark.parametrize("target", ["host", pytest.param("rpi4", marks=pytest.mark.slow(ci=True))])
def test_compiled(target: str, tmp_path: Path) -> None:
    assert verified(file_of(), ".tflite", target, tmp_path).passed
