"""The simulation of memory: small networks by hand, and what it says beside the committed plans."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.check.analyze import analyze
from edgemnv2.lab import memory_simulation, results, task_memory
from edgemnv2.lab.memory_simulation import Layer, Use, deeplab_layers, least_bytes, ssdlite_layers
from edgemnv2.pipeline import lower_source

KIB = 1024
BARS = {
    "ssdlite-mobilenetv2-320-int8": (390, 180),
    "deeplabv3-mobilenetv2-257-int8": (260, 150),
}
"""KiB: image in the arena, and by rows."""


def copy(name: str, source: str, height: int, row_bytes: int) -> Layer:
    return Layer(name, (Use(source),), height, row_bytes)


@pytest.mark.parametrize(("fed", "expected"), [(False, 4 * 10 + 1), (True, 10 + 1)])
def test_rows_that_are_read_are_gone(fed: bool, expected: int) -> None:
    """A row of the image gives way to a row of one byte; the result is the caller's."""
    layers = [copy("a", "image", 4, 1), Layer("b", (Use("a"),), 4, 0, is_output=True)]
    assert least_bytes(layers, (4, 10), fed) == expected


def test_a_window_keeps_its_rows() -> None:
    window = Layer("b", (Use("image", 3, 1, 1),), 4, 0, is_output=True)
    assert least_bytes([window], (4, 10), fed=True) == 3 * 10


def test_a_sum_takes_each_row_as_it_comes() -> None:
    """What waits for the sum is whole; what was summed is not kept for it."""
    sums = Layer("mean", (Use("image"),), 1, 4, sums=True)
    spread = Layer("out", (Use("mean", memory_simulation.WHOLE),), 8, 0, is_output=True)
    assert least_bytes([sums, spread], (8, 10), fed=True) == 10 + 4


def test_a_cut_where_little_is_alive_is_found() -> None:
    """Both windows of wide rows at once would be twice as much; between them a map is small."""
    layers = [
        copy("a", "image", 8, 50),
        Layer("b", (Use("a", 7, 1, 3),), 8, 1),
        copy("c", "b", 8, 50),
        Layer("d", (Use("c", 7, 1, 3),), 8, 0, is_output=True),
    ]
    assert 7 * 50 < least_bytes(layers, (8, 1), fed=True) < 7 * 50 + 50


def test_dilated_blocks_are_two_plain_ones() -> None:
    names = [layer.name for layer in deeplab_layers()]
    assert "block15/0" in names and "block15/1" in names and "block14" in names
    assert not any("/" in layer.name for layer in ssdlite_layers())


def test_it_shares_no_code_with_the_planner() -> None:
    tree = ast.parse(Path(memory_simulation.__file__).read_text(encoding="utf-8"))
    modules = {x.module for x in ast.walk(tree) if isinstance(x, ast.ImportFrom)}
    modules |= {a.name for x in ast.walk(tree) if isinstance(x, ast.Import) for a in x.names}
    assert not [name for name in modules if name and name.startswith("edgemnv2")]


COMMITTED = results.load("task-memory")["rows"]


@pytest.mark.parametrize("row", COMMITTED, ids=lambda row: row["network"])
def test_committed_plans_meet_the_bars(row: dict[str, Any]) -> None:
    whole, fed = BARS[row["network"]]
    assert row["arena_bytes"] <= whole * KIB and row["stream_arena_bytes"] <= fed * KIB


@pytest.mark.slow
@pytest.mark.parametrize("row", COMMITTED, ids=lambda row: row["network"])
def test_committed_figures_are_what_is_planned_and_simulated(row: dict[str, Any]) -> None:
    size, layers = task_memory.NETWORKS[row["network"]]
    simulated = [least_bytes(layers(size), (size, 3 * size), fed) for fed in (False, True)]
    assert [row["simulated_bytes"], row["simulated_stream_bytes"]] == simulated
    planned = analyze(lower_source(row["network"]), row["target"], io="input")
    assert row["arena_bytes"] == planned.arena_bytes
    assert row["stream_arena_bytes"] == planned.stream_arena_bytes


def test_ours_stand_beside_the_simulations() -> None:
    row = {
        "network": "n",
        "arena_bytes": 2 * KIB,
        "simulated_bytes": KIB,
        "stream_arena_bytes": 512,
        "simulated_stream_bytes": 256,
        "layer_by_layer_bytes": 9 * KIB,
    }
    line = task_memory.task_memory_table([row])[-1]
    assert line == "| n | **2.0 KiB** | 1.0 | **0.5 KiB** | 0.2 | 9 |"
