"""Two cores beside one on the Picos: instructions, the time that waiting adds, arenas.

Instructions of the busier core are counted on QEMU's Musca-B1, without waiting. What waiting adds
is replayed: every step takes the instructions that it took on one core, and begins when it may.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.memory.core_plan import replay_span
from edgemnv2.passes.share_channels import share_channels
from edgemnv2.pipeline import (
    CompileOptions,
    compile_model,
    lower_source,
    plan_network,
)
from edgemnv2.runners import RunnerOptions, make_runner
from edgemnv2.target import load_target

__all__ = ["core_table", "measure_cores"]

RUNS = (
    ("rpi-pico", "mobilenetv2-0.35-96-int8"),
    ("rpi-pico2", "mobilenetv2-0.35-96-int8"),
    ("rpi-pico2", "mobilenetv2-1.0-224-int8"),
)
BOTH = CompileOptions(threads=2)


def measure_cores(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row a board and network."""
    return [_row(target, network, say) for target, network in RUNS]


def _row(target: str, network: str, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"{network} on {target}")
    runner = make_runner("qemu-system", RunnerOptions(emulate=True))
    with tempfile.TemporaryDirectory() as folder:
        one = compile_model(network, target, Path(folder) / "one")
        two = compile_model(network, target, Path(folder) / "two", BOTH)
        sample = random_sample(one, 0)
        alone = runner.run(one, [sample], repeat=1)
        shared = runner.run(two, [sample], repeat=1, threads=2)
        steps = runner.run(two, [sample], layers=True).step_values
        for name, expected in alone.results[0].items():
            assert (shared.results[0][name] == expected).all(), (
                "a figure of wrong code is no figure"
            )
        return {
            "target": target,
            "core": one.target.cpu.core,
            "network": network,
            "instructions": int(alone.values[0]),
            "busier_core": int(shared.values[0]),
            "with_waiting": int(_span(two, network, steps)),
            "arena_bytes": one.arena_bytes,
            "two_cores_arena_bytes": two.manifest.threads_arena_bytes[2],
        }


def _span(artifact: Artifact, network: str, took: Sequence[float]) -> float:
    """When both cores are done, if every step takes as long as it did on one core."""
    target = load_target(artifact.target.name)
    plan = plan_network(share_channels(lower_source(network)), target, BOTH)
    assert plan.cores is not None
    program = plan.cores.cores.program
    by_step = dict(zip(plan.whole.program.steps, took, strict=True))
    return replay_span(plan.cores, [by_step[step] for step in program.steps])[0]


def core_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each figure beside that of one core."""
    lines = [
        "| int8 network | core | one core, M instructions | busier of two | waiting included "
        "| arena, KiB | of two |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        one = row["instructions"]
        share = [f"{row[key] / one:.3f} x" for key in ("busier_core", "with_waiting")]
        arena, both = row["arena_bytes"], row["two_cores_arena_bytes"]
        name = row["network"].removeprefix("mobilenetv2-").removesuffix("-int8").replace("-", "/")
        lines.append(
            f"| {name} | {row['core']} | {one / 1e6:.1f} | **{share[0]}** | {share[1]} "
            f"| {arena / 1024:.1f} | {both / 1024:.1f}, {both / arena:.2f} x |"
        )
    return lines
