"""Random networks on emulated boards without vector units equal the reference, many a boot.

`pytest -m slow tests/streaming/test_board_networks.py` runs 300 on RISC-V and 300 on Armv6-M.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.check.compare import compare
from edgemnv2.memory import planner
from edgemnv2.memory.variants import CHAINS
from edgemnv2.ops import execute
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target
from tests.streaming.board_networks import run_on_board
from tests.streaming.native_networks import Variant, prepare
from tests.streaming.random_networks import random_graph, random_input

TOOLS = {
    "riscv32-virt": ("qemu-system-riscv32", "riscv64-unknown-elf-gcc"),
    "cortex-m0plus": ("qemu-system-arm", "arm-none-eabi-gcc"),
}
BATCH = 60
FEW = 16
NETWORKS = 300


@pytest.fixture(autouse=True)
def _hasty_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the planner searches changes the size of its plans, not whether they are right."""
    for name, value in (("CHAIN_TRIES", 2), ("JOINT_TRIES", 3), ("REFINE_FACTOR", 1)):
        monkeypatch.setattr(planner, name, value)


def check_networks(name: str, seeds: range, folder: Path) -> None:
    target = load_target(name)
    networks, inputs = [], []
    for seed in seeds:
        graph = random_graph(seed, integer=True)
        options = ScheduleOptions(fuse=bool(seed // 6 % 2))
        io, chains = ("arena", "caller")[seed % 2], CHAINS[seed // 2 % 3]
        networks.append(prepare(graph, Variant(target, options, io, chains)))
        inputs.append(random_input(graph, seed))
    results = run_on_board(networks, inputs, target, folder)
    for network, x, result in zip(networks, inputs, results, strict=True):
        graph = network.graph
        expected = execute.run(graph, x, keep=False)[graph.outputs[0]]
        found = compare(expected, result[None])
        exact = graph.tensors[graph.outputs[0]].dtype != "float32"
        assert found.exact if exact else found.passed, (name, graph.name, found)


@pytest.mark.parametrize("name", list(TOOLS))
def test_random_networks_on_boards(
    name: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for tool in TOOLS[name]:
        require_tool(tool)
    check_networks(name, range(FEW), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, NETWORKS, BATCH))
@pytest.mark.parametrize("name", list(TOOLS))
def test_three_hundred_random_networks(
    name: str, first: int, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for tool in TOOLS[name]:
        require_tool(tool)
    check_networks(name, range(first, first + BATCH), tmp_path)
