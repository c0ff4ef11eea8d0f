"""The paper's detector and segmenter beside LiteRT: seconds here, instructions on Raspberry Pis.

Seconds are ratios pair by pair (`benchmark/against.py`), at real-time priority where the system
lets us; `host` is what this processor can do. Instructions are counted in the emulator, LiteRT's
own wheel for Arm under the same counting. LiteRT has the very network, in its own format.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.against import against
from edgemnv2.benchmark.emulated_peers import trace_peer
from edgemnv2.benchmark.engines.table import write_model
from edgemnv2.benchmark.latency import bench, random_sample
from edgemnv2.lab.host_results import machine, undisturbed
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner
from edgemnv2.target import load_target, missing_local_features

__all__ = [
    "measure_task_instructions",
    "measure_task_seconds",
    "task_instructions_table",
    "task_seconds_table",
]

NETWORKS = (
    "ssdlite-mobilenetv2-320",
    "ssdlite-mobilenetv2-320-int8",
    "deeplabv3-mobilenetv2-257",
    "deeplabv3-mobilenetv2-257-int8",
)
HOSTS = ("x86-64-v3", "host")
BOARDS = ("rpi4", "rpi5")
PEER = "litert"
ROUNDS = 100


def measure_task_seconds(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Every network on every target that runs here, one thread."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        for target in HOSTS:
            if missing_local_features(load_target(target)):
                say(f"{target}: this processor cannot run it, left out")
                continue
            for network in NETWORKS:
                say(f"{network} on {target}")
                artifact = compile_model(network, target, Path(folder) / f"{network}-{target}")
                with undisturbed() as priority:
                    result = against(artifact, (PEER,), rounds=ROUNDS)
                rows.append(
                    {
                        "network": network,
                        "asked": target,
                        **result.to_dict(),
                        "machine": machine(),
                        "priority": priority,
                    }
                )
    return rows


def measure_task_instructions(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Every network on every board, one inference in steady state."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        for board in BOARDS:
            for network in NETWORKS:
                say(f"{network} on {board}")
                artifact = compile_model(network, board, Path(folder) / f"{network}-{board}")
                rows.append({"network": network, "target": board, **_counted(artifact)})
                say(f"ours / {PEER}: {rows[-1]['instructions'] / rows[-1][PEER]:.3f}")
    return rows


def _counted(artifact: Artifact) -> dict[str, Any]:
    """Instructions of an inference, ours and the peer's."""
    ours = bench(artifact, make_runner("qemu-user"))
    sample = random_sample(artifact, 0)
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        model = write_model(PEER, load_graph(artifact.path / REFERENCE_FOLDER), Path(folder))
        theirs = trace_peer(artifact, PEER, model, sample, caches=False)
    return {
        "instructions": int(ours.median),
        PEER: theirs.instructions,
        "version": theirs.version,
    }


def task_seconds_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a network, the targets beside each other."""
    where = rows[0]["machine"]
    lines = [
        f"{where['cpu']}, {', '.join(where['features'])}; one thread, "
        f"{rows[0]['rounds']} pairs, LiteRT {rows[0]['against'][PEER]['version']}",
        "",
        "| network | target | ours, ms | LiteRT, ms | ours / LiteRT, median (5 %, 95 %) |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        peer = row["against"][PEER]
        ends = f"{peer['ratio_p05']:.3f}, {peer['ratio_p95']:.3f}"
        target = row["target"]
        if row["asked"] != target:
            target = f"{row['asked']} = {target}"
        lines.append(
            f"| {row['network']} | {target} | {row['median'] * 1e3:.2f} "
            f"| {peer['median'] * 1e3:.2f} | **{peer['ratio']:.3f}** ({ends}) |"
        )
    return lines


def task_instructions_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a network and board."""
    lines = [
        "| network | target | ours, M instructions "
        f"| LiteRT {rows[0]['version']} | ours / LiteRT |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs = row["instructions"], row[PEER]
        lines.append(
            f"| {row['network']} | {row['target']} | {ours / 1e6:.1f} | {theirs / 1e6:.1f} "
            f"| **{ours / theirs:.3f}** |"
        )
    return lines
