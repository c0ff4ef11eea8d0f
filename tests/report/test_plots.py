"""The pictures: well-formed SVG that shows what the plan and the layers say."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from edgemnv2.report.canvas import kib, si, ticks
from edgemnv2.report.memory_plot import memory_svg
from edgemnv2.report.plots import blocks_of, line_svg, macs_svg, role_of
from tests.report.fabricated_artifact import fabricated_layers, fabricated_plan

SVG = "{http://www.w3.org/2000/svg}"
MAP_HEIGHT = 320
"""Pixels of the arena map, `memory_svg`."""


def titles(svg: str) -> list[str]:
    return [x.text or "" for x in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def words(svg: str) -> str:
    return "\n".join(x.text or "" for x in ElementTree.fromstring(svg).iter(f"{SVG}text"))


@pytest.fixture(scope="module")
def plan() -> dict[str, Any]:
    return fabricated_plan()


def test_every_tensor_of_the_plan_is_drawn_and_named(plan: dict[str, Any]) -> None:
    named = [x.partition(":")[0] for x in titles(memory_svg(plan))]
    assert [t["name"] for t in plan["tensors"]] == named[: len(plan["tensors"])]


def test_drawn_area_is_the_live_bytes_of_all_steps(plan: dict[str, Any]) -> None:
    """Each row is one rectangle of lifetime by bytes, so the areas add up to the live bytes."""
    root = ElementTree.fromstring(memory_svg(plan))
    maps = [x for x in root.iter(f"{SVG}path") if "rows of" in (x.findtext(f"{SVG}title") or "")]
    area = sum(
        float(width) * float(height)
        for path in maps
        for width, height in re.findall(r"h([\d.]+)v([\d.]+)", path.get("d", ""))
    )
    across, scale = (960 - 76 - 20) / len(plan["steps"]), MAP_HEIGHT / plan["arena_bytes"]
    expected = sum(plan["live_bytes_per_step"]) * across * scale
    # Coordinates are rounded to a tenth of a pixel, thin rows are two pixels high.
    assert area == pytest.approx(expected, rel=0.03)


def test_peak_is_marked_with_its_step_and_operation(plan: dict[str, Any]) -> None:
    step = plan["peak_step"]
    op, row = plan["steps"][step]
    assert f"peak at step {step}: {plan['ops'][op]['name']}, row {row}" in words(memory_svg(plan))


def test_live_bytes_are_counted_where_the_plan_does_not_give_them(plan: dict[str, Any]) -> None:
    bare = {k: v for k, v in plan.items() if k not in ("live_bytes_per_step", "peak_step")}
    assert memory_svg(bare) == memory_svg(plan)


def test_scratch_is_counted_and_drawn_where_it_has_a_place(plan: dict[str, Any]) -> None:
    ops = [dict(op) for op in plan["ops"]]
    ops[3] |= {"scratch_bytes": 100_000, "scratch_base": 0}
    bare = {k: v for k, v in plan.items() if k not in ("live_bytes_per_step", "peak_step")}
    svg = memory_svg(bare | {"ops": ops})
    assert f"scratch of {ops[3]['name']}: 97.7 KiB" in titles(svg)
    peak = re.search(r"peak at step \d+: ([^,]+), row", words(svg))
    assert peak is not None and peak[1] == ops[3]["name"]


def test_what_the_caller_keeps_is_not_drawn(plan: dict[str, Any]) -> None:
    tensors = [t | {"external": t["name"] == "input"} for t in plan["tensors"]]
    named = [x.partition(":")[0] for x in titles(memory_svg(plan | {"tensors": tensors}))]
    assert "input" not in named and "stem" in named


def test_rows_fed_by_the_caller_are_steps_of_their_own() -> None:
    fed = fabricated_plan(fed=True)
    step = next(i for i, (op, _) in enumerate(fed["steps"]) if op < 0)
    assert "next input row, 0" in words(memory_svg(fed | {"peak_step": step}))


def test_rows_with_slots_of_their_own_lie_at_those_slots() -> None:
    tensor = {"name": "x", "height": 2, "row_bytes": 50, "slots": [50, 0], "first": [0, 1],
              "last": [0, 1]}  # fmt: skip
    steps = [[0, 0], [0, 1]]
    by_slots = memory_svg({"arena_bytes": 100, "steps": steps, "tensors": [tensor]})
    based = tensor | {"slots": None, "base": 0, "depth": 2}
    by_base = memory_svg({"arena_bytes": 100, "steps": steps, "tensors": [based]})
    found = [re.findall(r'd="(M[^"]+)" class="c0" fill', x)[0] for x in (by_slots, by_base)]
    tops = [[float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)", x)] for x in found]
    assert tops[0] == tops[1][::-1]


def test_bars_share_the_width_as_the_layers_share_the_work() -> None:
    layers = fabricated_layers()
    root = ElementTree.fromstring(macs_svg(layers))
    widths = {
        (x.findtext(f"{SVG}title") or "").partition(":")[0]: float(x.get("width", "0"))
        for x in root.iter(f"{SVG}rect")
    }
    stem, expand = (next(x for x in layers if x["name"] == n) for n in ("stem", "block2.expand"))
    assert widths["stem"] / widths["block2.expand"] == pytest.approx(
        stem["macs"] / expand["macs"], rel=0.01
    )
    assert all(x["name"] in widths for x in layers if x["macs"])


def test_other_counts_than_macs_can_be_shown() -> None:
    layers = [x | {"instructions": i * 1000} for i, x in enumerate(fabricated_layers())]
    assert "Instructions per block, 120.0 k in all" in words(
        macs_svg(layers, "instructions", "instructions")
    )


def test_roles_come_from_names_or_else_from_shapes() -> None:
    wide = {"name": "Conv_7", "op": "pointwise", "in": [8, 8, 8], "out": [8, 8, 48]}
    assert role_of(wide) == "expand"
    assert role_of(wide | {"in": [8, 8, 96]}) == "project"
    assert role_of(wide | {"in": [1, 1, 8], "out": [1, 1, 48]}) == "classifier"
    assert role_of({"name": "a.depthwise", "op": "depthwise"}) == "depthwise"
    assert role_of({"name": "a.add", "op": "add"}) == "other"


def test_layers_of_one_block_stand_together() -> None:
    names = [name for name, _ in blocks_of(fabricated_layers())]
    assert names == ["stem", "block1", "block2", "block3", "block4", "head", "pool", "classifier"]


def test_a_block_in_several_places_of_the_order_is_named_once() -> None:
    """Two heads of a detector, made in turn."""
    names = ("low.boxes", "high.boxes", "low.scores", "high.scores")
    layers = [{"name": name, "op": "conv2d", "macs": 5, "out": [1, 1, 1]} for name in names]
    found = {block: [x["name"] for x in group] for block, group in blocks_of(layers)}
    assert found == {"low": ["low.boxes", "low.scores"], "high": ["high.boxes", "high.scores"]}


def test_names_cannot_break_the_markup() -> None:
    layer = {"name": '<&">', "op": "conv2d", "macs": 5, "out": [1, 1, 1]}
    assert titles(macs_svg([layer])) == ['<&">: 5 (100.0 %)']


def test_a_curve_keeps_its_points() -> None:
    svg = line_svg([(0, 8), (5, 4), (10, 2)], "best", "trial", "instructions")
    points = ElementTree.fromstring(svg).find(f"{SVG}polyline")
    assert points is not None
    heights = [float(p.split(",")[1]) for p in points.get("points", "").split()]
    floor = 220 - 40
    assert (floor - heights[0]) / (floor - heights[2]) == pytest.approx(4)


def test_figures_are_readable() -> None:
    assert [kib(x) for x in (96, 1536, 3 * 1024 * 1024)] == ["96 B", "1.5 KiB", "3.00 MiB"]
    assert [si(x) for x in (97, 12_500, 300_774_272, 2.5)] == ["97", "12.5 k", "300.8 M", "2.5"]


@pytest.mark.parametrize("maximum", [0, 0.3, 1, 7, 190, 1234, 250_000])
def test_ticks_are_few_and_within_range(maximum: float) -> None:
    found = ticks(maximum)
    assert found[0] == 0 and found[-1] <= maximum
    assert maximum == 0 or 3 <= len(found) <= 6
