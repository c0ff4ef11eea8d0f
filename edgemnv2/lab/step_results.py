"""The longest step of an inference in pieces, on every core of ours that an emulator has.

It is what an RTOS task or a watchdog beside `<name>_step` must be able to wait for.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.benchmark.latency import longest_step, random_sample
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner
from edgemnv2.runners.qemu_system import emulated_board
from edgemnv2.target import load_target, target_names

__all__ = ["longest_steps", "measure_steps", "steps_table"]

NETWORK = "mobilenetv2-0.35-96-int8"
STORED = Path(__file__).parent / "results" / "steps.json"


def measure_steps(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row a target that is an emulated microcontroller board."""
    rows = []
    for name in target_names():
        target = load_target(name)
        if not target.is_bare_metal or target.runner != "qemu-system":
            continue
        say(f"{NETWORK} on {name}")
        with tempfile.TemporaryDirectory() as folder:
            artifact = compile_model(NETWORK, name, Path(folder) / "net")
            result = make_runner("qemu-system").run(
                artifact, [random_sample(artifact, 0)], repeat=1, layers=True
            )
            longest = longest_step(artifact, result)
            assert longest is not None, "an emulator counts"
            rows.append(
                {
                    "target": name,
                    "core": target.cpu.core,
                    "steps": artifact.manifest.steps,
                    "layer": longest.layer,
                    "instructions": longest.instructions,
                    "inference": int(result.values[0]),
                }
            )
    return rows


def steps_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The longest step beside the whole inference."""
    lines = [
        "| core | steps | longest, instructions | made | whole inference |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['core']} | {row['steps']} | **{row['instructions']:,}** | {row['layer']} "
            f"| {row['inference'] / 1e6:.1f} M |"
        )
    return lines


def longest_steps() -> dict[str, int]:
    """Instructions by target, for every target whose code one of the emulated boards runs."""
    rows = json.loads(STORED.read_text(encoding="utf-8"))["rows"]
    counted = {row["target"]: int(row["instructions"]) for row in rows}
    found = {}
    for name in target_names():
        target = load_target(name)
        board = emulated_board(target) if target.is_bare_metal else None
        # The same code; a RISC-V with other units is given other code.
        if board is None or board.toolchain.mcpu != target.toolchain.mcpu:
            continue
        if board.name in counted:
            found[name] = counted[board.name]
    return found
