"""An artefact folder made up for tests of plots and reports: plausible, clearly not compiled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# name, stride, channels; the kernels a small inverted-residual network has.
LAYERS = [
    ("stem", "conv2d", 2, 16),
    ("block1.depthwise", "depthwise", 1, 16),
    ("block1.project", "pointwise", 1, 8),
    ("block2.expand", "pointwise", 1, 48),
    ("block2.depthwise", "depthwise", 2, 48),
    ("block2.project", "pointwise", 1, 8),
    ("block3.expand", "pointwise", 1, 48),
    ("block3.depthwise", "depthwise", 1, 48),
    ("block3.project", "pointwise", 1, 8),
    ("block3.add", "add", 1, 8),
    ("block4.expand", "pointwise", 1, 48),
    ("block4.depthwise", "depthwise", 2, 48),
    ("block4.project", "pointwise", 1, 16),
    ("head", "pointwise", 1, 128),
    ("pool", "pool", 0, 128),
    ("classifier", "dense", 1, 10),
]


def fabricated_layers(size: int = 48) -> list[dict[str, Any]]:
    """Layers with shapes and MACs as a manifest has them; the input is `[size, size, 3]`."""
    layers = []
    side, channels = size, 3
    for name, op, stride, made in LAYERS:
        out = 1 if op == "pool" else side // stride
        per_pixel = {
            "conv2d": 9 * channels * made,
            "depthwise": 9 * made,
            "add": 0,
            "pool": 0,
        }.get(op, channels * made)
        shapes = [[side, side, channels]] * (2 if op == "add" else 1)
        layers.append(
            {
                "name": name,
                "op": op,
                "in": shapes,
                "out": [out, out, made],
                "macs": out * out * per_pixel,
            }
        )
        side, channels = out, made
    return layers


def fabricated_plan(size: int = 48, fed: bool = False) -> dict[str, Any]:
    """A plan in which rows are made on demand and the tensors lie one above the other.

    `fed`: the input's rows are made by steps, too; else they are there from before the start.
    """
    layers = fabricated_layers(size)
    names = ["input"] + [x["name"] for x in layers]
    shapes = [[size, size, 3]] + [x["out"] for x in layers]
    windows = [{"conv2d": 3, "depthwise": 3, "pool": shapes[i][0]}.get(x["op"], 1)
               for i, x in enumerate(layers)]  # fmt: skip
    strides = [max(shapes[i][0] // shapes[i + 1][0], 1) for i in range(len(layers))]
    births: list[list[int]] = [[] if fed else [-1] * size] + [[] for _ in layers]
    last = [[0] * shape[0] for shape in shapes]
    steps: list[list[int]] = []

    def make(layer: int) -> None:
        if layer < 0:
            births[0].append(len(steps))
            steps.append([-1, len(births[0]) - 1])
            return
        row = len(births[layer + 1])
        window = windows[layer]
        first = row * strides[layer] - (window // 2 if window == 3 else 0)
        needed = range(max(first, 0), min(first + window, shapes[layer][0]))
        while len(births[layer]) < needed.stop:
            make(layer - 1)
        step = len(steps)
        for source in needed:
            last[layer][source] = step
        steps.append([layer, row])
        births[layer + 1].append(step)
        last[layer + 1][row] = step

    while len(births[-1]) < shapes[-1][0]:
        make(len(layers) - 1)
    last[-1] = [len(steps)] * len(last[-1])

    tensors, base = [], 0
    for name, shape, first, end in zip(names, shapes, births, last, strict=True):
        depth = 1
        for row in range(shape[0]):
            alive = sum(1 for r in range(row, shape[0]) if first[r] <= end[row])
            depth = max(depth, alive)
        row_bytes = shape[1] * shape[2]
        tensors.append(
            {
                "name": name,
                "height": shape[0],
                "row_bytes": row_bytes,
                "base": base,
                "depth": depth,
                "slots": [base + slot * row_bytes for slot in range(depth)],
                "external": False,
                "first": first,
                "last": end,
            }
        )
        base += depth * row_bytes
    live = [
        sum(
            t["row_bytes"]
            for t in tensors
            for f, e in zip(t["first"], t["last"], strict=True)
            if f <= step <= e
        )
        for step in range(len(steps))
    ]
    return {
        "arena_bytes": base,
        "lower_bound_bytes": max(live),
        "align_bytes": 8,
        "steps": steps,
        "ops": [{"name": x["name"], "scratch_bytes": 0, "scratch_base": None} for x in layers],
        "tensors": tensors,
        "live_bytes_per_step": live,
        "peak_step": live.index(max(live)),
    }


def fabricated_manifest(
    name: str = "made_up", target: str = "mps2-an500", size: int = 48
) -> dict[str, Any]:
    """A manifest of `DESIGN`'s keys; schedules tuned, default and fallback all occur."""
    layers, plan = fabricated_layers(size), fabricated_plan(size)
    schedules = ["default", "record-17", "default", "fallback"]
    tensor = {"dtype": "int8", "scale": 0.0078125, "zero_point": -1}
    return {
        "schema": 1,
        "name": name,
        "target": target,
        "model": {"source": "made_up_for_tests.onnx", "sha256": "0" * 64},
        "inputs": [{"name": "input", "shape": [1, size, size, 3], **tensor}],
        "outputs": [{"name": "logits", "shape": [1, 1, 1, 10], **tensor}],
        "arena_bytes": plan["arena_bytes"],
        "arena_lower_bound_bytes": plan["lower_bound_bytes"],
        "stream_arena_bytes": fabricated_plan(size, fed=True)["arena_bytes"],
        "constants_bytes": 23456,
        "code_bytes": 34567,
        "macs": sum(x["macs"] for x in layers),
        "layers": layers,
        "kernels": [
            {
                "name": x["name"],
                "op": x["op"],
                "shape": x["out"],
                "schedule": schedules[i % 4],
                "decisions": {"rows": 2, "tile": "4x8", "order": "panel", "weights": "int16"},
            }
            for i, x in enumerate(layers)
        ],
    }


def write_artifact(folder: Path, **manifest: Any) -> Path:
    """`folder` with `manifest.json` and `memory_plan.json`, as `compile` would leave them."""
    folder.mkdir(parents=True)
    content = fabricated_manifest(**manifest)
    (folder / "manifest.json").write_text(json.dumps(content))
    size = content["inputs"][0]["shape"][1]
    (folder / "memory_plan.json").write_text(
        json.dumps(fabricated_plan(size) | {"stream": fabricated_plan(size, fed=True)})
    )
    return folder
