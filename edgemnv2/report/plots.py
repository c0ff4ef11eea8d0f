"""Pictures of a compiled network as SVG text: work per block, sizes, curves.

Each function returns one complete `<svg>` element that stands alone as a file and can be put into a
page as it is: colours follow the reader's light or dark setting, print is light, and hovering over
a shape names it. No drawing library is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgemnv2.manifest import Manifest
from edgemnv2.report.canvas import (
    LEFT,
    RIGHT,
    TIMES,
    WIDTH,
    Canvas,
    kib,
    si,
    ticks,
)

__all__ = [
    "ROLES",
    "block_of",
    "blocks_of",
    "line_svg",
    "macs_svg",
    "role_class",
    "role_of",
    "sizes_svg",
]

# -- work per block ----------------------------------------------------------------------------

ROLES = ("expand", "depthwise", "project", "convolution", "classifier")
"""Roles with a colour, `.c0` to `.c4`; whatever else is grey."""


def role_of(layer: Mapping[str, Any]) -> str:
    """What a layer does in its block: one of `ROLES`, or `other`."""
    op, last = str(layer.get("op", "")), str(layer.get("name", "")).rpartition(".")[2]
    if op == "depthwise" or last == "depthwise":
        return "depthwise"
    if op in ("conv2d", "convolution"):
        return "convolution"
    if op == "dense":
        return "classifier"
    if op != "pointwise":
        return "other"
    if last in ("expand", "project"):
        return last
    if last == "head":
        return "convolution"
    made, taken = shape_of(layer.get("out")), shape_of(layer.get("in"))
    if made[:2] == [1, 1]:
        return "classifier"
    return "expand" if made[-1:] > taken[-1:] else "project"


def shape_of(value: Any) -> list[int]:
    """`[H, W, C]` of a layer's `in` or `out`; the first one where there are several."""
    if isinstance(value, Mapping):
        value = value.get("shape")
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return []
    return shape_of(value[0]) if not isinstance(value[0], int) else [int(x) for x in value]


def block_of(name: str) -> str:
    """The block that a layer belongs to: its name up to the dot."""
    return name.partition(".")[0]


