"""float16: refused where it makes no sense, and within its stated accuracy under emulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.check.verify import verify
from edgemnv2.errors import UsageError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.passes.to_float16 import FLOAT16_TOLERANCE, to_float16
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.runners import runner_for
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target


def test_float16_needs_a_core_that_has_it() -> None:
    graph = lower(load_model("mobilenetv2-0.35-96"))
    with pytest.raises(UsageError, match=r"rpi4 \(cortex-a72\) has no float16 arithmetic"):
        to_float16(graph, load_target("rpi4"))


def test_float16_needs_a_float_network() -> None:
    graph = lower(load_model("mobilenetv2-0.35-96-int8"))
    with pytest.raises(UsageError, match="is quantised"):
        to_float16(graph, load_target("rpi5"))


def test_only_the_ends_stay_float32() -> None:
    graph = lower(load_model("mobilenetv2-0.35-96"))
    half = to_float16(graph, load_target("rpi5"))
    kept = {name for name, tensor in half.tensors.items() if tensor.dtype == "float32"}
    assert kept == {*graph.inputs, *graph.outputs}


def test_outputs_stay_within_the_stated_accuracy(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-aarch64")
    artifact = compile_model(
        "mobilenetv2-0.35-96", "rpi5", tmp_path / "net", CompileOptions(dtype="float16", threads=1)
    )
    result = verify(artifact, runner_for(artifact, "qemu-user"), SampleChoice(random=2))
    assert result.passed
    assert not result.exact, "float16 that equals float32 to the bit was not computed in float16"
    assert artifact.manifest.relative_tolerance == FLOAT16_TOLERANCE
