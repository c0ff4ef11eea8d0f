"""`analyze`: its figures against the paper, `compile` and each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from edgemnv2.check.analyze import analyze, layer_by_layer_bytes
from edgemnv2.check.built_in_sizes import (
    SET_TARGETS,
    built_in_sizes,
    kernel_set,
    largest_built_in,
    measure_built_in,
)
from edgemnv2.cli.main import main
from edgemnv2.errors import ToolchainError
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph
from edgemnv2.report import picture
from edgemnv2.samples.pixels import SCALE
from edgemnv2.target import load_target, target_names

MODEL = "mobilenetv2-0.35-96-int8"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model(MODEL))


@pytest.fixture(scope="module")
def facts(graph: Graph) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(analyze(graph).to_dict()))
    return found


def test_totals_are_those_of_the_layers(facts: dict[str, Any]) -> None:
    for key in ("macs", "params"):
        assert facts[key] == sum(layer[key] for layer in facts["layers"])
    assert facts["arena_lower_bound_bytes"] == max(x["live_bytes"] for x in facts["layers"])
    assert facts["arena_lower_bound_bytes"] <= facts["arena_bytes"] < facts["layer_by_layer_bytes"]
    assert facts["stream_arena_bytes"] < facts["arena_bytes"]
    assert sum(size for _, size in facts["peak_live"]) == facts["arena_lower_bound_bytes"]


def test_the_arena_is_what_compile_makes(
    graph: Graph, facts: dict[str, Any], tmp_path: Path
) -> None:
    manifest = compile_graph(graph, load_target(facts["target"]), tmp_path / "art").manifest
    for key in ("arena_bytes", "arena_lower_bound_bytes", "stream_arena_bytes", "constants_bytes"):
        assert facts[key] == getattr(manifest, key), key


def test_layer_by_layer_is_the_known_figure_of_the_full_network() -> None:
    """Image and stem of 1.0/224 are 147 + 392 KiB; block 2's 1176 + 294 are the most, 1470."""
    assert layer_by_layer_bytes(lower(load_model("mobilenetv2-1.0-224-int8"))) == 1470 * 1024


def test_every_board_has_an_answer(facts: dict[str, Any]) -> None:
    assert [fit["target"] for fit in facts["fits"]] == list(target_names())
    for fit in facts["fits"]:
        target = load_target(fit["target"])
        if target.is_bare_metal:
            flash = fit["constants_bytes"] < target.flash_bytes
            assert fit["fits"] == (flash and fit["arena_bytes"] <= target.ram_bytes)
        assert "left" in fit["reason"] or not fit["fits"]


def test_the_largest_built_in_network_fits_and_no_larger_one() -> None:
    found = 0
    for name in target_names():
        target = load_target(name)
        largest = largest_built_in(target)
        if largest is not None:
            assert largest.fits(target)
            found += 1
        if target.is_bare_metal:
            same = [x for x in built_in_sizes() if x.kernels == kernel_set(target)]
            assert len(same) == 25
            limit = 0 if largest is None else largest.macs
            assert not [x for x in same if x.macs > limit and x.fits(target)]
    assert found >= 3


@pytest.mark.parametrize("target", SET_TARGETS)
def test_the_kept_sizes_are_what_planning_gives(target: str) -> None:
    """One of 25; `python -m edgemnv2.check.built_in_sizes` makes them all again."""
    made = measure_built_in(MODEL, load_target(target))
    kept = [x for x in built_in_sizes() if (x.name, x.kernels) == (made.name, made.kernels)]
    assert kept == [made]


def test_text_names_target_peak_and_boards(capsys: Captured) -> None:
    assert main(["analyze", MODEL, "--target", "nucleo-f746zg"]) == 1
    out = capsys.readouterr().out
    for words in ("block1.depthwise", "lower bound", "by rows", "layer by layer", "too much"):
        assert words in out


def test_the_picture_is_one_svg(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "memory.svg"
    assert main(["analyze", "digits-int8", "--plot", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "digits-int8"
    root = ElementTree.fromstring(path.read_text())
    assert root.tag.endswith("svg")
    assert len([child for child in root if child.tag.endswith("svg")]) == 2


@pytest.mark.parametrize("name", ["memory.jpeg", "nowhere/memory.svg"])
def test_pictures_that_cannot_be_drawn(name: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(["analyze", MODEL, "--plot", str(tmp_path / name)]) == 2
    assert "--plot" in capsys.readouterr().err


def test_a_png_needs_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "BROWSERS", ())
    with pytest.raises(ToolchainError, match=r"ask for an \.svg"):
        picture.check_picture(tmp_path / "memory.png")


def test_inputs_and_outputs_are_those_of_the_file(facts: dict[str, Any]) -> None:
    (x,), (y,) = facts["inputs"], facts["outputs"]
    assert (x["name"], x["shape"], x["dtype"]) == ("input", [1, 96, 96, 3], "int8")
    assert x["pixels"]["told_by"] == SCALE and x["pixels"]["low"] < 0 < x["pixels"]["high"]
    assert (y["name"], y["shape"], y["made_by"]) == ("logits", [1, 1000], "pointwise")
    assert facts["notes"] == []


def test_text_says_which_pixels_the_input_wants(tmp_path: Path, capsys: Captured) -> None:
    assert main(["analyze", MODEL]) == 0
    out = capsys.readouterr().out
    assert "'input' int8 [1, 96, 96, 3] NHWC: black is -0.9" in out and SCALE in out
    assert "'logits' int8 [1, 1000], made by pointwise" in out
    assert main(["analyze", "digits"]) == 0
    assert "is not in the file (see --preprocess)" in capsys.readouterr().out
