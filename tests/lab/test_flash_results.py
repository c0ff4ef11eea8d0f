"""The table of what flash buys, and what its rows must keep."""

from __future__ import annotations

from edgemnv2.lab.flash_results import PUBLISHED, flash_table
from edgemnv2.lab.results import load


def test_totals_stand_beside_those_published_and_ratios_beside_the_fastest() -> None:
    row = {
        "network": "1.0-224",
        "target": "mps2-an500",
        "flash": "board",
        "budget_bytes": 1 << 24,
        "constants_bytes": 1100 << 10,
        "code_bytes": 10 << 10,
        "plain_bytes": 1000 << 10,
        "instructions": 2_000_000,
        "cycles": 1_000_000.0,
    }
    less = {**row, "flash": "ST", "budget_bytes": 1 << 20, "instructions": 2_100_000}
    lines = flash_table([row, less])
    assert lines[-2].endswith("| 2.0 (1.000) | 1.0 (1.000) |")
    assert "| - | 1100 KiB, 1.100 | **1110 KiB** | 3616 KiB |" in lines[-2]
    assert "| 1048576 |" in lines[-1] and "| 2.1 (1.050) | 1.0 (1.000) |" in lines[-1]


def test_the_committed_rows_keep_their_budgets_and_the_published_totals() -> None:
    rows = load("flash")["rows"]
    assert {row["network"] for row in rows if row["flash"] == "ST"} == set(PUBLISHED)
    for row in rows:
        assert row["constants_bytes"] <= row["budget_bytes"]
        assert row["least_bytes"] + sum(row["bought"].values()) == row["constants_bytes"]
        if row["flash"] == "ST":
            total = row["constants_bytes"] + row["code_bytes"]
            assert total <= PUBLISHED[row["network"]]
