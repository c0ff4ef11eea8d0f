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
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from edgemnv2.runners.base import RunResult
from edgemnv2.target import load_target, missing_local_features
from tests.frontend.tiny_onnx import TinyOnnx


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
    large = np.random.default_rng(0).normal(size=(4, 48)).astype(np.float32) * 3e7
    weights = np.concatenate([large, -large], 1)[..., np.newaxis, np.newaxis]
    net = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Concat", ["r", "r"], ["c"], axis=1),
            helper.make_node("Conv", ["c", "w"], ["y"], name="classifier"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 48, 3, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 3, 3))],
        [numpy_helper.from_array(weights, "w")],
    )
    imports = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(net, opset_imports=imports, ir_version=8), tmp_path / "net.onnx")
    artifact = compile_model(tmp_path / "net.onnx", "host", tmp_path / "artifact")
    with pytest.raises(InputError, match=r"layer 'stem': terms of .* cancel to"):
        verify(artifact, runner_for(artifact), SampleChoice(random=2))
