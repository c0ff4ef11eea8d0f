"""`verify` names the first layer whose constants are wrong, and no layer before or after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.check.verify import verify
from edgemnv2.frontend import load_model
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.runners import make_runner
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target


def _with_wrong_bias(graph: Graph, name: str) -> Graph:
    layers = []
    for layer in graph.layers:
        if layer.name == name:
            assert isinstance(layer, Conv2D)
            bias = layer.bias.copy()
            bias += np.asarray(40_000 if graph.is_integer else 3.0, bias.dtype)
            layer = replace(layer, bias=bias)
        layers.append(layer)
    return replace(graph, layers=tuple(layers))


@pytest.fixture(scope="module")
def right() -> Graph:
    return lower(load_model("mobilenetv2-0.35-32-int8"))


def _compiled(graph: Graph, target: str, folder: Path) -> Artifact:
    compile_graph(graph, load_target(target), folder, CompileOptions(name="net"))
    return load_artifact(folder)


@pytest.mark.parametrize(
    "layer",
    [
        "block9.expand",
        *(
            pytest.param(x, marks=pytest.mark.slow(ci=True))
            for x in ("stem", "block3.project", "head", "classifier")
        ),
    ],
)
def test_a_wrong_constant_is_found_by_layer(right: Graph, layer: str, tmp_path: Path) -> None:
    names = [x.name for x in right.layers]
    assert layer in names
    artifact = _compiled(_with_wrong_bias(right, layer), "host", tmp_path / "art")
    result = verify(artifact, make_runner("local"), SampleChoice(random=2), right)
    assert not result.passed
    assert result.first_divergence is not None
    assert result.first_divergence["layer"] == layer
    assert result.different_samples == 2


def test_the_same_artefact_agrees_with_its_own_graph(right: Graph, tmp_path: Path) -> None:
    wrong = _with_wrong_bias(right, "block3.project")
    artifact = _compiled(wrong, "host", tmp_path / "art")
    result = verify(artifact, make_runner("local"), SampleChoice(random=2))
    assert result.passed
    assert result.exact
    assert result.first_divergence is None


def test_a_wrong_constant_is_found_on_a_microcontroller(
    right: Graph, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    wrong = _with_wrong_bias(right, "block3.project")
    artifact = _compiled(wrong, "mps2-an386", tmp_path / "art")
    result = verify(artifact, make_runner("qemu-system"), SampleChoice(random=1), right)
    assert not result.passed
    assert result.first_divergence is not None
    assert result.first_divergence["layer"] == "block3.project"


def test_the_stored_reference_is_the_graph(right: Graph, tmp_path: Path) -> None:
    """Every array and number, single rounding included."""
    artifact = _compiled(right, "host", tmp_path / "art")
    stored = load_graph(artifact.path / REFERENCE_FOLDER)
    assert stored.tensors == dict(right.tensors)
    assert len(stored.layers) == len(right.layers)
    for ours, theirs in zip(right.layers, stored.layers, strict=True):
        assert type(ours) is type(theirs)
        assert repr(ours) == repr(theirs)
