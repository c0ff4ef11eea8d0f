"""Pictures of a compiled network as SVG text: memory over the steps, work per block.

Each function returns one complete `<svg>` element that stands alone as a file and can be put into a
page as it is: colours follow the reader's light or dark setting, print is light, and hovering over
a shape names it. No drawing library is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from edgemnv2.manifest import Manifest
from edgemnv2.report.canvas import (
    LEFT,
    PALETTE,
    RIGHT,
    TIMES,
    WIDTH,
    Canvas,
    coordinate,
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
    "memory_svg",
    "role_class",
    "role_of",
    "sizes_svg",
]

# -- memory over the steps ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """Neighbouring rows of a tensor that live through the same steps, both ends included."""

    first: int
    last: int
    offset: int
    size_bytes: int


def _pieces(tensor: Mapping[str, Any]) -> list[_Piece]:
    """Where the rows of `tensor` lie and when; rows that form one rectangle are joined."""
    row_bytes = int(tensor["row_bytes"])
    slots = tensor.get("slots") or [
        int(tensor["base"]) + slot * row_bytes for slot in range(int(tensor["depth"]))
    ]
    pieces: list[_Piece] = []
    for row, (first, last) in enumerate(zip(tensor["first"], tensor["last"], strict=True)):
        offset = int(slots[row % len(slots)])
        before = pieces[-1] if pieces else None
        if (
            before is not None
            and (before.first, before.last) == (first, last)
            and before.offset + before.size_bytes == offset
        ):
            joined = before.size_bytes + row_bytes
            pieces[-1] = _Piece(first, last, before.offset, joined)
        else:
            pieces.append(_Piece(first, last, offset, row_bytes))
    return pieces


def _in_arena(plan: Mapping[str, Any], steps: int) -> list[dict[str, Any]]:
    """Tensors that lie in the arena, with live ranges cut to the program's steps.

    What is there before the first step or kept after the last has a step just outside.
    """
    tensors = []
    for tensor in plan.get("tensors", ()):
        if len(tensor.get("first", ())) and not tensor.get("external"):
            cut = {key: [min(max(x, 0), steps - 1) for x in tensor[key]] for key in _ENDS}
            tensors.append({**tensor, **cut})
    return tensors


_ENDS = ("first", "last")


def _live_bytes(plan: Mapping[str, Any], steps: int) -> list[int]:
    """Live bytes at each step: the plan's own figures, or counted from rows and scratch."""
    if plan.get("live_bytes_per_step"):
        return [int(x) for x in plan["live_bytes_per_step"]]
    change = [0] * (steps + 1)
    for tensor in _in_arena(plan, steps):
        for first, last in zip(tensor["first"], tensor["last"], strict=True):
            change[first] += int(tensor["row_bytes"])
            change[last + 1] -= int(tensor["row_bytes"])
    live = list(accumulate(change))[:steps]
    ops = plan.get("ops", ())
    for step, (op, _) in enumerate(plan.get("steps", ())):
        if 0 <= op < len(ops):
            live[step] += int(ops[op].get("scratch_bytes", 0))
    return live


def _step_name(plan: Mapping[str, Any], step: int) -> str:
    """What runs at `step`: `block3.expand, row 17`."""
    steps, ops = plan.get("steps", ()), plan.get("ops", ())
    if not 0 <= step < len(steps):
        return ""
    op, row = steps[step]
    return f"{ops[op]['name']}, row {row}" if 0 <= op < len(ops) else f"next input row, {row}"


