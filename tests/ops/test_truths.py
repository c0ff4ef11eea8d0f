"""What is no number, what is infinite, which class: ONNX IsNaN, IsInf, OneHot, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from tests.networks.against import onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator

SIGNS = ({}, {"detect_positive": 0}, {"detect_negative": 0})
FORMS: list[tuple[str, dict[str, int]]] = [("IsNaN", {}), *(("IsInf", x) for x in SIGNS)]
EDGES = (np.nan, np.inf, 0.0, 1e-45, 1.5, 3.4028235e38)


def edges() -> Any:
    flat = np.float32([*EDGES, *(-x for x in EDGES)])
    return flat.reshape(1, 1, 3, 4)


def asking(operator: str, attributes: dict[str, int], form: str) -> bytes:
    """x -> truths -> floats; or, as `nan_to_num` has it, a choice by them."""
    shape = edges().shape
    nodes = [helper.make_node(operator, ["x"], ["t"], **attributes)]
    if form == "floats":
        nodes.append(helper.make_node("Cast", ["t"], ["y"], to=TensorProto.FLOAT))
    else:
        nodes.append(helper.make_node("Where", ["t", "instead", "x"], ["y"]))
    ends = [helper.make_tensor_value_info(x, TensorProto.FLOAT, shape) for x in ("x", "y")]
    instead = [numpy_helper.from_array(np.float32(7), "instead")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], instead)
    imports = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())


@pytest.mark.parametrize("form", ["floats", "choice"])
@pytest.mark.parametrize("operator, attributes", FORMS)
def test_truths_are_onnxruntimes(
    operator: str, attributes: dict[str, int], form: str, tmp_path: Path
) -> None:
    blob = asking(operator, attributes, form)
    _, ours = reference(blob, ".onnx", [edges()], tmp_path)
    np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, [edges()])[0].reshape(ours.shape))


@pytest.mark.parametrize("target", PLACES)
def test_compiled_truths_are_onnxruntimes(target: str, tmp_path: Path) -> None:
    for number, (operator, attributes) in enumerate(FORMS):
        blob = asking(operator, attributes, "choice")
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(blob)
        artifact = compile_model(path, target, tmp_path / f"{number}")
        x = edges().reshape(artifact.inputs[0].shape)
        made = next(iter(runner_for(artifact).run(artifact, [x]).results[0].values()))
        theirs = onnxruntime_outputs(blob, [edges()])[0].reshape(made.shape)
        np.testing.assert_array_equal(made, theirs)


def test_neither_infinity_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(asking("IsInf", {"detect_positive": 0, "detect_negative": 0}, "floats"))
    with pytest.raises(UnsupportedOperator, match="detect_positive=0 and detect_negative=0"):
        load_model(path)


def classes(axis: int, kind: str, values: Any, negative: bool) -> bytes:
    """The class of each place, or (below zero) counted from the end, as one value of five on."""
    nodes = [helper.make_node("ArgMax", ["x"], ["a"], axis=1, keepdims=0)]
    if negative:
        nodes.append(helper.make_node("Sub", ["a", "depth"], ["b"]))
    last = nodes[-1].output[0]
    nodes.append(helper.make_node("OneHot", [last, "depth", "values"], ["y"], axis=axis))
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 5, 4, 3)),
        helper.make_tensor_value_info("y", getattr(TensorProto, kind), None),
    ]
    constants = [
        numpy_helper.from_array(np.array(5, np.int64), "depth"),
        numpy_helper.from_array(np.asarray(values), "values"),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    imports = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
@pytest.mark.parametrize(
    "kind, values", [("FLOAT", np.float32([-0.5, 2])), ("INT64", np.array([0, 1]))]
)
def test_one_hot_is_onnxruntimes(
    kind: str, values: Any, axis: int, negative: bool, tmp_path: Path
) -> None:
    blob = classes(axis, kind, values, negative)
    samples = random_samples((1, 5, 4, 3), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, samples)[0].reshape(ours.shape))


@pytest.mark.parametrize("target", PLACES)
def test_one_hot_compiles(target: str, tmp_path: Path) -> None:
    blob = classes(-1, "FLOAT", np.float32([0, 1]), negative=False)
    assert verified(blob, ".onnx", target, tmp_path).passed


def test_a_computed_depth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    values = {"values": np.float32([0, 1])}
    path.write_bytes(one_operator("OneHot", (1,), values, inputs=("x", "x", "values")))
    with pytest.raises(UnsupportedOperator, match="OneHot with depth"):
        load_model(path)
