"""What flash buys on Cortex-M: constants and code, instructions and cycles under several budgets.

Every row is one artefact, checked on one sample. Beside it what the int8 weights and nine bytes a
channel (a bias, a multiplier, a byte of shift) would take, and what ST publishes for weights and
code.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.cycles import estimate_cycles
from edgemnv2.check.verify import verify
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.runners import runner_for
from edgemnv2.samples.inputs import SampleChoice

__all__ = ["flash_table", "measure_flash"]

RUNS: tuple[tuple[str, str], ...] = (
    ("1.0-224", "mps2-an500"),
    ("0.35-224", "mps2-an500"),
    ("0.35-96", "mps2-an500"),
    ("0.35-96", "mps2-an386"),
)
# Bytes of weights and code, ST model zoo, X-CUBE-AI on STM32H747.
PUBLISHED: Mapping[str, int] = {"1.0-224": 3616 << 10, "0.35-224": 1763 << 10}
_BYTES_A_CHANNEL = 9


def measure_flash(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Each network with all the flash that its board has, as little as ST's, and the least."""
    rows = []
    for network, target in RUNS:
        say(f"{network} on {target}, as much as the board has")
        board = _measured(network, target, None)
        budgets = {"board": board}
        if network in PUBLISHED:
            say(f"{network} on {target}, as much as ST's")
            budgets["ST"] = _with_code(network, target, PUBLISHED[network], board)
        say(f"{network} on {target}, the least")
        budgets["least"] = _measured(network, target, board["least_bytes"])
        rows += [{**row, "flash": name} for name, row in budgets.items()]
    return rows


def _with_code(
    network: str, target: str, total_bytes: int, row: Mapping[str, Any]
) -> dict[str, Any]:
    """The fastest artefact whose constants and code take at most `total_bytes`.

    Two forms of a kernel are more code than one: found by asking for less until it fits.
    """
    budget = total_bytes - int(row["code_bytes"])
    while True:
        found = _measured(network, target, budget)
        over = found["constants_bytes"] + found["code_bytes"] - total_bytes
        if over <= 0:
            return found
        budget -= over


def _measured(network: str, target: str, budget: int | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        options = CompileOptions(flash_budget=budget)
        artifact = compile_model(
            f"mobilenetv2-{network}-int8", target, Path(folder) / "net", options
        )
        return {"network": network, "target": target, **_facts(artifact)}


def _facts(artifact: Artifact) -> dict[str, Any]:
    checked = verify(artifact, runner_for(artifact), SampleChoice(random=1))
    if not checked.exact:
        raise SystemExit(f"{artifact.manifest.name}: does not match the reference")
    manifest, figures = artifact.manifest, estimate_cycles(artifact, ())
    assert manifest.flash is not None
    return {
        **manifest.flash,
        "constants_bytes": manifest.constants_bytes,
        "code_bytes": manifest.code_bytes,
        "plain_bytes": _plain_bytes(load_graph(artifact.path / REFERENCE_FOLDER)),
        "arena_bytes": manifest.arena_bytes,
        "instructions": figures.to_dict()["instructions"],
        "cycles": figures.to_dict()["cycles"],
    }


def _plain_bytes(graph: Graph) -> int:
    """Of int8 weights, and of nine bytes a channel."""
    learned = [layer.parameters for layer in graph.layers if layer.parameters]
    return sum(weight.size + _BYTES_A_CHANNEL * bias.size for weight, bias in learned)


def flash_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line an artefact; instructions and cycles beside those with all that the board has."""
    lines = [
        "| int8 network | target | `--flash-budget` | constants, x weights + 9 B a channel "
        "| constants + code | ST | M instructions | M cycles |",
        "|---|---|---|---|---|---|---|---|",
    ]
    fastest: Mapping[str, Any] = {}
    for row in rows:
        if row["flash"] == "board":
            fastest = row
        asked = "-" if row["flash"] == "board" else f"{row['budget_bytes']}"
        published = PUBLISHED.get(row["network"])
        figures = [
            f"{row[name] / 1e6:.1f} ({row[name] / fastest[name]:.3f})"
            for name in ("instructions", "cycles")
        ]
        lines.append(
            f"| {row['network'].replace('-', '/')} | {row['target']} | {asked} "
            f"| {row['constants_bytes'] / 1024:.0f} KiB, "
            f"{row['constants_bytes'] / row['plain_bytes']:.3f} "
            f"| **{(row['constants_bytes'] + row['code_bytes']) / 1024:.0f} KiB** "
            f"| {'' if published is None else f'{published >> 10} KiB'} | {' | '.join(figures)} |"
        )
    return lines
