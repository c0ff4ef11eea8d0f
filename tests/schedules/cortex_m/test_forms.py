"""Every form of a layer's constants gives TFLite's bytes, with less flash than the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel, constant_offsets
from edgemnv2.schedules import dsp
from tests.schedules.cortex_m.cortex_m_harness import (
    BOARDS,
    Board,
    build,
    kernels_of,
    mismatches,
    program,
    rounded_to_even,
    run,
)
from tests.schedules.cortex_m.test_cortex_m_kernels import NETWORKS, blocks, irregular
from tests.usual import usual

PLACES = (
    ("host", "-O2", False),
    ("m0plus", "-O2", True),
    ("m4", "-O2", False),
    ("m7", "-O3", True),
)


@pytest.fixture
def board(require_tool: Callable[[str], str]) -> Callable[[str], Board]:
    """A board by name, once its tools are there."""

    def find(name: str) -> Board:
        for tool in BOARDS[name].tools:
            require_tool(tool)
        return BOARDS[name]

    return find


def rungs(graph: Graph, fuse: bool, weights: str | None) -> list[dict[str, Mapping[str, Any]]]:
    """Decisions by layer: all in their own forms, all in the next ones, ... all in the smallest."""
    chosen = None if weights is None else {"weights": weights}
    _, kernels = kernels_of(dsp, graph, chosen, fuse)
    ladders = {
        layer.name: dsp.forms(graph, layer, kernels[layer.name])
        for layer in graph.layers
        if layer.name in kernels
    }
    return [
        {name: ladder[min(rung, len(ladder) - 1)].decisions for name, ladder in ladders.items()}
        for rung in range(max(map(len, ladders.values())))
    ]


def size(kernel: RowKernel) -> int:
    return constant_offsets(kernel)[-1]


def check_smallest(
    graph: Graph, board: Board, optimise: str, fuse: bool, folder: Path, weights: str | None = None
) -> dict[str, RowKernel]:
    """The kernels of the smallest forms, once none of their bytes differs and none is larger."""
    chosen = None if weights is None else {"weights": weights}
    rung = rungs(graph, fuse, weights)[-1]
    _, fastest = kernels_of(dsp, graph, chosen, fuse)
    layouts, kernels = kernels_of(dsp, graph, chosen, fuse, rung)
    assert mismatches(
        run(board, build(board, program(graph, layouts, kernels), folder, optimise))
    ) == [0] * len(kernels)
    for name, kernel in kernels.items():
        assert size(kernel) <= size(fastest[name])
    return kernels


@pytest.mark.parametrize("network", usual(NETWORKS, ("irregular", "width_2")))
@pytest.mark.parametrize(("place", "optimise", "fuse"), PLACES)
def test_the_smallest_form_gives_tflites_bytes(
    place: str,
    optimise: str,
    fuse: bool,
    network: str,
    tmp_path: Path,
    board: Callable[[str], Board],
) -> None:
    check_smallest(NETWORKS[network]().graph(), board(place), optimise, fuse, tmp_path)


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("place", usual(("host", "m7"), ("m7",)))
def test_the_smallest_form_rounds_once_to_even(
    place: str, fuse: bool, tmp_path: Path, board: Callable[[str], Board]
) -> None:
    graph = rounded_to_even(blocks().graph(), "even")
    kernels = check_smallest(graph, board(place), "-O2", fuse, tmp_path)
    code = " ".join(str(kernel.code.function) for kernel in kernels.values())
    assert "_ONCE" in code and "_short" in code


@pytest.mark.parametrize("rung", [1, 2])
@pytest.mark.parametrize("weights", ["BYTES", "HALVES", "QUADS"])
@pytest.mark.parametrize("place", ["host", "m4", "m7"])
def test_every_form_on_the_way_gives_the_same_bytes(
    place: str, weights: str, rung: int, tmp_path: Path, board: Callable[[str], Board]
) -> None:
    graph = irregular().graph()
    found = rungs(graph, True, weights)
    own = found[min(rung, len(found) - 1)]
    layouts, kernels = kernels_of(dsp, graph, {"weights": weights}, True, own)
    built = build(board(place), program(graph, layouts, kernels), tmp_path, "-O2")
    assert mismatches(run(board(place), built)) == [0] * len(kernels)


@pytest.mark.parametrize("fuse", usual((False, True), (True,)))
def test_every_form_is_smaller_and_slower_than_the_one_before(fuse: bool) -> None:
    graph = blocks().graph()
    several = 0
    for weights in ("BYTES", "HALVES", "QUADS"):
        _, kernels = kernels_of(dsp, graph, {"weights": weights}, fuse)
        for layer in graph.layers:
            if layer.name not in kernels:
                continue
            ladder = dsp.forms(graph, layer, kernels[layer.name])
            own = [{layer.name: form.decisions} for form in ladder]
            sizes = [
                sum(
                    c.nbytes
                    for c in kernels_of(dsp, graph, {"weights": weights}, fuse, one)[1][
                        layer.name
                    ].constants
                )
                for one in own
            ]
            assert sizes == sorted(set(sizes), reverse=True)
            costs = [form.instructions for form in ladder]
            assert costs == sorted(set(costs)) and costs[0] == 0
            several += len(ladder) > 1
    assert several


def test_channels_of_all_kinds_have_short_records() -> None:
    """Dead ones, odd ones, those of one shift, windows; the arithmetic of each is in the code."""
    code = ""
    for network in (blocks(), irregular()):
        graph = network.graph()
        for fuse in (False, True):
            for one in rungs(graph, fuse, "HALVES"):
                _, kernels = kernels_of(dsp, graph, {"weights": "HALVES"}, fuse, one)
                code += " ".join(str(kernel.code.function) for kernel in kernels.values())
    for name in ("PLAIN_SHORT", "FIXED_SHORT", "COMMON_SHORT", "window_short", "depthwise_short"):
        assert name in code
