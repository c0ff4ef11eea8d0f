"""Figure 1: few dimensions collapse the spiral, many keep it."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from edgemnv2.paper.overview import figure_1_svg
from edgemnv2.paper.spiral import DIMENSIONS, embed, embeddings, spiral


@pytest.mark.parametrize("seed", range(5))
def test_two_and_three_dimensions_collapse_and_thirty_do_not(seed: int) -> None:
    by_n = {x.dimensions: x for x in embeddings(seed)}
    assert by_n[2].collapsed > 0.25 and by_n[3].collapsed > 0.05
    assert by_n[30].collapsed == 0


def test_collapsed_points_are_those_with_a_singular_surrounding() -> None:
    """The share from active units equals the share of numerically singular Jacobians."""
    points, wide = spiral(200), 1e-7
    here = embed(points, 3, np.random.default_rng(5)).points
    right, up = (
        (embed(points + step, 3, np.random.default_rng(5)).points - here) / wide
        for step in ([wide, 0.0], [0.0, wide])
    )
    singular = np.abs(right[:, 0] * up[:, 1] - right[:, 1] * up[:, 0]) < 1e-6
    assert embed(points, 3, np.random.default_rng(5)).collapsed == pytest.approx(singular.mean())


def test_without_relu_nothing_would_be_lost() -> None:
    """With T over its own negative, ReLU(Tx) - ReLU(-Tx) = Tx: the error must vanish."""

    class Mirrored:
        def standard_normal(self, shape: tuple[int, int]) -> np.ndarray:
            half = np.random.default_rng(0).standard_normal((shape[0] // 2, 2))
            return np.concatenate([half, -half])

    found = embed(spiral(), 8, Mirrored())  # type: ignore[arg-type]
    assert found.error < 1e-12 and found.collapsed == 0


def test_same_seed_same_picture_and_other_seed_another() -> None:
    assert figure_1_svg(3) == figure_1_svg(3) != figure_1_svg(4)


def test_picture_has_a_panel_for_the_input_and_every_n() -> None:
    root = ElementTree.fromstring(figure_1_svg())
    words = [x.text for x in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [w for w in words if w and w.startswith(("input", "n = "))] == [
        "input",
        *(f"n = {n}" for n in DIMENSIONS),
    ]
