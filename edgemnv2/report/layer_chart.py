"""A bar for every layer: what each one costs, and what a multiply-accumulate costs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgemnv2.report.canvas import WIDTH, Canvas, si
from edgemnv2.report.plots import ROLES, role_class, role_of
from edgemnv2.report.results import cost_words

__all__ = ["layers_svg"]

PITCH = 15
TOP = 58
LONGEST_NAME = 28
"""Characters; longer names are cut."""


def layers_svg(layers: Sequence[Mapping[str, Any]], key: str) -> str:
    """Bars in the order of the network, of the layers that have a cost by the name `key`.

    Beside each bar its cost, its share, and, of counts, the cost of one multiply-accumulate.
    """
    shown = [x for x in layers if x.get(key)]
    total = sum(float(x[key]) for x in shown) or 1.0
    largest = max((float(x[key]) for x in shown), default=1.0)
    canvas = Canvas(TOP + PITCH * len(shown) + 12, f"{key} of {len(shown)} layers")
    canvas.text(12, 20, f"{key[:1].upper()}{key[1:]} by layer, {cost_words(total, key)} in all")
    x = 12.0
    for role in (*ROLES, "other"):
        if any(role_of(layer) == role for layer in shown):
            canvas.rect(x, 32, 11, 11, role_class(role))
            canvas.text(x + 16, 42, role, "soft")
            x += 32 + 7 * len(role)
    names = [_short(str(layer.get("name"))) for layer in shown]
    start = 24 + 7 * max(map(len, names), default=0)
    end = WIDTH - 220
    for index, (layer, name) in enumerate(zip(shown, names, strict=True)):
        y = TOP + index * PITCH
        value, macs = float(layer[key]), float(layer.get("macs") or 0)
        width = value / largest * (end - start)
        words = f"{_cost(value, key)}  {100 * value / total:.1f} %"
        if macs and key != "seconds":
            words += f"  {value / macs:.2f} per MAC"
        canvas.text(start - 8, y + 10, name, "", "end")
        canvas.rect(start, y, width, PITCH - 3, role_class(role_of(layer)), f"{name}: {words}")
        canvas.text(start + width + 6, y + 10, words, "soft")
    return canvas.svg()


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _cost(value: float, key: str) -> str:
    return cost_words(value, key) if key == "seconds" else si(value)
