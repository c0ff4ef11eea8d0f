"""The report's data and markup: what is read, what belongs to what, what the page says."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.benchmark.cycles import CycleEstimate, CycleFigure, LayerCycles, PeerCycles
from edgemnv2.benchmark.locality import Locality
from edgemnv2.cli.report import add_arguments, run
from edgemnv2.errors import ArtifactError, InputError, UsageError
from edgemnv2.report.document import report
from edgemnv2.report.load import load
from tests.report.fabricated_artifact import fabricated_layers, fabricated_manifest, write_artifact
from tests.report.results_of_verbs import RESULTS

VERIFY = {
    "passed": True, "samples": 12, "exact": True, "max_abs_error": 0, "top1_agreement": 100.0,
    "top1": 97.5, "top5": 100.0, "first_divergence": None, "runner": "local", "reference": "numpy",
}  # fmt: skip
BENCH = {
    "metric": "instructions", "median": 1_234_567, "p95": 1_234_567, "samples": 1, "threads": 1,
    "runner": "qemu-system", "target": "mps2-an500",
}  # fmt: skip


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def embedded(page: str) -> Any:
    found = re.search(
        r'<script type="application/json" id="edgemnv2-report">(.*?)</script>', page, re.S
    )
    assert found is not None
    return json.loads(found[1])


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "two", name="another", target="rpi4")


def test_everything_read_is_in_the_json_block(one: Path, two: Path, tmp_path: Path) -> None:
    results = [written(tmp_path / "v.json", VERIFY | {"target": "rpi4"})]
    block = embedded(report([one, two], results))
    assert [x["manifest"]["name"] for x in block["artifacts"]] == ["made_up", "another"]
    assert block["artifacts"][0]["manifest"] == fabricated_manifest()
    assert block["artifacts"][0]["memory_plan"] == json.loads(
        (one / "memory_plan.json").read_text()
    )
    assert [x["results"] for x in block["artifacts"]] == [
        [],
        [{"kind": "verify", "file": "v.json", "content": VERIFY | {"target": "rpi4"}}],
    ]


def test_page_loads_nothing_from_outside(one: Path) -> None:
    page = report([one])
    addresses = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert addresses == ["data:,"]
    assert "url(" not in page and "@import" not in page
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}


def test_the_same_artefacts_give_the_same_page(one: Path) -> None:
    assert report([one]) == report([one])


def test_every_layer_is_a_row_with_its_schedule(one: Path) -> None:
    page = report([one])
    table = page[page.index("<h3>Layers</h3>") :]
    rows = re.findall(r"<tr>(<td.*?)</tr>", table)
    assert len(rows) == len(fabricated_layers())
    assert "block1.depthwise" in rows[1] and "tuned: record-17" in rows[1]
    assert "plain loops" in rows[3] and "by default" in rows[0]


def test_results_go_to_the_artefact_they_name(one: Path, two: Path, tmp_path: Path) -> None:
    files = [
        written(tmp_path / "a.json", VERIFY | {"artifact": "build/two"}),
        written(tmp_path / "b.json", VERIFY | {"artifact": "made_up"}),
        written(tmp_path / "c.json", BENCH),
        written(tmp_path / "d.json", VERIFY),
        written(tmp_path / "e.json", VERIFY | {"artifact": "third"}),
    ]
    subjects, others = load([one, two], files)
    assert [[r.file for r in s.results] for s in subjects] == [["b.json", "c.json"], ["a.json"]]
    assert [r.file for r in others] == ["d.json", "e.json"]


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("kind", ["verify", "bench", "cycles", "caches"])
def test_artefacts_that_have_a_name_or_a_folder_in_common_get_their_own(
    kind: str, moved: bool, tmp_path: Path
) -> None:
    """One network for two targets, two networks for one, and one folder's name below two others."""
    every = {("a", "rpi4", "up"), ("b", "rpi4", "up"), ("a", "rpi5", "down"), ("b", "rpi5", "up")}
    ends = [(name, target, tmp_path / where / name / target) for name, target, where in every]
    folders = [write_artifact(path, name=name, target=target) for name, target, path in ends]
    files = []
    for name, target, path in ends:
        file = tmp_path / f"{name}-{target}.json"
        said = {"name": name, "target": target, "artifact": "gone" if moved else str(path)}
        files.append(written(file, RESULTS[kind] | said))
    subjects, others = load(folders, files)
    assert not others
    for (name, target, _), subject in zip(ends, subjects, strict=True):
        assert [r.file for r in subject.results] == [f"{name}-{target}.json"]


def test_an_only_artefact_gets_results_without_a_name(one: Path, tmp_path: Path) -> None:
    subjects, others = load([one], [written(tmp_path / "v.json", VERIFY)])
    assert [r.kind for r in subjects[0].results] == ["verify"] and not others


def test_a_failed_verification_names_the_layer(one: Path, tmp_path: Path) -> None:
    failed = VERIFY | {
        "passed": False,
        "exact": False,
        "first_divergence": {"layer": "block3.expand", "row": 4},
    }
    page = report([one], [written(tmp_path / "v.json", failed)])
    assert "layer block3.expand, row 4" in page
    assert '<span class="badge bad">differs</span>' in page


