"""`compare`: what is read from each kind of file, what a limit is, what breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.cli.main import main
from edgemnv2.errors import InputError, UsageError
from edgemnv2.report.comparison import compare, limit
from edgemnv2.report.comparison_text import as_markdown, as_text
from edgemnv2.report.document import report
from edgemnv2.report.figures import FIGURES, read_figures
from tests.report.fabricated_artifact import write_artifact
from tests.report.results_of_verbs import RESULTS

BENCH = {
    "metric": "instructions", "median": 1000.0, "artifact": "net", "target": "mps2-an500",
    "arena_bytes": 2048, "constants_bytes": 4096, "code_bytes": 1024, "stack_bytes": 300,
    "layers": [
        {"name": "stem", "value": 400.0}, {"name": "head", "value": 600.0},
    ],
}  # fmt: skip
VERIFY = {
    "artifact": "build/net", "name": "net", "target": "mps2-an500", "passed": True, "samples": 3,
    "top1": 90.0, "top5": 100.0, "top1_agreement": 100.0,
}  # fmt: skip


def written(path: Path, *contents: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(x) for x in contents))
    return path


def bench(tmp_path: Path, name: str, **changed: Any) -> Path:
    return written(tmp_path / f"{name}.json", BENCH | changed)


def test_a_bench_and_a_verification_of_one_network_are_put_together(tmp_path: Path) -> None:
    written(tmp_path / "side" / "bench.json", BENCH)
    written(tmp_path / "side" / "verify.json", VERIFY)
    (found,) = read_figures(tmp_path / "side")
    assert (found.name, found.target, found.passed) == ("net", "mps2-an500", True)
    assert found.values == {
        "arena": 2048, "constants": 4096, "code": 1024, "flash": 5120, "stack": 300,
        "instructions": 1000, "top1": 90, "top5": 100, "agreement": 100,
    }  # fmt: skip
    assert found.layers["head"].costs == {"instructions": 600}


def test_lines_of_json_are_several_networks(tmp_path: Path) -> None:
    path = written(tmp_path / "all.jsonl", BENCH, BENCH | {"target": "mps3-an547"}, VERIFY)
    assert [x.target for x in read_figures(path)] == ["mps2-an500", "mps3-an547"]


def test_artefacts_and_reports_say_the_same(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "net")
    result = written(tmp_path / "bench.json", BENCH | {"artifact": "made_up"})
    page = tmp_path / "report.html"
    page.write_text(report([folder], [result]))
    (alone,), (whole,) = read_figures(folder), read_figures(page)
    assert alone.values["arena"] > 0 and alone.values["flash"] == 23456 + 34567
    assert whole.values["instructions"] == 1000
    assert alone.layers["block1.depthwise"].schedule == "record-17"


def test_a_folder_or_a_page_with_results_of_every_verb_is_compared(tmp_path: Path) -> None:
    """What has no such figures is passed over there, and refused where it is alone."""
    folder = write_artifact(tmp_path / "net", target="mps2-an500")
    same = {"name": "made_up", "artifact": "net", "target": "mps2-an500"}
    files = [written(tmp_path / "now" / f"{k}.json", v | same) for k, v in RESULTS.items()]
    page = tmp_path / "report.html"
    page.write_text(report([folder], files))
    for path in (tmp_path / "now", page):
        (found,) = read_figures(path)
        assert found.values["cycles"] == 1822.9 and found.values["top1"] == 90, path
    for kind in set(RESULTS) - {"verify", "bench", "cycles"}:
        with pytest.raises(InputError):
            read_figures(tmp_path / "now" / f"{kind}.json")


def test_cycles_beside_a_count_are_read(tmp_path: Path) -> None:
    layers = [{"name": "stem", "value": 400.0, "cycles": 500.0}]
    (found,) = read_figures(bench(tmp_path, "a", cycles=1300, layers=layers))
    assert found.values["cycles"] == 1300
    assert found.layers["stem"].costs == {"instructions": 400, "cycles": 500}


def test_an_estimate_of_cycles_is_of_the_only_network_of_its_target(tmp_path: Path) -> None:
    estimate = {
        "metric": "cycles", "is_estimate": True, "target": "mps2-an500", "cycles": 1500.0,
        "instructions": 1000, "layers": [{"name": "stem", "cycles": 700.0, "instructions": 400}],
    }  # fmt: skip
    (found,) = read_figures(written(tmp_path / "a.jsonl", estimate, BENCH))
    assert (found.values["cycles"], found.values["arena"]) == (1500, 2048)
    assert found.layers["stem"].costs == {"cycles": 700, "instructions": 400}
    with pytest.raises(InputError, match="name no network"):
        read_figures(written(tmp_path / "b.json", estimate))


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "cannot be read"), ("[1]", "not a JSON object"), ("{}", "says of no network"),
     (json.dumps({**BENCH, "metric": "bytes"}), "a bench of bytes")],
)  # fmt: skip
def test_files_that_hold_no_figures_are_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=words):
        read_figures(tmp_path / "a.json")


def test_an_empty_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no figures"):
        read_figures(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_figures(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "before", "allowed"),
    [("+0", 100, 100), ("+1%", 200, 202), ("-5%", 200, 190), ("+2K", 100, 2148), ("256K", 9, 2**18),
     ("1.5M", 9, 1.5 * 2**20)],
)  # fmt: skip
def test_limits_in_bytes(text: str, before: float, allowed: float) -> None:
    assert limit("arena", text).allowed(before, True) == pytest.approx(allowed)


def test_limits_of_counts_are_decimal_and_accuracy_may_lose() -> None:
    assert limit("instructions", "2M").allowed(9, True) == 2e6
    assert limit("top1", "+0.5").allowed(90, False) == 89.5


@pytest.mark.parametrize("text", ["", "much", "1%", "+1K%", "++1", "+1%%"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"max_arena=.*expected a change"):
        limit("arena", text)


@pytest.mark.parametrize(
    ("limits", "changed", "exceeded"),
    [
        ({"arena": "+0"}, {"arena_bytes": 2049}, True),
        ({"arena": "+0"}, {"arena_bytes": 2048}, False),
        ({"arena": "+0"}, {"arena_bytes": 100}, False),
        ({"arena": "2K"}, {"arena_bytes": 2049}, True),
        ({"arena": "3K"}, {"arena_bytes": 2049}, False),
        ({"instructions": "+1%"}, {"median": 1010.0}, False),
        ({"instructions": "+1%"}, {"median": 1011.0}, True),
        ({"instructions": "-1%"}, {"median": 1000.0}, True),
        ({"layer": "+5%"}, {"layers": [{"name": "stem", "value": 421.0}]}, True),
        ({"layer": "+5%"}, {"layers": [{"name": "stem", "value": 420.0}]}, False),
        ({"layer": "+0"}, {"layers": [{"name": "new", "value": 1.0}]}, True),
        ({}, {"arena_bytes": 10**9}, False),
    ],
)
def test_a_limit_is_broken_above_it_and_kept_at_it(
    tmp_path: Path, limits: dict[str, str], changed: dict[str, Any], exceeded: bool
) -> None:
    before, after = bench(tmp_path, "a"), bench(tmp_path, "b", **changed)
    found = compare(before, after, limits)
    assert found.exceeded == exceeded
    assert ("EXCEEDED" in as_text(found)) == exceeded
    assert ("EXCEEDED" in as_markdown(found)) == exceeded


@pytest.mark.parametrize("figure", [*FIGURES, "layer"])
def test_a_limit_on_what_a_side_does_not_say_is_an_error(tmp_path: Path, figure: str) -> None:
    a = written(tmp_path / "a.json", {"artifact": "net", "target": "rpi4"})
    with pytest.raises(InputError, match=f"max_{figure}=.*0"):
        compare(a, a, {figure: "+0"})


def test_accuracy_that_is_lost_breaks_its_limit(tmp_path: Path) -> None:
    a = written(tmp_path / "a.json", VERIFY)
    b = written(tmp_path / "b.json", VERIFY | {"top1": 89.4})
    assert compare(a, b, {"top1": "+0.5"}).exceeded
    assert not compare(a, b, {"top1": "+0.6"}).exceeded


def test_a_failed_verification_is_never_within_limits(tmp_path: Path) -> None:
    a = written(tmp_path / "a.json", VERIFY)
    b = written(tmp_path / "b.json", VERIFY | {"passed": False})
    found = compare(a, b)
    assert found.exceeded and "verification" in as_text(found)
    assert not compare(b, a).exceeded


def test_a_network_that_is_gone_breaks_limits_and_a_new_one_does_not(tmp_path: Path) -> None:
    other = BENCH | {"target": "rpi4"}
    two, one = written(tmp_path / "a.jsonl", BENCH, other), bench(tmp_path, "b")
    assert compare(two, one, {"arena": "+0"}).exceeded
    assert not compare(two, one).exceeded
    found = compare(one, two, {"arena": "+0"})
    assert not found.exceeded and found.added == ("net for rpi4",)


def test_one_network_a_side_is_a_pair_whatever_its_name(tmp_path: Path) -> None:
    found = compare(bench(tmp_path, "a"), bench(tmp_path, "b", artifact="other", target="rpi4"))
    assert "net for mps2-an500 → other for rpi4" in as_text(found)


def test_sides_without_a_network_in_common_are_refused(tmp_path: Path) -> None:
    two = written(tmp_path / "a.jsonl", BENCH, BENCH | {"target": "rpi4"})
    with pytest.raises(InputError, match="no network and target in common"):
        compare(two, bench(tmp_path, "b", target="rpi5"))


def test_layers_are_shown_by_the_size_of_their_change(tmp_path: Path) -> None:
    layers = [{"name": "stem", "value": 402.0}, {"name": "head", "value": 500.0}]
    found = compare(bench(tmp_path, "a"), bench(tmp_path, "b", layers=layers))
    assert [x.layer for x in found.pairs[0].layers] == ["head", "stem"]
    text = as_text(found, most_layers=1)
    assert "-100 (-16.67 %)" in text and "1 more layers changed" in text and "stem" not in text


def test_a_kernel_of_another_schedule_is_named(tmp_path: Path) -> None:
    a = write_artifact(tmp_path / "a")
    b = write_artifact(tmp_path / "b")
    content = json.loads((b / "manifest.json").read_text())
    content["kernels"][1]["schedule"] = "fallback"
    (b / "manifest.json").write_text(json.dumps(content))
    (change,) = compare(a, b).pairs[0].layers
    assert (change.layer, change.schedule_before, change.schedule_after) == (
        "block1.depthwise", "record-17", "fallback",
    )  # fmt: skip


def test_markdown_is_tables_with_as_many_cells_as_heads(tmp_path: Path) -> None:
    layers = [{"name": "st|em", "value": 402.0}, {"name": "head", "value": 500.0}]
    said = as_markdown(compare(bench(tmp_path, "a"), bench(tmp_path, "b", layers=layers)))
    assert said.startswith("### no limits given\n")
    cells = [line.replace("\\|", "").count("|") for line in said.splitlines() if line[:1] == "|"]
    assert set(cells) == {6}


def test_command_exits_with_1_where_a_limit_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = bench(tmp_path, "a"), bench(tmp_path, "b", arena_bytes=4096)
    assert main(["compare", str(a), str(b)]) == 0
    assert main(["compare", str(a), str(b), "--max-arena", "+0", "--json"]) == 1
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["exceeded"] and found["pairs"][0]["exceeded"]
    assert main(["compare", str(a), str(b), "--max-arena", "+1K", "--markdown"]) == 1
    assert "WORSE than allowed" in capsys.readouterr().out
    assert main(["compare", str(a), str(b), "--max-arena", "lots"]) == 2
    assert "--max-arena lots: expected a change" in capsys.readouterr().err
    assert main(["compare", str(a), str(b), "--max-cycles", "+0"]) == 1
    assert "--max-cycles +0:" in capsys.readouterr().err
    assert main(["compare", str(a), str(b), "--layers", "-1"]) == 2


def test_every_figure_that_can_be_better_or_worse_has_a_limit_or_is_part_of_one() -> None:
    from edgemnv2.cli.compare import LIMITS

    known = {name.replace("-", "_") for name in LIMITS}
    assert known - {"layer"} <= set(FIGURES)
    assert set(FIGURES) - known == {"constants", "code", "top5"}
