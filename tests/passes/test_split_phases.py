"""Halves of dilated maps: the same values, fewer rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.memory.orders import ChainPeaks, operation_orders
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower, validate
from edgemnv2.passes.split_phases import split_phases
from edgemnv2.pipeline import CompileOptions, compile_graph, schedule_network
from edgemnv2.runners import make_runner
from edgemnv2.samples.images import random_inputs
from edgemnv2.target import load_target

DILATED = (
    # Odd and even maps at the end, rates 2 and 4, and those of ASPP.
    "deeplabv3-mobilenetv2-65-0.35-int8",
    "deeplabv3-mobilenetv2-96-0.35-int8",
    "deeplabv3-mobilenetv2-65-0.35-os8-aspp-int8",
)


def rates(graph: Graph) -> set[int]:
    return {layer.dilation[0] for layer in graph.layers if hasattr(layer, "dilation")}


@pytest.mark.parametrize("name", DILATED)
def test_values_are_the_same(name: str) -> None:
    graph = lower(load_model(name))
    split = validate(split_phases(graph))
    assert max(rates(graph)) > 1 and max(rates(split)) < max(rates(graph))
    x = random_inputs(graph.tensors["input"], 2, seed=3).x
    whole, halves = run(graph, x), run(split, x)
    assert split.outputs == graph.outputs
    for output in graph.outputs:
        np.testing.assert_array_equal(halves[output], whole[output])
    # A half is every second row of the whole.
    checked = 0
    for tensor, values in whole.items():
        for phase, end in enumerate(("even", "odd")):
            if f"{tensor}.{end}" in halves:
                np.testing.assert_array_equal(halves[f"{tensor}.{end}"], values[:, phase::2])
                checked += 1
    assert checked > 20


@pytest.mark.parametrize("name", DILATED)
def test_any_halved_map_may_be_an_output(name: str) -> None:
    graph = lower(load_model(name))
    x = random_inputs(graph.tensors["input"], 1, seed=4).x
    values = run(graph, x)
    inner = [layer.output for layer in graph.layers if layer.output not in graph.outputs]
    # Beside the network's own, and as the end of a network that is cut off there.
    everything = split_phases(replace(graph, outputs=(*graph.outputs, *inner)))
    found = run(validate(everything), x)
    for tensor in (*graph.outputs, *inner):
        np.testing.assert_array_equal(found[tensor], values[tensor])
    cut = 0
    for tensor in (t for t in inner if f"{t}.even" in everything.tensors):
        end = [layer.output for layer in graph.layers].index(tensor) + 1
        layers = graph.layers[:end]
        kept = {*graph.inputs, *(layer.output for layer in layers)}
        ends = {k: v for k, v in graph.tensors.items() if k in kept}
        alone = replace(graph, layers=layers, tensors=ends, outputs=(tensor,))
        validate(split_phases(alone))
        cut += 1
    assert cut > 3


@pytest.mark.parametrize("name", DILATED)
def test_work_and_weights_are_the_same(name: str) -> None:
    graph = lower(load_model(name))
    split = split_phases(graph)
    assert sum(map(split.macs, split.layers)) == sum(map(graph.macs, graph.layers))
    # Halves share their weights, which are kept once.
    kept = {id(array): array.size for layer in split.layers for array in layer.parameters}
    assert sum(kept.values()) == sum(a.size for layer in graph.layers for a in layer.parameters)


@pytest.mark.parametrize("name", DILATED)
def test_a_second_time_changes_nothing(name: str) -> None:
    split = split_phases(lower(load_model(name)))
    assert split_phases(split) is split


@pytest.mark.parametrize(
    "name", ["mobilenetv2-0.35-32-int8", "ssdlite-mobilenetv2-64-0.35-int8", DILATED[0][:-5]]
)
def test_networks_without_dilated_integers_stay_themselves(name: str) -> None:
    graph = lower(load_model(name))
    assert split_phases(graph) is graph


@pytest.mark.slow(ci=True)
def test_fewer_bytes_are_alive() -> None:
    graph = lower(load_model(DILATED[0]))
    board = load_target("mps2-an500")
    needed = []
    for one in (graph, split_phases(graph)):
        rows = schedule_network(one, board, CompileOptions(use_tune_logs=False)).rows
        orders = map(ChainPeaks, operation_orders(rows))
        ends = frozenset({*rows.outputs, *rows.inputs})
        needed.append(min(peaks.least((), ends) for peaks in orders))
    assert needed[1] < needed[0]


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("target", ["mps2-an500", "mps3-an547"])
def test_a_board_gives_the_bytes_of_the_host(
    target: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    graph = lower(load_model(DILATED[0]))
    x = random_inputs(graph.tensors["input"], 1, seed=5).x
    artifact = compile_graph(graph, load_target(target), tmp_path / "net")
    (found,) = make_runner("qemu-system").run(artifact, [x]).outputs
    np.testing.assert_array_equal(found, run(graph, x)[graph.outputs[0]])
