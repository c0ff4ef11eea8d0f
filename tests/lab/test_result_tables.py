"""The README's tables of seconds and of cache misses, out of rows as they are measured."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.lab import host_results, results

REAL = "real-time"


def host_row(**changes: Any) -> dict[str, Any]:
    peer = {"median": 0.004, "ratio": 0.5, "version": "1.0"}
    row = {
        "dtype": "int8",
        "target": "x86-64-v3",
        "threads": 2,
        "median": 0.002,
        "against": {"litert": peer},
        "speed_up": {"ratio": 1.9},
        "core_distance": 64e-9,
        "peak_rss_bytes": 6 * 2**20,
        "constants_bytes": 2**22,
        "machine": {"cpu": "A processor", "cores": 2, "features": ["avx2", "fma"]},
    }
    return row | changes


def test_seconds_beside_others() -> None:
    lines = host_results.host_table([host_row(), host_row(threads=1, speed_up=None)])
    assert lines[0] == "A processor, 2 cores at most 64 ns apart, avx2, fma"
    row = "| int8 | x86-64-v3, 2 | 2.00 | litert 4.00: **0.500** | 1.90 | 6.0, 4.0 MiB |"
    assert lines[-2] == row
    assert lines[-1] == "| int8 | x86-64-v3, 1 | 2.00 | litert 4.00: **0.500** |  | 6.0, 4.0 MiB |"


def test_this_machine_is_named() -> None:
    facts = host_results.machine()
    assert facts["cpu"] and facts["cores"] >= 1
    assert set(facts["features"]) <= {*host_results._FLAGS}


def test_ways_of_cutting_stand_beside_each_other() -> None:
    def row(chains: str, l2: int) -> dict[str, Any]:
        return {
            "network": "1.0-224",
            "dtype": "int8",
            "target": "rpi4",
            "threads": 4,
            "chains": chains,
            "instructions": 80_000_000,
            "l1_missed_bytes": {"all": 100_000_000},
            "l2_missed_bytes": {"all": l2},
            "written_back_bytes": 500_000,
        }

    lines = results.locality_table([row("blocks", 5_000_000), row("layers", 12_300_000)])
    assert lines[-1] == (
        "| 1.0/224 int8 | rpi4, 4 | **80.0, 100 MB, 5.0 MB, 0.5 MB** "
        "| 80.0, 100 MB, 12.3 MB, 0.5 MB |  |"
    )


def test_a_network_that_an_engine_computes_otherwise_is_no_figure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this process may run on one processor only")
    monkeypatch.setattr(host_results, "FLOAT_MODEL", "digits")
    monkeypatch.setattr(host_results, "TARGETS", ("x86-64-v3",))
    monkeypatch.setattr(host_results, "PEERS", {"float32": ("litert",)})
    monkeypatch.setattr(host_results, "ROUNDS", 3)
    monkeypatch.setattr(host_results, "WAITS", 1)
    monkeypatch.setattr(host_results, "ATTEMPTS", 1)
    rows = host_results.measure_host(lambda text: None)
    assert [row["threads"] for row in rows] == [1, 2]
    json.dumps(rows)
    assert rows[0]["speed_up"] is None and rows[1]["speed_up"]["ratio"] > 0
    monkeypatch.setattr(host_results, "FLOAT_TOLERANCE", -1.0)
    with pytest.raises(SystemExit, match="litert: computes something else than"):
        host_results.measure_host(lambda text: None)


def test_data_or_a_peer_that_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert results.main(["quantization", str(tmp_path)]) == 1
    assert "mobilenet_v2_torchvision.onnx: no such file" in capsys.readouterr().err

    def absent(say: object) -> list[dict[str, object]]:
        raise ModuleNotFoundError("No module named 'ncnn'", name="ncnn")

    monkeypatch.setattr(results, "RESULTS", {**results.RESULTS, "steps": (absent, list)})
    assert results.main(["steps"]) == 1
    assert "steps: ncnn is not installed (pip install" in capsys.readouterr().err
