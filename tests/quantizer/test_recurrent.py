"""Float LSTM, GRU and RNN in int8: what onnxruntime says of the file, and a microcontroller."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.frontend.onnx_recurrent import RECURRENT
from edgemnv2.ops.execute import by_source, run
from edgemnv2.passes import lower
from edgemnv2.quantizer.quantize import Quantized, quantize
from edgemnv2.samples.images import to_source
from edgemnv2.samples.inputs import InputSet, random_set
from tests.frontend.test_onnx_recurrent import file_of
from tests.networks.against import onnxruntime_outputs
from tests.networks.compiled import verified

SLOW = pytest.mark.slow(ci=True)
FORMS = [
    pytest.param(op, direction, marks=() if direction == "forward" else SLOW)
    for op in RECURRENT
    for direction in ("forward", "bidirectional")
]
LEAST_DB = 25.0
"""Of all states beside the float network's."""


@cache
def quantised(op: str, direction: str, folder: Path) -> tuple[Quantized, InputSet]:
    path = folder / f"{op}-{direction}.onnx"
    path.write_bytes(file_of(op, direction))
    graph = lower(load_model(path))
    inputs = random_set(graph, 8, seed=1)
    return quantize(graph, inputs, head="values"), inputs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recurrent")


@pytest.mark.parametrize("op, direction", FORMS)
def test_onnxruntime_says_the_same(
    op: str, direction: str, folder: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    made, inputs = quantised(op, direction, folder)
    assert made.output_snr_db is not None and made.output_snr_db > LEAST_DB
    graph = made.graph
    (given,), (spec,) = graph.input_specs, graph.output_specs
    values = by_source(graph, run(graph, inputs.arrays, keep=False))[spec.name]
    ours = np.asarray(to_source(values, spec))
    samples = [np.asarray(to_source(x[None], given)) for x in inputs.arrays[given.name]]
    theirs = onnxruntime_outputs(made.onnx, samples)[0].reshape(ours.shape)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "op", [pytest.param(x, marks=() if x == "RNN" else SLOW) for x in RECURRENT]
)
def test_on_a_microcontroller(op: str, folder: Path, tmp_path: Path) -> None:
    made, _ = quantised(op, "forward", folder)
    assert verified(made.onnx, ".onnx", "mps2-an386", tmp_path).passed