def test_accuracy_is_shown_as_the_per_cent_that_verify_gives(one: Path, tmp_path: Path) -> None:
    assert ">97.50 %<" in report([one], [written(tmp_path / "v.json", VERIFY)])


def test_instructions_are_never_called_a_time(one: Path, tmp_path: Path) -> None:
    page = report([one], [written(tmp_path / "b.json", BENCH)])
    assert "1,234,567 instructions" in page and "not a time" in page
    seconds = BENCH | {"metric": "seconds", "median": 0.0123, "p95": 0.02}
    assert "12.300 ms" in report([one], [written(tmp_path / "b.json", seconds)])


def test_per_layer_costs_join_the_layer_table(one: Path, tmp_path: Path) -> None:
    layers = [{"name": "stem", "instructions": 4242}]
    page = report([one], [written(tmp_path / "b.json", BENCH | {"layers": layers})])
    assert "4,242 instructions" in page and "Instructions per block" in page


def test_cycles_and_their_instructions_are_drawn_layer_by_layer(one: Path, tmp_path: Path) -> None:
    stem, total = (CycleFigure(4242 * n, 500.0 * n, 400.0, 25.0, "pipe") for n in (1, 9))
    peer = PeerCycles("1.2", CycleFigure(99, 9000.0, 1.0, 0.0, "memory"), None)
    estimate = CycleEstimate(
        "cortex-m7", "cortex-m7 in LLVM 22", total, (LayerCycles("stem", "conv2d", 9, stem),),
        {"litert": peer}, (),
    )  # fmt: skip
    content = estimate.to_dict() | {"target": fabricated_manifest()["target"]}
    page = report([one], [written(tmp_path / "c.json", content)])
    assert "Cycles by layer" in page and "Instructions by layer" in page
    assert "525 cycles" in page and "4,242 instructions" in page and "which is no time" in page
    assert "litert" in page and f"{4525 / 9000:.3f}" in page
    assert "is_estimate" not in page.split('type="application/json"')[0]


def test_missed_bytes_are_a_table(one: Path, tmp_path: Path) -> None:
    missed = {"all": 4321, "weights": 1000, "arena": 2000, "image": 300, "rest": 1021}
    target = fabricated_manifest()["target"]
    content = Locality(target, "blocks", 1, 5, 5, 6, missed, missed, 7).to_dict()
    page = report([one], [written(tmp_path / "c.json", content)])
    assert "Bytes missed in the caches" in page and "4,321" in page and "2,000" in page


def test_a_tuning_curve_is_drawn(one: Path, tmp_path: Path) -> None:
    tune = {"tasks": 2, "trials": 3, "records": 3, "rejected": 0, "best_before": 9.0,
            "best_after": 3.0, "metric": "instructions", "curve": [9, 4, 6]}  # fmt: skip
    page = report([one], [written(tmp_path / "t.json", tune)])
    assert "<polyline" in page and "3.00 times" in page


def test_a_bare_manifest_is_enough(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    written(
        tmp_path / "bare" / "manifest.json",
        {"name": "x", "target": "x86-64-v3", "arena_bytes": 4096},
    )
    page = report([tmp_path / "bare"])
    assert "4.0 KiB" in page and "<h3>Layers</h3>" not in page


def test_names_in_the_data_cannot_become_markup(tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script>"
    page = report([write_artifact(tmp_path / "bad", name=bad)])
    assert "<script>alert" not in page
    assert embedded(page)["artifacts"][0]["manifest"]["name"] == bad


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no manifest"):
        report([tmp_path])


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "cannot be read"), ("[]", "not a JSON object"), ("{}", "name, target, arena_bytes")],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match=words):
        report([tmp_path])


@pytest.mark.parametrize(
    ("content", "words"), [("nonsense", "cannot be read"), ("3", "not a JSON object")]
)
def test_a_damaged_result_is_refused(one: Path, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError, match=words):
        report([one], [tmp_path / "r.json"])


def test_command_writes_the_page_and_prints_where(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    output = tmp_path / "page.html"
    assert run(parser.parse_args([str(one), "-o", str(output)])) == 0
    assert capsys.readouterr().out.strip() == str(output)
    assert output.read_text() == report([one])
    with pytest.raises(UsageError, match="No such file"):
        run(parser.parse_args([str(one), "-o", str(tmp_path / "missing" / "page.html")]))


def test_an_artefact_changed_after_compile_is_refused(one: Path) -> None:
    manifest = json.loads((one / "manifest.json").read_text())
    written(one / "manifest.json", manifest | {"schema": 1, "files": {}, "seal": "0" * 64})
    with pytest.raises(ArtifactError, match="changed after compile"):
        report([one])


def test_fused_layers_show_the_schedule_of_the_kernel_that_makes_them(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "one")
    manifest = json.loads((folder / "manifest.json").read_text())
    first, *others = manifest["kernels"]
    fused = first | {"fuses": ["stem", "block1.depthwise"], "schedule": "record-99"}
    written(folder / "manifest.json", manifest | {"kernels": [fused, *others[1:]]})
    page = report([folder])
    rows = re.findall(r"<tr>(<td.*?)</tr>", page[page.index("<h3>Layers</h3>") :])
    assert all("tuned: record-99" in row for row in rows[:2])
