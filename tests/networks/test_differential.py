"""Random files against LiteRT's reference kernels and onnxruntime: none wrong, none refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.networks.differential import Summary, compare_network
from tests.networks.random_onnx import random_onnx
from tests.networks.random_tflite import random_network

pytest.importorskip("ai_edge_litert")
PARTS, EACH = 4, 75
MANY = 5000


def _run(folder: Path, seeds: range) -> Summary:
    summary = Summary()
    for seed in seeds:
        net = random_network(seed)
        summary.add(seed, net, compare_network(net, seed, folder))
    return summary


@pytest.mark.parametrize("part", range(PARTS))
def test_random_networks_equal_their_framework(part: int, tmp_path: Path) -> None:
    summary = _run(tmp_path, range(part * EACH, (part + 1) * EACH))
    assert not summary.texts, "\n".join(summary.texts)
    assert summary.kinds["ok"] > EACH * 0.9, summary.kinds


@pytest.mark.parametrize("part", range(PARTS))
def test_random_onnx_networks_equal_onnxruntime(part: int, tmp_path: Path) -> None:
    summary = Summary()
    for seed in range(part * EACH, (part + 1) * EACH):
        net = random_onnx(seed)
        summary.add(seed, net, compare_network(net, seed, tmp_path))
    assert not summary.texts, "\n".join(summary.texts)
    assert summary.kinds["ok"] > EACH * 0.9, summary.kinds


@pytest.mark.slow
def test_many_random_networks_leave_no_cell_empty(tmp_path: Path) -> None:
    summary = _run(tmp_path, range(10_000, 10_000 + MANY))
    assert summary.passed, "\n".join([*summary.texts, *summary.empty])


def test_a_run_without_an_accepted_network_of_a_cell_fails(tmp_path: Path) -> None:
    net = random_network(0)
    summary = Summary()
    summary.add(0, net, compare_network(net, 0, tmp_path))
    assert summary.passed
    summary.cells.add("NOT_THERE int8")
    assert summary.empty == ["NOT_THERE int8"] and not summary.passed


def test_floats_beyond_their_range_are_no_fault_and_no_success(tmp_path: Path) -> None:
    from tests.networks.random_builder import RandomNet
    from tests.networks.tflite_net import TfliteNet

    net = TfliteNet()
    x, wide, infinite, more, y = (net.tensor((1, 2, 3)) for _ in range(5))
    net.add("MUL", [x, net.constant(np.float32(300))], [wide], "MulOptions")
    net.add("EXP", [wide], [infinite], "ExpOptions")
    net.add("ADD", [infinite, infinite], [more], "AddOptions")
    net.add("LOG", [more], [y])
    made = RandomNet(net.build([x], [y]), (1, 2, 3), "float32", {"EXP float32"})
    outcome = compare_network(made, 1, tmp_path)
    assert outcome.kind == "range"
    summary = Summary()
    summary.add(1, made, outcome)
    assert not summary.cells and not summary.accepted
