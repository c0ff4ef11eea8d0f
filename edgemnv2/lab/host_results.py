"""Ours beside LiteRT, onnxruntime and ncnn on this computer: the figures of the README's table.

Real time needs a quiet machine. Where the system lets us, timing runs at real-time priority, so
that other work waits; `priority` and `notes` of every row say how quiet it was.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.against import against
from edgemnv2.benchmark.latency import bench
from edgemnv2.lab.speed_up import core_distance, speed_up
from edgemnv2.pipeline import compile_model
from edgemnv2.provenance import cpu_model
from edgemnv2.runners.local import LocalRunner
from edgemnv2.target import load_target, missing_local_features

__all__ = ["host_table", "machine", "measure_host", "undisturbed"]

FLOAT_MODEL = "mobilenetv2-1.0-224"
INT8_MODEL = "mobilenetv2-1.0-224-int8"
TARGETS = ("x86-64-v3", "x86-64-v4-vnni")
PEERS = {"float32": ("litert", "onnxruntime", "ncnn"), "int8": ("litert", "onnxruntime")}
ROUNDS = 100
# A round trip between two cores that share a cache; see `core_distance`.
NEAR_SECONDS = 150e-9
ATTEMPTS = 8
WAIT_SECONDS, WAITS = 4.0, 30
# Of 1 to 99; above all that is not real-time, below what the kernel needs for itself.
_PRIORITY = 50
# Of a float network's largest output; more is another network or a wrong one.
FLOAT_TOLERANCE = 1e-4
_FLAGS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512vbmi", "avx512_vnni", "avx512_bf16")


def machine() -> dict[str, Any]:
    """The processor, and which of the features that matter here it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    words = set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())
    return {
        "cpu": cpu_model(),
        "isa": platform.machine(),
        "cores": os.cpu_count() or 1,
        "features": [flag for flag in _FLAGS if flag in words],
    }


def measure_host(
    say: Callable[[str], None], int8_model: Path | None = None
) -> list[dict[str, Any]]:
    """Every target that runs here, float32 and int8, one and two threads, and the C program's RSS.

    `int8_model`: a .tflite to take instead of the built-in network; LiteRT runs that very file.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        for target in TARGETS:
            if missing_local_features(load_target(target)):
                say(f"{target}: this processor cannot run it, left out")
                continue
            for dtype, peers in PEERS.items():
                given = int8_model if dtype == "int8" else None
                source = given or (INT8_MODEL if dtype == "int8" else FLOAT_MODEL)
                artifact = compile_model(source, target, Path(folder) / f"{target}-{dtype}")
                models = [given] if given else []
                rows += _rows(artifact, dtype, peers, models, say)
    return rows


def _await_near_cores(say: Callable[[str], None]) -> float:
    """The distance of the cores, as soon as they are near or we have waited long enough."""
    for left in reversed(range(WAITS)):
        with undisturbed():
            distance = core_distance()
        if distance <= NEAR_SECONDS or not left:
            break
        say(f"the cores are {distance * 1e9:.0f} ns apart, waiting for {NEAR_SECONDS * 1e9:.0f}")
        time.sleep(WAIT_SECONDS)
    return distance


@contextmanager
def undisturbed() -> Iterator[str]:
    """ "real-time" while nothing else may take the cores, "normal" where that is not allowed.

    Threads and programs started meanwhile inherit it. Every engine runs under it alike.
    """
    if sys.platform != "linux":
        yield "normal"
        return
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError:
        yield "normal"
        return
    try:
        yield "real-time"
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))


def _rows(
    artifact: Artifact,
    dtype: str,
    peers: Sequence[str],
    models: Sequence[Path],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    rows = []
    for threads in (1, 2):
        say(f"{artifact.manifest.model.name} on {artifact.target.name}, threads {threads}")
        for _ in range(ATTEMPTS):
            # One thread does not care.
            distance = _await_near_cores(say) if threads > 1 else 0.0
            given_up = distance > NEAR_SECONDS
            with undisturbed() as priority:
                result = against(artifact, peers, models, rounds=ROUNDS, threads=threads)
                program = bench(artifact, LocalRunner(), repeat=ROUNDS, threads=threads)
                faster = speed_up(artifact, threads, ROUNDS) if threads > 1 else None
                distance = max(distance, core_distance()) if threads > 1 else 0.0
            if given_up or distance <= NEAR_SECONDS:
                break
            say("the cores moved apart meanwhile, once more")
        for name, figure in result.against.items():
            wrong = figure.max_abs_error is None or (
                dtype == "float32"
                and figure.max_abs_error > FLOAT_TOLERANCE * result.max_abs_output
            )
            if wrong:
                raise SystemExit(f"{name}: computes something else than {artifact.path}")
        rows.append(
            {
                "network": "1.0-224",
                "dtype": dtype,
                "model": asdict(artifact.manifest.model),
                "machine": machine(),
                **result.to_dict(),
                "bench_program_median": program.median,
                "peak_rss_bytes": program.peak_rss_bytes,
                "constants_bytes": artifact.manifest.constants_bytes,
                "speed_up": None if faster is None else asdict(faster),
                "priority": priority,
                "core_distance": distance,
            }
        )
    return rows


def host_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a network, target and number of threads."""
    where = rows[0]["machine"]
    farthest = max(row["core_distance"] for row in rows if row["threads"] > 1)
    lines = [
        f"{where['cpu']}, {where['cores']} cores at most {farthest * 1e9:.0f} ns apart, "
        f"{', '.join(where['features'])}",
        "",
        "| 1.0/224 | target, threads | ours, ms | theirs, ms: ours / theirs "
        "| one thread / two | peak RSS, constants |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        others = ", ".join(
            f"{name} {peer['median'] * 1e3:.2f}: **{peer['ratio']:.3f}**"
            for name, peer in row["against"].items()
        )
        faster = "" if row["speed_up"] is None else f"{row['speed_up']['ratio']:.2f}"
        memory = f"{row['peak_rss_bytes'] / 2**20:.1f}, {row['constants_bytes'] / 2**20:.1f} MiB"
        lines.append(
            f"| {row['dtype']} | {row['target']}, {row['threads']} | {row['median'] * 1e3:.2f} "
            f"| {others} | {faster} | {memory} |"
        )
    return lines
