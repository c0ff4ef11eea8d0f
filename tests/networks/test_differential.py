"""Random files against LiteRT's reference kernels and onnxruntime: none wrong, none refused."""

from __future__ import annotations

from pathlib import Path

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
