"""Arenas of the paper's detector and segmenter, beside a simulation that is not the planner's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgemnv2.lab.memory_simulation import Layer, deeplab_layers, least_bytes, ssdlite_layers

__all__ = ["measure_task_memory", "task_memory_table"]

TARGET = "mps2-an500"
NETWORKS: Mapping[str, tuple[int, Callable[[int], list[Layer]]]] = {
    "ssdlite-mobilenetv2-320-int8": (320, ssdlite_layers),
    "deeplabv3-mobilenetv2-257-int8": (257, deeplab_layers),
}
"""Resolution, and the layers as the simulation has them."""


def measure_task_memory(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Bytes of the plans that `compile --io input` makes, and of the simulation."""
    from edgemnv2.check.analyze import analyze
    from edgemnv2.pipeline import lower_source

    rows = []
    for name, (size, layers) in NETWORKS.items():
        say(name)
        found = analyze(lower_source(name), TARGET, io="input")
        image = (size, 3 * size)
        rows.append(
            {
                "network": name,
                "target": TARGET,
                "arena_bytes": found.arena_bytes,
                "stream_arena_bytes": found.stream_arena_bytes,
                "simulated_bytes": least_bytes(layers(size), image, fed=False),
                "simulated_stream_bytes": least_bytes(layers(size), image, fed=True),
                "layer_by_layer_bytes": found.layer_by_layer_bytes,
            }
        )
    return rows


def task_memory_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ours beside the simulation, KiB."""
    lines = [
        "| network | image in the arena | simulated | by rows | simulated | layer by layer |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            f"**{row['arena_bytes'] / 1024:.1f} KiB**",
            f"{row['simulated_bytes'] / 1024:.1f}",
            f"**{row['stream_arena_bytes'] / 1024:.1f} KiB**",
            f"{row['simulated_stream_bytes'] / 1024:.1f}",
            f"{row['layer_by_layer_bytes'] / 1024:.0f}",
        ]
        lines.append(f"| {row['network']} | {' | '.join(cells)} |")
    return lines
