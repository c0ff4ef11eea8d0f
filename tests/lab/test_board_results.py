"""The tables of steps and of two cores: out of rows as they are measured, and one that is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.lab import core_results, step_results
from edgemnv2.lab.targets_table import targets_markdown

TOOLS = ("qemu-system-arm", "arm-none-eabi-gcc")


def silent(text: str) -> None:
    """Nobody wants to know."""


def test_the_longest_step_stands_beside_the_inference() -> None:
    row = {
        "target": "mps2-an500",
        "core": "cortex-m7",
        "steps": 509,
        "layer": "classifier",
        "instructions": 1_234_567,
        "inference": 14_700_000,
    }
    assert step_results.steps_table([row])[-1] == (
        "| cortex-m7 | 509 | **1,234,567** | classifier | 14.7 M |"
    )


def test_boards_of_one_core_have_one_longest_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stored = tmp_path / "steps.json"
    stored.write_text(json.dumps({"rows": [{"target": "mps2-an500", "instructions": 1_234_567}]}))
    monkeypatch.setattr(step_results, "STORED", stored)
    longest = step_results.longest_steps()
    assert longest == dict.fromkeys(("mps2-an500", "nucleo-f746zg", "nucleo-h743zi"), 1_234_567)
    rows = targets_markdown().splitlines()
    assert all(row.count("|") == 9 for row in rows)
    assert next(r for r in rows if "`nucleo-h743zi`" in r).endswith("| 1235 k |")
    assert next(r for r in rows if "`rpi4`" in r).endswith("| - |")


def test_two_cores_stand_beside_one() -> None:
    row = {
        "target": "rpi-pico2",
        "core": "cortex-m33",
        "network": "mobilenetv2-0.35-96-int8",
        "instructions": 14_700_000,
        "busier_core": 7_350_000,
        "with_waiting": 7_497_000,
        "arena_bytes": 29_904,
        "two_cores_arena_bytes": 31_400,
    }
    assert core_results.core_table([row])[-1] == (
        "| 0.35/96 | cortex-m33 | 14.7 | **0.500 x** | 0.510 x | 29.2 | 30.7, 1.05 x |"
    )


@pytest.mark.slow(ci=True)
def test_a_small_network_is_measured(
    monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], str]
) -> None:
    for tool in TOOLS:
        require_tool(tool)
    monkeypatch.setattr(core_results, "RUNS", (("rpi-pico2", "digits-int8"),))
    (row,) = core_results.measure_cores(silent)
    assert row["busier_core"] < row["with_waiting"] < row["instructions"]
    monkeypatch.setattr(step_results, "NETWORK", "digits-int8")
    monkeypatch.setattr(step_results, "target_names", lambda: ("mps2-an500", "rpi4"))
    steps: list[dict[str, Any]] = step_results.measure_steps(silent)
    assert [one["target"] for one in steps] == ["mps2-an500"]
    assert 0 < steps[0]["instructions"] < steps[0]["inference"]
