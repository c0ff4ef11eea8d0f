"""float16 in front of every operator and behind it, in networks of one kind of operator each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from edgemnv2.check.verify import verify
from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.memory import planner
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.passes.to_float16 import to_float16
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.runners import runner_for
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.target import load_target
from tests.networks import random_onnx, random_tflite
from tests.streaming.random_networks import HASTY_PLANNER

PI_5 = load_target("rpi5")
OPTIONS = ScheduleOptions()
OPERATORS = [
    *(("onnx", name) for name in sorted(random_onnx.OPERATORS)),
    *(("tflite", name) for name in sorted(random_tflite.OPERATORS)),
]
SEEDS = range(1, 6)
"""Each draws the type of a TFLite network."""


@cache
def network(form: str, operator: str, folder: Path) -> Graph | None:
    """A float network of the operator and convolutions; None where it is none."""
    make = random_onnx.random_onnx if form == "onnx" else random_tflite.random_network
    for seed in SEEDS:
        try:
            net = make(seed, (operator, "conv"))
        except RecursionError:
            continue
        if net.dtype == "float32":
            break
    else:
        return None
    path = folder / f"{form}-{operator}{net.suffix}"
    path.write_bytes(net.blob)
    try:
        graph = lower(load_model(path))
    except ModelError:
        return None
    return None if any(x.quant for x in graph.tensors.values()) else graph


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Graph]:
    folder = tmp_path_factory.mktemp("nets")
    found = {key: network(*key, folder) for key in OPERATORS}
    return {key: graph for key, graph in found.items() if graph is not None}


def pairs(graph: Graph) -> Iterator[tuple[str, set[str]]]:
    """Layers of one type, with the types at their ends."""
    for layer in graph.layers:
        if layer.moves_values or layer.keeps_storage or layer.block_role == "depthwise":
            names = (*layer.inputs, layer.output)
            yield layer.name, {graph.tensors[name].dtype for name in names}


def test_kernels_are_made_for_every_operator(graphs: dict[tuple[str, str], Graph]) -> None:
    assert len(graphs) > 80
    halves = 0
    for key, graph in graphs.items():
        half = to_float16(graph, PI_5)
        halves += any(x.dtype == "float16" for x in half.tensors.values())
        for name, types in pairs(half):
            assert len(types - {"bool", "int32", "int64", "uint8"}) <= 1, (key, name, types)
        schedule_graph(half, PI_5, OPTIONS)
    assert halves > 40


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("key", OPERATORS, ids=" ".join)
def test_outputs_stay_within_the_stated_accuracy(
    key: tuple[str, str],
    graphs: dict[tuple[str, str], Graph],
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    require_tool("qemu-aarch64")
    if key not in graphs:
        pytest.skip("no float network of this operator")
    with patch.multiple(planner, **HASTY_PLANNER), np.errstate(all="ignore"):
        options = CompileOptions(dtype="float16", threads=1)
        artifact = compile_graph(graphs[key], PI_5, tmp_path / "net", options)
    assert verify(artifact, runner_for(artifact), SampleChoice(random=2)).passed
