"""Cores without SIMD: our instructions beside those of TFLM's reference kernels, same emulator."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemnv2.benchmark.latency import random_sample
from edgemnv2.errors import UsageError
from edgemnv2.lab.tflm_peer import Sources, run_reference_kernels
from edgemnv2.ops import execute
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner
from edgemnv2.target import load_target

__all__ = ["measure_scalar", "scalar_table"]

TARGETS = ("cortex-m0plus", "riscv32-virt")
NETWORKS = ("0.35-96", "0.35-144")


def measure_scalar(say: Callable[[str], None], folder: Path | None = None) -> list[dict[str, Any]]:
    """One row a network and target; `folder` has checkouts `tflite-micro`, `gemmlowp`, `ruy`."""
    if folder is None or not (folder / "tflite-micro").is_dir():
        raise UsageError(
            f"{folder or 'no folder'}: expected a folder with checkouts of "
            "tensorflow/tflite-micro, google/gemmlowp and google/ruy"
        )
    sources = Sources(*(folder / name for name in ("tflite-micro", "gemmlowp", "ruy")))
    return [_row(name, target, sources, say) for target in TARGETS for name in NETWORKS]


def _row(network: str, name: str, sources: Sources, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"{network} on {name}")
    target = load_target(name)
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as place:
        folder = Path(place)
        artifact = compile_model(f"mobilenetv2-{network}-int8", name, folder / "net")
        graph = load_graph(artifact.path / REFERENCE_FOLDER)
        sample = random_sample(artifact, 0)
        expected = execute.run(graph, sample, keep=False)[graph.outputs[0]]
        result = make_runner("qemu-system").run(artifact, [sample], repeat=1)
        (x,) = sample.values()
        theirs, output = run_reference_kernels(graph, target, x, sources, folder)
        (ours,) = result.results[0].values()
        if not (ours.tobytes() == expected.tobytes() == output.tobytes()):
            raise SystemExit(f"{network} on {name}: a figure of wrong code is no figure")
        return {
            "network": network,
            "target": name,
            "core": target.cpu.core,
            "macs": artifact.manifest.macs,
            "instructions": int(result.values[0]),
            "tflm_instructions": theirs,
        }


def scalar_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Instructions, by multiply-accumulate too."""
    lines = [
        "| int8 network | core | ours, M instructions | a MAC | TFLM's reference kernels | a MAC "
        "| ours / TFLM |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs, macs = row["instructions"], row["tflm_instructions"], row["macs"]
        lines.append(
            f"| {row['network'].replace('-', '/')} | {row['core']} | **{ours / 1e6:.1f}** "
            f"| {ours / macs:.1f} | {theirs / 1e6:.1f} | {theirs / macs:.1f} "
            f"| **{ours / theirs:.3f}** |"
        )
    return lines
