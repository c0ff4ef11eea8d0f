"""Self-tests of networks whose answers the last bits of floats decide, and of half precision."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.artifact import Artifact
from edgemnv2.firmware.bundle import bundle
from edgemnv2.firmware.near_ties import near_ties, nudged_runs
from edgemnv2.firmware.selftest import make_selftest
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run as run_reference
from edgemnv2.passes import lower
from edgemnv2.passes.to_float16 import FLOAT16_TOLERANCE
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.samples.inputs import random_set
from tests.firmware.firmware_harness import build_cmake, run, verdict
from tests.firmware.test_linux_bundle import unpack

Need = Callable[[str], str]
CHANNELS, SIDE = 400, 6


def labels_of(folder: Path, gap: float) -> Path:
    """A network that names the larger of two equal sums, added up in two orders, `gap` between."""
    random = np.random.default_rng(5)
    features = random.normal(size=(CHANNELS, 3, 1, 1))
    order = random.permutation(CHANNELS)
    weights = random.normal(size=CHANNELS)
    both = np.zeros((2, 2 * CHANNELS, 1, 1))
    both[0, :CHANNELS, 0, 0], both[1, CHANNELS:, 0, 0] = weights, weights[order]
    arrays = {
        "features": np.concatenate([features, features[order]]),
        "both": both,
        "bias": np.array([0.0, gap]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "features"], ["f"]),
        helper.make_node("Relu", ["f"], ["r"]),
        helper.make_node("Conv", ["r", "both", "bias"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["labels"], axis=1, keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "ties",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("labels", TensorProto.INT64, [1, 1, SIDE, SIDE])],
        [numpy_helper.from_array(x.astype(np.float32), name) for name, x in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = folder / "ties.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(("gap", "ties"), [(0.0, True), (50.0, False)])
def test_pixels_whose_scores_are_equal_are_near_ties(
    gap: float, ties: bool, tmp_path: Path
) -> None:
    graph = lower(load_model(labels_of(tmp_path, gap)))
    sample = random_set(graph, 1, seed=2).batch(0, 1)
    found = run_reference(graph, sample, keep=False)
    (name,) = graph.outputs
    runs = nudged_runs(graph, sample, None)
    count = near_ties(graph, found, {name: 0.0}, runs)[name]
    assert count > SIDE * SIDE / 2 if ties else count == 0


def test_a_near_tie_is_no_failure(tmp_path: Path, require_tool: Need) -> None:
    for tool in ("cmake", "gcc"):
        require_tool(tool)
    artifact = compile_model(labels_of(tmp_path, 0.0), "host", tmp_path / "net", CompileOptions())
    folder = tmp_path / "bundle"
    bundle(artifact, "cmake", folder)
    assert verdict(run([build_cmake(folder)], folder)) == "PASS"
    # More than what may be near ties is one.
    ties = make_selftest(artifact).near_ties["output"]
    assert 0 < ties < SIDE * SIDE
    data = folder / f"selftest/{artifact.name}_selftest_data.c"
    head, rest = data.read_text().split("expected_output[] ALIGNED = {", 1)
    values, tail = rest.split("}", 1)
    data.write_text(f"{head}expected_output[] ALIGNED = {{{re.sub('[01]', '7', values)}}}{tail}")
    program = build_cmake(folder)
    said = verdict(run(["sh", "-c", f"{program} || true"], folder))
    assert said.startswith("FAIL, first at index 0: expected 7, got ")
    assert said.endswith("(36 of 36 differ)")


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("half")
    options = CompileOptions(dtype="float16", threads=1)
    return compile_model("digits", "rpi5", folder / "net", options)


def test_half_precision_is_held_to_what_is_stated_of_it(half: Artifact) -> None:
    test = make_selftest(half)
    (expected,) = test.expected.values()
    (tolerance,) = test.tolerances.values()
    assert tolerance == FLOAT16_TOLERANCE * np.abs(expected).max()


def test_the_self_test_of_half_precision_passes(
    half: Artifact, tmp_path: Path, require_tool: Need
) -> None:
    require_tool("qemu-aarch64")
    inside = unpack(half, tmp_path)
    assert verdict(run(["./selftest.sh"], inside, RUN="qemu-aarch64")) == "PASS"
