"""A file that gives a tensor another shape than its operator makes: a clear error."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.check.source import check_source
from edgemnv2.check.verify import verify
from edgemnv2.errors import InputError, ModelError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from edgemnv2.samples.inputs import SampleChoice, random_set
from tests.networks.onnx_net import one_operator
from tests.networks.random_tflite import random_network
from tests.networks.tflite_net import TfliteNet

NETWORKS = 150


def _with_a_wrong_shape(seed: int, constant: bool, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A random network, of which one tensor has one extent more or less than it should."""
    random = np.random.default_rng(seed)
    build = TfliteNet.build

    def change(net: TfliteNet, inputs: list[int], outputs: list[int]) -> bytes:
        chosen = [
            x
            for i, x in enumerate(net.tensors)
            if (x.data is not None) == constant and x.shape and i not in inputs
        ]
        if chosen:
            tensor = chosen[int(random.integers(len(chosen)))]
            axis = int(random.integers(len(tensor.shape)))
            other = max(1, tensor.shape[axis] + int(random.choice([-1, 1, 3])))
            tensor.shape = (*tensor.shape[:axis], other, *tensor.shape[axis + 1 :])
            if constant:
                tensor.data = np.resize(tensor.data, tensor.shape)
        return build(net, inputs, outputs)

    with monkeypatch.context() as patch:
        patch.setattr(TfliteNet, "build", change)
        return random_network(seed).blob


@pytest.mark.parametrize("constant", [False, True])
def test_wrong_shapes_are_told(
    constant: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, refused = tmp_path / "net.tflite", 0
    for seed in range(NETWORKS):
        path.write_bytes(_with_a_wrong_shape(seed, constant, monkeypatch))
        try:
            lower(load_model(path))
        except ModelError as error:
            assert str(error).startswith("net.tflite: ")
            refused += 1
    # Shapes that follow from the operators are computed, as an interpreter does.
    assert refused > (NETWORKS / 4 if constant else NETWORKS / 15)


def test_stale_shapes_do_not_matter_where_an_interpreter_computes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    path, right = tmp_path / "net.tflite", 0
    for seed in range(NETWORKS):
        path.write_bytes(_with_a_wrong_shape(seed, False, monkeypatch))
        try:
            graph = lower(load_model(path))
            samples = random_set(graph, 1, 0).arrays
            found = check_source(graph, path, samples)
        except (ModelError, InputError):
            # Refused by us, or by LiteRT, which keeps the shape of a slice by constants.
            continue
        theirs = _output_elements(path)
        ours = sum(prod(graph.tensors[name].shape) for name in graph.outputs)
        # LiteRT keeps what the file states of a sum of integers, too.
        if theirs == ours:
            assert found.passed, (seed, found)
            right += 1
    assert right > NETWORKS / 2


def _output_elements(path: Path) -> int:
    """How many numbers LiteRT says that the network gives."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    return sum(prod(map(int, x["shape"])) for x in interpreter.get_output_details())


@pytest.mark.parametrize("what", ["strides", "dilations", "pads"])
def test_a_reach_beyond_any_map_is_told(what: str, tmp_path: Path) -> None:
    huge = {"strides": [1, 1 << 20], "dilations": [1 << 16, 1], "pads": [1 << 16, 0, 1 << 16, 0]}
    path = tmp_path / "net.onnx"
    weight = np.ones((2, 3, 3, 3), np.float32)
    more = {"pads": [1 << 16, 0, 1 << 16, 0]} if what == "dilations" else {}
    attributes = {**more, what: huge[what]}
    path.write_bytes(one_operator("Conv", (1, 3, 8, 8), {"w": weight}, **attributes))
    with pytest.raises(ModelError, match=r"at most 4096 each"):
        lower(load_model(path))


@pytest.mark.parametrize("operator", ["Conv", "AveragePool"])
def test_windows_that_all_miss_the_rows_are_told(operator: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    # Rows -11 to -9, -3 to -1 and 5 to 7 of 4.
    window = {"kernel_shape": [3, 3], "strides": [8, 1], "pads": [11, 1, 12, 1]}
    weights = {"w": np.ones((2, 3, 3, 3), np.float32)} if operator == "Conv" else {}
    path.write_bytes(one_operator(operator, (1, 3, 4, 8), weights, **window))
    with pytest.raises(ModelError, match=r"net\.onnx: .* (outside the map of 4 rows|pads)"):
        compile_model(path, "host", tmp_path / "net")


def test_windows_that_miss_columns_see_what_is_laid_round(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(2, 3, 3, 3)).astype(np.float32)
    window = {"kernel_shape": [3, 3], "strides": [1, 8], "pads": [1, 11, 1, 12]}
    blob = one_operator("Conv", (1, 3, 8, 4), {"w": weight}, **window)
    path = tmp_path / "net.onnx"
    path.write_bytes(blob)
    artifact = compile_model(path, "host", tmp_path / "net")
    assert verify(artifact, runner_for(artifact), SampleChoice(random=1)).passed
