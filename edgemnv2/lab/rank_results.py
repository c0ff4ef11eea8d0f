"""How estimated cycles and counted instructions order kernels, beside time on this computer.

The figures are those of whole layers, which a median of many inferences times. Large layers take
longer by any metric; what tells metrics apart is how they order the cost of one multiplication, so
both are told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.benchmark.cycles import estimate_cycles
from edgemnv2.benchmark.latency import bench
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner

__all__ = ["measure_ranks", "rank_correlation", "ranks_table"]

NETWORKS = ("1.0-224", "1.0-224-int8", "0.35-96-int8")
TARGET = "x86-64-v3"
INFERENCES = 200


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: that of the ranks; equal values share the mean of their ranks."""
    ranks = [_ranks(np.asarray(values, float)) for values in (first, second)]
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: np.ndarray[Any, Any] = (last - (counts - 1) / 2)[place]
    return mean


def measure_ranks(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row a network: cycles, instructions and seconds of every layer, and their ranks."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        for network in NETWORKS:
            say(f"{network} on {TARGET}")
            artifact = compile_model(f"mobilenetv2-{network}", TARGET, Path(folder) / network)
            timed = bench(artifact, make_runner("local"), repeat=INFERENCES, per_layer=True)
            estimate = estimate_cycles(artifact, ())
            seconds = {layer.name: layer.value for layer in timed.layers}
            layers = [layer for layer in estimate.layers if layer.macs and layer.name in seconds]
            columns = {
                "seconds": [seconds[layer.name] for layer in layers],
                "cycles": [layer.figure.cycles for layer in layers],
                "instructions": [float(layer.figure.instructions) for layer in layers],
            }
            macs = np.array([layer.macs for layer in layers])
            row: dict[str, Any] = {
                "network": network.removesuffix("-int8"),
                "dtype": "int8" if network.endswith("-int8") else "float32",
                "target": TARGET,
                "model": estimate.model,
                "layers": len(layers),
            }
            for metric in ("cycles", "instructions"):
                row[metric] = rank_correlation(columns[metric], columns["seconds"])
                per_mac = [np.array(columns[name]) / macs for name in (metric, "seconds")]
                row[f"{metric}_per_mac"] = rank_correlation(*per_mac)
            rows.append(row)
    return rows


def ranks_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a network."""
    lines = [
        "| network | target | layers | cycles: layer, per MAC | instructions: layer, per MAC |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"{row['network'].replace('-', '/')} {row['dtype']}"
        cells = (f"{row[m]:.3f}, **{row[f'{m}_per_mac']:.3f}**" for m in ("cycles", "instructions"))
        lines.append(f"| {name} | {row['target']} | {row['layers']} | {' | '.join(cells)} |")
    return lines
