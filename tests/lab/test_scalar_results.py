"""Cores without SIMD beside TFLM's kernels: what is refused, and the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.frontend import load_model
from edgemnv2.lab.results import load, main
from edgemnv2.lab.scalar_results import NETWORKS, TARGETS, measure_scalar, scalar_table
from edgemnv2.lab.tflm_peer import Sources, run_reference_kernels
from edgemnv2.passes import lower
from edgemnv2.target import load_target


def test_a_folder_without_checkouts_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="no folder: expected a folder with checkouts of tensorfl"):
        measure_scalar(print)
    assert main(["scalar", str(tmp_path)]) == 1
    assert f"scalar: {tmp_path}: expected a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ("digits-int8", "no reference kernel is called for"),
        ("mobilenetv2-0.35-32", "'input' is float32"),
    ],
)
def test_another_network_is_refused_before_anything_is_built(
    network: str, told: str, tmp_path: Path
) -> None:
    graph = lower(load_model(network))
    nowhere = Sources(tmp_path, tmp_path, tmp_path)
    x = np.zeros(graph.tensors[graph.inputs[0]].shape, np.int8)
    with pytest.raises(RunnerError, match=told):
        run_reference_kernels(graph, load_target("riscv32-virt"), x, nowhere, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_committed_figures_are_of_every_network() -> None:
    rows = load("scalar")["rows"]
    assert {(row["target"], row["network"]) for row in rows} == {
        (target, network) for target in TARGETS for network in NETWORKS
    }
    assert all(row["instructions"] < 0.34 * row["tflm_instructions"] for row in rows)
    made = {**rows[0], "instructions": 50, "tflm_instructions": 200, "macs": 10}
    assert "| 5.0 | 0.0 | 20.0 | **0.250** |" in scalar_table([made])[-1]
