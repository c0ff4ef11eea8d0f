"""SVG by hand: a canvas of elements, its colours for light, dark and print, figures for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

__all__ = [
    "LEFT",
    "PALETTE",
    "RIGHT",
    "STYLE",
    "TIMES",
    "WIDTH",
    "Canvas",
    "coordinate",
    "kib",
    "si",
    "ticks",
]

WIDTH = 960
LEFT, RIGHT = 76, 20
PALETTE = 8
"""Colours for tensors, given out in turn: `.c0` to `.c7`."""

_LIGHT = "--ink:#1f2430;--soft:#5b6472;--grid:#dfe3ea;--ground:#ffffff;--alert:#c22f3d;"
_DARK = "--ink:#e8eaf0;--soft:#a3acba;--grid:#343b48;--ground:#14171d;--alert:#ff7b86;"
_COLOURS = ["4e79a7", "f28e2b", "59a14f", "b07aa1", "76b7b2", "e15759", "d9b430", "9c755f"]

TIMES = "\N{MULTIPLICATION SIGN}"

STYLE = (
    f".edplot{{{_LIGHT}font:12px system-ui,sans-serif;background:var(--ground)}}"
    f"@media (prefers-color-scheme:dark){{.edplot{{{_DARK}}}}}"
    f"@media print{{.edplot{{{_LIGHT}}}}}"
    ".edplot text{fill:var(--ink)}.edplot .soft{fill:var(--soft)}.edplot .alert{fill:var(--alert)}"
    ".edplot .halo{paint-order:stroke;stroke:var(--ground);stroke-width:3px;stroke-opacity:.75}"
    ".edplot .grid{stroke:var(--grid);fill:none}.edplot .axis{stroke:var(--soft);fill:none}"
    ".edplot .mark{stroke:var(--alert);fill:none;stroke-dasharray:5 3}"
    ".edplot .bound{stroke:var(--ink);fill:none;stroke-dasharray:2 3}"
    ".edplot .curve{stroke-width:2;fill:none}.edplot .other{fill:var(--soft)}"
    + "".join(
        f".edplot .c{i}{{fill:#{c}}}.edplot .s{i}{{stroke:#{c}}}" for i, c in enumerate(_COLOURS)
    )
)


def kib(size_bytes: float) -> str:
    """Bytes for people: `189.0 KiB`, `3.41 MiB`, `96 B`."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    if size_bytes < 1024 * 1024:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / (1024 * 1024):.2f} MiB"


def si(value: float) -> str:
    """A count for people: `300.8 M`, `12.5 k`, `97`."""
    for factor, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:.1f}{prefix}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def coordinate(value: float) -> str:
    """A coordinate, as short as a tenth of a pixel allows."""
    return f"{value:.1f}".removesuffix(".0")


def ticks(maximum: float, about: int = 5) -> list[float]:
    """Round values from 0 to at most `maximum`, `about` steps of 1, 2 or 5 times a power of ten."""
    if maximum <= 0:
        return [0.0]
    power = 10.0 ** len(str(int(maximum / about))) / 10 if maximum >= about else 0.1
    while power > maximum / about:
        power /= 10
    step = next((f * power for f in (1, 2, 5, 10) if f * power * about >= maximum), 10 * power)
    return [step * i for i in range(int(maximum / step) + 1)]


@dataclass
class Canvas:
    """SVG elements in the making, on a ground of `width` by `height` pixels."""

    height: float
    label: str
    width: float = WIDTH
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        """Words at (x, y); `kind` is a class list, `anchor` start, middle or end."""
        self.parts.append(
            f'<text x="{coordinate(x)}" y="{coordinate(y)}" text-anchor="{anchor}"'
            f"{_class(kind)}>{escape(words)}</text>"
        )

    def line(self, x0: float, y0: float, x1: float, y1: float, kind: str = "grid") -> None:
        """A straight line."""
        self.parts.append(
            f'<line x1="{coordinate(x0)}" y1="{coordinate(y0)}" '
            f'x2="{coordinate(x1)}" y2="{coordinate(y1)}"'
            f"{_class(kind)}/>"
        )

    def rect(
        self, x: float, y: float, width: float, height: float, kind: str, title: str = ""
    ) -> None:
        """A filled rectangle; `title` shows on hovering."""
        self.parts.append(
            f'<rect x="{coordinate(x)}" y="{coordinate(y)}" width="{coordinate(width)}" '
            f'height="{coordinate(height)}"{_class(kind)}>{_title(title)}</rect>'
        )

    def path(self, data: str, kind: str, title: str = "", opacity: float = 1) -> None:
        """A path from its `d` attribute."""
        faint = f' fill-opacity="{opacity}"' if opacity < 1 else ""
        self.parts.append(f'<path d="{data}"{_class(kind)}{faint}>{_title(title)}</path>')

    def polyline(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """A line through points."""
        listed = " ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points)
        self.parts.append(f'<polyline points="{listed}"{_class(kind)}/>')

    def svg(self) -> str:
        """The finished element."""
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="edplot" role="img" '
            f'viewBox="0 0 {coordinate(self.width)} {coordinate(self.height)}" '
            f'aria-label="{escape(self.label)}">\n<style>{STYLE}</style>\n{body}\n</svg>'
        )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
