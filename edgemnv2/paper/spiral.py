"""The paper's figure 1: what a ReLU layer does to a 2-D spiral embedded in n dimensions.

A random matrix T takes the plane into n dimensions, ReLU cuts there, the pseudo-inverse of T brings
the result back. With n = 2 or 3 parts of the spiral fall onto each other; with many dimensions the
spiral survives, bent. That is the paper's reason for a wide inside and linear ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemnv2.report.canvas import Canvas

__all__ = ["DIMENSIONS", "Embedding", "embeddings", "figure_svg", "spiral"]

DIMENSIONS = (2, 3, 5, 15, 30)
TURNS = 3
POINTS = 600
SEED = 2

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Embedding:
    """The spiral after one embedding: `points` `[N, 2]` and how much of it was lost.

    `collapsed` is the share of points at which fewer than two independent inner units are active:
    there the map flattens its surroundings to a line or a point, and what it merges no later layer
    can tell apart. `error` is the mean distance to the original over the original's mean radius,
    after the best single scaling (ReLU halves a random embedding).
    """

    dimensions: int
    points: Points
    collapsed: float
    error: float


def spiral(count: int = POINTS) -> Points:
    """Points `[count, 2]` of an Archimedean spiral around the origin, radius up to 1."""
    along = np.linspace(0.05, 1, count)
    angle = 2 * np.pi * TURNS * along
    return np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)


def embed(points: Points, dimensions: int, random: np.random.Generator) -> Embedding:
    """`pinv(T) ReLU(T x)` for every point, T `[dimensions, 2]` of standard normal numbers."""
    matrix = random.standard_normal((dimensions, 2))
    inner = np.maximum(points @ matrix.T, 0)
    back = inner @ np.linalg.pinv(matrix).T
    # Two random rows are independent, so two active units see the whole plane.
    collapsed = float(np.mean((inner > 0).sum(axis=1) < 2))
    scale = float((back * points).sum() / (back * back).sum())
    distance = np.linalg.norm(scale * back - points, axis=1).mean()
    radius = np.linalg.norm(points, axis=1).mean()
    return Embedding(dimensions, back, collapsed, float(distance / radius))


def embeddings(seed: int = SEED) -> list[Embedding]:
    """Figure 1's five panels; one stream of random numbers from `seed`."""
    random = np.random.default_rng(seed)
    points = spiral()
    return [embed(points, dimensions, random) for dimensions in DIMENSIONS]


def _hue(share: float) -> str:
    return f"hsl({360 * 0.83 * share:.0f} 75% 48%)"


def figure_svg(panels: list[Embedding]) -> str:
    """The input and each panel side by side; colour runs along the spiral, so overlaps show."""
    side, gap, columns = 300, 20, 3
    shown: list[tuple[str, str, Points]] = [("input", "2-D spiral", spiral())]
    for panel in panels:
        shown.append(
            (
                f"n = {panel.dimensions}",
                f"collapsed {100 * panel.collapsed:.0f} %, error {100 * panel.error:.0f} %",
                panel.points,
            )
        )
    rows = -(-len(shown) // columns)
    canvas = Canvas(
        20 + rows * (side + 44),
        "A spiral embedded in n dimensions by a random matrix, ReLU, projected back",
        gap + columns * (side + gap),
    )
    for index, (title, note, points) in enumerate(shown):
        left = gap + index % columns * (side + gap)
        top = 40 + index // columns * (side + 44)
        canvas.path(f"M{left} {top}h{side}v{side}h-{side}z", "grid")
        canvas.text(left + 2, top - 8, title)
        canvas.text(left + side - 2, top - 8, note, "soft", "end")
        low, high = points.min(axis=0), points.max(axis=0)
        centre, reach = (low + high) / 2, float((high - low).max()) or 1.0
        at = (points - centre) / reach * (side - 24) * [1, -1] + [left + side / 2, top + side / 2]
        for step in range(0, len(at) - 1, 4):
            part = at[step : step + 5]
            colour = _hue(step / len(at))
            listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in part)
            canvas.parts.append(
                f'<polyline points="{listed}" fill="none" stroke="{colour}" stroke-width="2.2"/>'
            )
    return canvas.svg()
