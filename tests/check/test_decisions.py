"""Near ties: what the last bits of floats decide passes, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.artifact import Artifact
from edgemnv2.check.decisions import decided_by_floats, outputs_of_own_floats
from edgemnv2.check.source import check_source
from edgemnv2.check.verify import verify
from edgemnv2.frontend import load_model
from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.runners import make_runner
from edgemnv2.runners.base import RunResult
from edgemnv2.samples.inputs import SampleChoice, random_set
from edgemnv2.target import load_target
from edgemnv2.tuner.trial import wrong_layers
from tests.pipeline.test_field_detectors import read as detector

CHANNELS, SIZE = 64, 12
ENDS: dict[str, tuple[list[tuple[str, list[str], str, dict[str, Any]]], int]] = {
    "the largest": ([("ArgMax", ["both"], "out", {"axis": 1, "keepdims": 1})], TensorProto.INT64),
    "the first of a row": (
        [("TopK", ["both", "one"], "best", {"axis": 1}), ("Identity", ["at"], "out", {})],
        TensorProto.INT64,
    ),
    "a comparison": (
        [
            ("Greater", ["whole", "halves"], "more", {}),
            ("Cast", ["more"], "out", {"to": TensorProto.INT32}),
        ],
        TensorProto.INT32,
    ),
    "a cast": (
        [
            ("Sub", ["whole", "halves"], "gap", {}),
            ("Mul", ["gap", "million"], "large", {}),
            ("Cast", ["large"], "out", {"to": TensorProto.INT32}),
        ],
        TensorProto.INT32,
    ),
    "a rounding": (
        [
            ("Sub", ["whole", "halves"], "gap", {}),
            ("Mul", ["gap", "million"], "large", {}),
            ("QuantizeLinear", ["large", "step", "zero"], "out", {}),
        ],
        TensorProto.INT8,
    ),
}


def write(end: str, path: Path) -> Graph:
    """One sum of 64 products, and the same sum in two halves: equal but for the last bits."""
    weight = np.random.default_rng(3).normal(size=(1, CHANNELS, 1, 1)).astype(np.float32)
    first, second = weight.copy(), weight.copy()
    first[:, CHANNELS // 2 :], second[:, : CHANNELS // 2] = 0, 0
    constants = {
        "w": weight,
        "first": first,
        "second": second,
        "one": np.array([1], np.int64),
        "million": np.float32(1e6),
        "step": np.float32(1),
        "zero": np.int8(0),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["whole"]),
        helper.make_node("Conv", ["x", "first"], ["half1"]),
        helper.make_node("Conv", ["x", "second"], ["half2"]),
        helper.make_node("Add", ["half1", "half2"], ["halves"]),
        helper.make_node("Concat", ["whole", "halves"], ["both"], axis=1),
    ]
    steps, kind = ENDS[end]
    for op, inputs, output, attributes in steps:
        outputs = [output, "at"] if op == "TopK" else [output]
        nodes.append(helper.make_node(op, inputs, outputs, **attributes))
    shape = [1, CHANNELS, SIZE, SIZE]
    graph = helper.make_graph(
        nodes,
        "near",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", kind, [1, 1, SIZE, SIZE])],
        [numpy_helper.from_array(np.asarray(x), name) for name, x in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return lower(load_model(path))


class Tampered:
    """This machine, and one value of the outputs is another than what was computed."""

    name = "tampered"

    def run(self, artifact: Artifact, inputs: Sequence[Any], **more: Any) -> RunResult:
        found = make_runner("local").run(artifact, inputs, **more)
        results = []
        for result in found.results:
            changed = {name: x.copy() for name, x in result.items()}
            for x in changed.values():
                x.flat[5] = x.flat[5] - 3
            results.append(changed)
        return replace(found, results=tuple(results))


@pytest.mark.parametrize("end", ENDS)
def test_near_ties_pass_and_other_differences_do_not(
    end: str, tmp_path: Path, require_runner: Callable[[str], None]
) -> None:
    require_runner("host")
    graph = write(end, tmp_path / "near.onnx")
    artifact = compile_graph(graph, load_target("host"), tmp_path / "net")
    choice = SampleChoice(random=6, seed=2)
    found = verify(artifact, make_runner("local"), choice, graph)
    assert found.passed
    (output,) = found.outputs
    assert output.near_ties == output.different
    tampered = verify(artifact, Tampered(), choice, graph)  # type: ignore[arg-type]
    assert not tampered.passed


@pytest.mark.parametrize("end", ENDS)
def test_near_ties_pass_against_the_framework(
    end: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    graph = write(end, tmp_path / "near.onnx")
    found = check_source(graph, tmp_path / "near.onnx", random_set(graph, 6, 0).arrays)
    assert found.passed, found
    assert not found.different or found.reason


def test_another_choice_is_a_fault_and_named(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    graph = write("the largest", tmp_path / "near.onnx")
    layers = tuple(replace(x, smallest=True) if isinstance(x, ArgMax) else x for x in graph.layers)
    wrong = replace(graph, layers=layers)
    found = check_source(wrong, tmp_path / "near.onnx", random_set(graph, 2, 0).arrays)
    assert not found.passed and found.layer == graph.layers[-1].name


def shaken(graph: Graph, sample: Any, by: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The reference's tensors, and such as another engine may have: the first sum is higher."""
    values = run(graph, sample)
    scores = next(x.inputs[0] for x in graph.layers if isinstance(x, ArgMax))
    other = values[scores].copy()
    other[..., 0] += np.float32(by)
    return values, {scores: other}


def test_own_floats_within_the_tolerance_decide(tmp_path: Path) -> None:
    graph = write("the largest", tmp_path / "near.onnx")
    (spec,) = graph.output_specs
    sample = random_set(graph, 1, 0).batch(0, 1)
    values, traced = shaken(graph, sample, 1e-5)
    own = outputs_of_own_floats(graph, sample, traced)
    assert own is not None and not own[spec.name].any()
    assert values[graph.outputs[0]].any(), "the reference chooses both"
    _, far = shaken(graph, sample, 1.0)
    assert outputs_of_own_floats(graph, sample, far) is None


def test_a_candidate_of_the_tuner_is_not_blamed_for_a_near_tie(
    tmp_path: Path, require_runner: Callable[[str], None]
) -> None:
    require_runner("host")
    graph = write("the largest", tmp_path / "near.onnx")
    artifact = compile_graph(graph, load_target("host"), tmp_path / "net")
    for seed in range(6):
        sample = random_set(graph, 1, seed).batch(0, 1)
        result = make_runner("local").run(artifact, [sample], trace=True)
        assert not wrong_layers(graph, artifact, result, sample, run(graph, sample))


def test_integers_decide_nothing_anew(tmp_path: Path) -> None:
    assert not decided_by_floats(lower(load_model("mobilenetv2-0.35-32-int8")))
    graph = write("a rounding", tmp_path / "near.onnx")
    assert decided_by_floats(graph) == {graph.outputs[0]}


@pytest.mark.parametrize(("kind", "floats_decide"), [("float", True), ("int8", False)])
def test_the_order_of_boxes_is_decided_by_computed_scores(
    kind: str, floats_decide: bool, tmp_path: Path
) -> None:
    """Of an int8 detector the scores are integers that count for what they stand for."""
    graph = detector(kind, tmp_path)
    assert decided_by_floats(graph).isdisjoint(graph.outputs) != floats_decide
