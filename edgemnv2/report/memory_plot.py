"""The picture of a memory plan as SVG text: what lives where in the arena, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from edgemnv2.report.canvas import LEFT, PALETTE, RIGHT, WIDTH, Canvas, coordinate, kib, ticks

__all__ = ["memory_svg"]

_MAP_TOP, _MAP_HEIGHT = 40, 320
_LIVE_TOP, _LIVE_HEIGHT = _MAP_TOP + _MAP_HEIGHT + 56, 120
_RIGHT_END = WIDTH - RIGHT
"""Where both axes of steps end, in pixels as all of these."""


@dataclass(frozen=True)
class _Frame:
    """The arena map: pixels a step (`across`) and a byte (`scale`), and where byte 0 lies."""

    canvas: Canvas
    across: float
    scale: float
    floor: float

    def x_of(self, step: float) -> float:
        """Where a step begins."""
        return LEFT + step * self.across


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
    live = _live_bytes(plan, steps)
    arena = int(plan["arena_bytes"])
    peak = plan.get("peak_step")
    peak = live.index(max(live)) if peak is None and live else int(peak or 0)
    height = _LIVE_TOP + _LIVE_HEIGHT + 44
    canvas = Canvas(height, f"memory over {steps} steps, arena {kib(arena)}")
    across = (_RIGHT_END - LEFT) / steps

    canvas.text(LEFT, 22, f"What lives where in the arena ({kib(arena)})")
    scale = _bytes_axis(canvas, _MAP_TOP, _MAP_HEIGHT, arena)
    frame = _Frame(canvas, across, scale, _MAP_TOP + _MAP_HEIGHT)
    _draw_rows(frame, _in_arena(plan, steps))
    _draw_scratch(frame, plan)
    _draw_live(canvas, across, live, plan)

    mark = frame.x_of(peak + 0.5)
    canvas.line(mark, _MAP_TOP, mark, _LIVE_TOP + _LIVE_HEIGHT, "mark")
    words = f"peak at step {peak}: {_step_name(plan, peak)}".removesuffix(": ")
    beyond = mark + 7 * len(words) > _RIGHT_END
    canvas.text(mark + (-6 if beyond else 6), 36, words, "alert", "end" if beyond else "start")
    return canvas.svg()


def _bytes_axis(canvas: Canvas, top: float, height: float, most_bytes: float) -> float:
    """Horizontal grid in KiB; returns pixels per byte."""
    scale = height / max(most_bytes, 1)
    for tick in ticks(most_bytes / 1024):
        y = top + height - tick * 1024 * scale
        canvas.line(LEFT, y, _RIGHT_END, y)
        canvas.text(LEFT - 8, y + 4, f"{tick:g} KiB", "soft", "end")
    return scale


def _draw_rows(frame: _Frame, tensors: Sequence[Mapping[str, Any]]) -> None:
    """The rows of every tensor, and the names of those that have room for theirs."""
    labels: list[tuple[float, float, float, str]] = []
    for index, tensor in enumerate(tensors):
        pieces = _pieces(tensor)
        data = []
        for piece in pieces:
            top = frame.floor - (piece.offset + piece.size_bytes) * frame.scale
            width = coordinate((piece.last - piece.first + 1) * frame.across)
            height = coordinate(piece.size_bytes * frame.scale)
            x = coordinate(frame.x_of(piece.first))
            data.append(f"M{x} {coordinate(top)}h{width}v{height}h-{width}z")
        depth = len(tensor.get("slots") or ()) or int(tensor["depth"])
        kept = "whole" if depth >= len(tensor["first"]) else f"{depth} kept"
        size_bytes = depth * int(tensor["row_bytes"])
        title = (
            f"{tensor['name']}: {len(tensor['first'])} rows of {kib(tensor['row_bytes'])}, "
            f"{kept}, {kib(size_bytes)}, steps {min(tensor['first'])} to {max(tensor['last'])}"
        )
        frame.canvas.path("".join(data), f"c{index % PALETTE}", title, 0.82)
        middle = pieces[len(pieces) // 2]
        wide = (max(tensor["last"]) - min(tensor["first"]) + 1) * frame.across
        if wide > 7 * len(tensor["name"]) and size_bytes * frame.scale > 13:
            centre = frame.x_of((middle.first + middle.last + 1) / 2)
            y = frame.floor - (middle.offset + middle.size_bytes / 2) * frame.scale
            labels.append((size_bytes * wide, centre, y, str(tensor["name"])))
    _place_labels(frame.canvas, labels)


def _draw_scratch(frame: _Frame, plan: Mapping[str, Any]) -> None:
    """What operations need while they run, where it has a place."""
    across = coordinate(frame.across)
    for op_index, op in enumerate(plan.get("ops", ())):
        offset = op.get("scratch_base")
        if offset is None or not op.get("scratch_bytes"):
            continue
        height = coordinate(op["scratch_bytes"] * frame.scale)
        y = coordinate(frame.floor - (offset + op["scratch_bytes"]) * frame.scale)
        boxes = "".join(
            f"M{coordinate(frame.x_of(step))} {y}h{across}v{height}h-{across}z"
            for step, (which, _) in enumerate(plan["steps"])
            if which == op_index
        )
        title = f"scratch of {op['name']}: {kib(op['scratch_bytes'])}"
        frame.canvas.path(boxes, "other", title, 0.6)


def _draw_live(canvas: Canvas, across: float, live: Sequence[int], plan: Mapping[str, Any]) -> None:
    """The curve of live bytes with the lower bound, and the axis of steps."""
    peak_bytes = max(live, default=0)
    bound = int(plan.get("lower_bound_bytes") or peak_bytes)
    words = f"Live bytes: at most {kib(peak_bytes)}, lower bound {kib(bound)}"
    canvas.text(LEFT, _LIVE_TOP - 14, words)
    most_bytes = max(int(plan["arena_bytes"]), peak_bytes)
    scale = _bytes_axis(canvas, _LIVE_TOP, _LIVE_HEIGHT, most_bytes)
    floor = _LIVE_TOP + _LIVE_HEIGHT
    outline = [f"M{coordinate(LEFT)} {coordinate(floor)}"]
    for value, run in groupby(live):
        length = sum(1 for _ in run)
        outline.append(f"V{coordinate(floor - value * scale)}h{length * across:.2f}")
    canvas.path("".join(outline) + f"V{coordinate(floor)}z", "c0", "live bytes", 0.55)
    canvas.line(LEFT, floor - bound * scale, _RIGHT_END, floor - bound * scale, "bound")
    canvas.line(LEFT, floor, _RIGHT_END, floor, "axis")
    steps = len(plan["steps"])
    for tick in ticks(steps, 8):
        if tick <= steps and float(tick).is_integer():
            canvas.text(LEFT + tick * across, floor + 18, f"{tick:.0f}", "soft", "middle")
    canvas.text(_RIGHT_END, floor + 36, "step of the row program", "soft", "end")


def _place_labels(canvas: Canvas, labels: Sequence[tuple[float, float, float, str]]) -> None:
    """Names of the largest tensors first; one that would cover another is left out."""
    taken: list[tuple[float, float, float]] = []
    for _, x, y, name in sorted(labels, key=lambda item: (-item[0], item[3])):
        half = 3.5 * len(name)
        x = min(max(x, LEFT + half), WIDTH - RIGHT - half)
        if all(abs(x - x1) > half + h1 or abs(y - y1) > 13 for x1, y1, h1 in taken):
            taken.append((x, y, half))
            canvas.text(x, y + 4, name, "halo", "middle")