def blocks_of(layers: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Layers with one name before the dot, as `(block name, layers)`, by their first layers.

    Those of a head stand in several places of a detector's order.
    """
    blocks: dict[str, list[Mapping[str, Any]]] = {}
    for layer in layers:
        blocks.setdefault(block_of(str(layer.get("name", ""))), []).append(layer)
    return list(blocks.items())


def macs_svg(
    layers: Sequence[Mapping[str, Any]], key: str = "macs", words: str = "multiply-accumulates"
) -> str:
    """Bars of work per block, coloured by what each layer does; the layers' names on hovering.

    `layers` are those of a manifest. `key` may name another count they hold (`instructions`,
    `seconds`), which `words` then describes.
    """
    blocks = blocks_of([x for x in layers if x.get(key)])
    total = sum(float(x[key]) for _, group in blocks for x in group)
    top, pitch = 58, 20
    canvas = Canvas(top + pitch * len(blocks) + 12, f"{words} per block, {si(total)} in all")
    canvas.text(12, 20, f"{words[:1].upper()}{words[1:]} per block, {si(total)} in all")
    used = [r for r in (*ROLES, "other") if any(role_of(x) == r for _, g in blocks for x in g)]
    x = 12.0
    for role in used:
        canvas.rect(x, 32, 11, 11, role_class(role))
        canvas.text(x + 16, 42, role, "soft")
        x += 32 + 7 * len(role)
    start = 24 + 7 * min(max((len(name) for name, _ in blocks), default=0), 24)
    end = WIDTH - 190
    largest = max((sum(float(x[key]) for x in group) for _, group in blocks), default=1)
    for index, (name, group) in enumerate(blocks):
        y = top + index * pitch
        short = name if len(name) <= 24 else name[:23] + "…"
        canvas.text(start - 8, y + 12, short, "", "end")
        at = float(start)
        for layer in group:
            value = float(layer[key])
            width = value / largest * (end - start)
            title = f"{layer.get('name')}: {si(value)} ({100 * value / total:.1f} %)"
            canvas.rect(at, y, width, pitch - 5, role_class(role_of(layer)), title)
            at += width
        made = shape_of(group[-1].get("out"))
        value = sum(float(x[key]) for x in group)
        words_right = f"{si(value)}  {100 * value / total:.1f} %"
        if made:
            words_right += "  → " + TIMES.join(map(str, made))
        canvas.text(at + 6, y + 12, words_right, "soft")
    return canvas.svg()


def role_class(role: str) -> str:
    """The class of its colour."""
    return f"c{ROLES.index(role)}" if role in ROLES else "other"


# -- a curve -----------------------------------------------------------------------------------


def line_svg(points: Sequence[tuple[float, float]], title: str, x_words: str, y_words: str) -> str:
    """One curve through `points`, both axes from zero: best cost over trials, say."""
    height, top = 220, 40
    floor, right = height - 40, WIDTH - RIGHT
    canvas = Canvas(height, title)
    canvas.text(LEFT, 20, title)
    canvas.text(right, 20, y_words, "soft", "end")
    x_most = max((x for x, _ in points), default=1) or 1
    y_most = max((y for _, y in points), default=1) or 1
    for tick in ticks(y_most):
        y = floor - tick / y_most * (floor - top)
        canvas.line(LEFT, y, right, y)
        canvas.text(LEFT - 8, y + 4, si(tick), "soft", "end")
    for tick in ticks(x_most, 8):
        x = LEFT + tick / x_most * (right - LEFT)
        canvas.text(x, floor + 18, f"{tick:g}", "soft", "middle")
    canvas.text(right, height - 6, x_words, "soft", "end")
    canvas.polyline(
        [
            (LEFT + x / x_most * (right - LEFT), floor - y / y_most * (floor - top))
            for x, y in points
        ],
        "curve s0",
    )
    canvas.line(LEFT, floor, right, floor, "axis")
    return canvas.svg()


def sizes_svg(artifacts: Sequence[tuple[str, Manifest]]) -> str:
    """RAM and flash of several artefacts as bars, from `(label, manifest)` pairs."""
    top, pitch, start = 58, 20, 250
    parts = (
        ("RAM", (("arena_bytes", "arena", "c0"),)),
        ("flash", (("constants_bytes", "constants", "c1"), ("code_bytes", "code", "c2"))),
    )
    sums = [
        sum(float(getattr(manifest, key)) for key, _, _ in keys)
        for _, manifest in artifacts
        for _, keys in parts
    ]
    largest = max([*sums, 1.0])
    canvas = Canvas(top + (2 * pitch + 10) * len(artifacts), "RAM and flash of each artefact")
    canvas.text(12, 20, "RAM and flash")
    x = 12.0
    for _, name, kind in (part for _, keys in parts for part in keys):
        canvas.rect(x, 32, 11, 11, kind)
        canvas.text(x + 16, 42, name, "soft")
        x += 32 + 7 * len(name)
    y = float(top)
    for label, manifest in artifacts:
        short = label if len(label) <= 28 else label[:27] + "…"
        canvas.text(start - 48, y + 12, short, "", "end")
        for words, keys in parts:
            canvas.text(start - 8, y + 12, words, "soft", "end")
            at = float(start)
            for key, name, kind in keys:
                size_bytes = float(getattr(manifest, key))
                width = size_bytes / largest * (WIDTH - 100 - start)
                canvas.rect(at, y, width, pitch - 5, kind, f"{label}, {name}: {kib(size_bytes)}")
                at += width
            total = sum(float(getattr(manifest, key)) for key, _, _ in keys)
            canvas.text(at + 6, y + 12, kib(total), "soft")
            y += pitch
        y += 10
    return canvas.svg()