def memory_svg(plan: Mapping[str, Any]) -> str:
    """What lives where in the arena over the steps, and the live bytes below; the peak is marked.

    `plan` is the content of an artefact's `memory_plan.json`. One rectangle is a row of a tensor
    (or several that live equally long): from the step that makes it to the last that reads it.
    """
    steps = len(plan["steps"])
    tensors = _in_arena(plan, steps)
    live = _live_bytes(plan, steps)
    arena = int(plan["arena_bytes"])
    bound = int(plan.get("lower_bound_bytes") or max(live, default=0))
    peak = plan.get("peak_step")
    peak = live.index(max(live)) if peak is None and live else int(peak or 0)

    map_top, map_height, gap, live_height = 40, 320, 56, 120
    live_top = map_top + map_height + gap
    canvas = Canvas(live_top + live_height + 44, f"memory over {steps} steps, arena {kib(arena)}")
    right = WIDTH - RIGHT
    across = (right - LEFT) / steps

    def x_of(step: float) -> float:
        return LEFT + step * across

    def axis(top: float, height: float, maximum: float) -> float:
        """Horizontal grid in KiB; returns pixels per byte."""
        scale = height / max(maximum, 1)
        for tick in ticks(maximum / 1024):
            y = top + height - tick * 1024 * scale
            canvas.line(LEFT, y, right, y)
            canvas.text(LEFT - 8, y + 4, f"{tick:g} KiB", "soft", "end")
        return scale

    canvas.text(LEFT, 22, f"What lives where in the arena ({kib(arena)})")
    scale = axis(map_top, map_height, arena)
    floor = map_top + map_height
    labels: list[tuple[float, float, float, str]] = []
    for index, tensor in enumerate(tensors):
        data = []
        pieces = _pieces(tensor)
        for piece in pieces:
            top = floor - (piece.offset + piece.size_bytes) * scale
            width = coordinate((piece.last - piece.first + 1) * across)
            height = coordinate(piece.size_bytes * scale)
            data.append(
                f"M{coordinate(x_of(piece.first))} {coordinate(top)}h{width}v{height}h-{width}z"
            )
        depth = len(tensor.get("slots") or ()) or int(tensor["depth"])
        kept = "whole" if depth >= len(tensor["first"]) else f"{depth} kept"
        size_bytes = depth * int(tensor["row_bytes"])
        title = (
            f"{tensor['name']}: {len(tensor['first'])} rows of {kib(tensor['row_bytes'])}, "
            f"{kept}, {kib(size_bytes)}, steps {min(tensor['first'])} to {max(tensor['last'])}"
        )
        canvas.path("".join(data), f"c{index % PALETTE}", title, 0.82)
        middle = pieces[len(pieces) // 2]
        wide = (max(tensor["last"]) - min(tensor["first"]) + 1) * across
        if wide > 7 * len(tensor["name"]) and size_bytes * scale > 13:
            centre = x_of((middle.first + middle.last + 1) / 2)
            y = floor - (middle.offset + middle.size_bytes / 2) * scale
            labels.append((size_bytes * wide, centre, y, str(tensor["name"])))
    _place_labels(canvas, labels)
    for op_index, op in enumerate(plan.get("ops", ())):
        offset = op.get("scratch_base")
        if offset is None or not op.get("scratch_bytes"):
            continue
        height = op["scratch_bytes"] * scale
        y = floor - (offset + op["scratch_bytes"]) * scale
        boxes = "".join(
            f"M{coordinate(x_of(step))} {coordinate(y)}h{coordinate(across)}v{coordinate(height)}"
            f"h-{coordinate(across)}z"
            for step, (which, _) in enumerate(plan["steps"])
            if which == op_index
        )
        canvas.path(boxes, "other", f"scratch of {op['name']}: {kib(op['scratch_bytes'])}", 0.6)

    peak_bytes = max(live, default=0)
    canvas.text(
        LEFT, live_top - 14, f"Live bytes: at most {kib(peak_bytes)}, lower bound {kib(bound)}"
    )
    scale = axis(live_top, live_height, max(arena, peak_bytes))
    floor = live_top + live_height
    outline = [f"M{coordinate(LEFT)} {coordinate(floor)}"]
    for value, run in groupby(enumerate(live), key=lambda item: item[1]):
        length = sum(1 for _ in run)
        outline.append(f"V{coordinate(floor - value * scale)}h{length * across:.2f}")
    canvas.path("".join(outline) + f"V{coordinate(floor)}z", "c0", "live bytes", 0.55)
    canvas.line(LEFT, floor - bound * scale, right, floor - bound * scale, "bound")
    canvas.line(LEFT, floor, right, floor, "axis")
    for tick in ticks(steps, 8):
        if tick <= steps and float(tick).is_integer():
            canvas.text(x_of(tick), floor + 18, f"{tick:.0f}", "soft", "middle")
    canvas.text(right, floor + 36, "step of the row program", "soft", "end")

    mark = x_of(peak + 0.5)
    canvas.line(mark, map_top, mark, floor, "mark")
    words = f"peak at step {peak}: {_step_name(plan, peak)}".removesuffix(": ")
    beyond = mark + 7 * len(words) > right
    canvas.text(mark + (-6 if beyond else 6), 36, words, "alert", "end" if beyond else "start")
    return canvas.svg()


def _place_labels(canvas: Canvas, labels: Sequence[tuple[float, float, float, str]]) -> None:
    """Names of the largest tensors first; one that would cover another is left out."""
    taken: list[tuple[float, float, float]] = []
    for _, x, y, name in sorted(labels, key=lambda item: (-item[0], item[3])):
        half = 3.5 * len(name)
        x = min(max(x, LEFT + half), WIDTH - RIGHT - half)
        if all(abs(x - x1) > half + h1 or abs(y - y1) > 13 for x1, y1, h1 in taken):
            taken.append((x, y, half))
            canvas.text(x, y + 4, name, "halo", "middle")


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
