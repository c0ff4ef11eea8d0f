"""What `verify` says when there is nothing to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.artifact import Artifact
from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.errors import InputError
from edgemnv2.ops.execute import by_source, run
from edgemnv2.pipeline import CompileOptions, compile_model, lower_source
from edgemnv2.runners import runner_for
from edgemnv2.runners.base import RunResult
from edgemnv2.samples.inputs import random_set
from edgemnv2.target import load_target, missing_local_features
from edgemnv2.task import Said
from tests.frontend.tiny_onnx import TinyOnnx
from tests.meaning import forms


class Zeros:
    """A device whose outputs are all zero."""

    name = "zeros"

    def run(self, artifact: Artifact, inputs: Sequence[Any], **_: Any) -> RunResult:
        made = {x.name: np.zeros((1, *x.nhwc[-3:]), x.dtype) for x in artifact.outputs}
        return RunResult(tuple(made for _ in inputs))


@pytest.mark.parametrize("relu6", ["clip", "relu"])
def test_a_reference_beyond_float32_is_named_by_layer(relu6: str, tmp_path: Path) -> None:
    model = TinyOnnx(relu6=relu6).build()
    for tensor in model.graph.initializer:
        weight = numpy_helper.to_array(tensor)
        if weight.ndim == 4:
            tensor.CopyFrom(
                numpy_helper.from_array(np.sign(weight) * np.float32(3e38), tensor.name)
            )
    onnx.save(model, tmp_path / "net.onnx")
    artifact = compile_model(tmp_path / "net.onnx", "rpi4", tmp_path / "artifact")
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            InputError,
            match=r"layer 'stem': the reference itself leaves the range of float32",
        ),
    ):
        verify(artifact, Zeros(), SampleChoice(random=2))  # type: ignore[arg-type]


def test_what_is_left_of_terms_that_cancel_is_not_compared(tmp_path: Path) -> None:
    """Of two orders of summation neither is right; the layer is named, and what to look at."""
    if missing_local_features(load_target("host")):
        pytest.skip("this processor has no AVX2")
    large = np.random.default_rng(0).normal(size=(4, 1024)).astype(np.float32) * 3e7
    weights = np.concatenate([large, -large], 1)[..., np.newaxis, np.newaxis]
    net = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Concat", ["r", "r"], ["c"], axis=1),
            helper.make_node("Conv", ["c", "w"], ["y"], name="classifier"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1024, 3, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 3, 3))],
        [numpy_helper.from_array(weights, "w")],
    )
    imports = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(net, opset_imports=imports, ir_version=8), tmp_path / "net.onnx")
    artifact = compile_model(tmp_path / "net.onnx", "host", tmp_path / "artifact")
    with pytest.raises(InputError, match=r"layer 'stem': terms of .* cancel to"):
        verify(artifact, runner_for(artifact), SampleChoice(random=2))


@pytest.mark.parametrize("kind", [None, "segmenter"])
@pytest.mark.parametrize("ending", ["", "Sigmoid"])
def test_a_map_of_one_channel_agrees_where_it_is_on_the_same_side(
    ending: str, kind: str | None, tmp_path: Path
) -> None:
    """A device that says zero everywhere: of probabilities background, of scores foreground."""
    path = forms.one_map(tmp_path, ending)
    options = CompileOptions(said=Said(kind=kind))
    artifact = compile_model(path, "host", tmp_path / "net", options)
    found = verify(artifact, Zeros(), SampleChoice(random=3, seed=0))  # type: ignore[arg-type]
    assert not found.passed
    if not ending and kind is None:
        # Nobody knows what it is, and there is no best class of one.
        assert found.top1_agreement is None
        return
    graph = lower_source(path)
    wanted = by_source(graph, run(graph, random_set(graph, 3, seed=0).arrays, keep=False))["out"]
    share = np.mean(wanted < 0.5) if ending else np.mean(wanted >= 0)
    assert 0.05 < share < 0.95
    assert found.top1_agreement == pytest.approx(100 * share)


def test_one_number_agrees_where_it_means_the_same_class(tmp_path: Path) -> None:
    path = forms.two_classes(tmp_path)
    artifact = compile_model(path, "host", tmp_path / "net")
    found = verify(artifact, Zeros(), SampleChoice(random=40, seed=0))  # type: ignore[arg-type]
    graph = lower_source(path)
    wanted = by_source(graph, run(graph, random_set(graph, 40, seed=0).arrays, keep=False))["out"]
    # Zero is the first class.
    assert found.top1_agreement == pytest.approx(100 * np.mean(wanted <= 0.5))
