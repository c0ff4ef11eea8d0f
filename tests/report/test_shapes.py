"""Results of which one part is another thing: a page, or a refusal by the file's name."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.errors import EdgeError, InputError
from edgemnv2.report.document import report
from edgemnv2.report.figures import read_figures
from edgemnv2.report.load import load
from edgemnv2.report.model_explorer import explorer_files
from tests.report.fabricated_artifact import fabricated_manifest, write_artifact
from tests.report.results_of_verbs import RESULTS

OTHERS: tuple[Any, ...] = (None, "x", -1, 0, float("inf"), [], {"a": 1}, [None], True)
GONE = object()


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Ways to every part of `content`."""
    parts = content.items() if isinstance(content, dict) else enumerate(content)
    for key, part in parts:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))


def changed(content: Any) -> Iterator[Any]:
    """`content` with one part gone, or another thing."""
    for path in places(content):
        for other in (GONE, *OTHERS):
            made = copy.deepcopy(content)
            at = made
            for key in path[:-1]:
                at = at[key]
            if other is GONE:
                del at[path[-1]]
            else:
                at[path[-1]] = other
            yield made


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("shapes") / "net")


@pytest.mark.parametrize("kind", RESULTS)
def test_what_verbs_print_is_taken_for_what_it_is(
    kind: str, artifact: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(RESULTS[kind]))
    subjects, others = load([artifact], [path])
    assert [x.kind for x in (*subjects[0].results, *others)] == [kind]
    assert f'"kind":"{kind}"' in report([artifact], [path])


@pytest.mark.parametrize("kind", RESULTS)
def test_a_part_that_is_another_thing_is_shown_or_refused_by_name(
    kind: str, artifact: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.json"
    refused = shown = 0
    for content in changed(RESULTS[kind]):
        path.write_text(json.dumps(content))
        for read in (lambda: report([artifact], [path]), lambda: read_figures(path)):
            try:
                read()
                shown += 1
            except InputError as error:
                assert str(path) in str(error) and "expected" in str(error)
                refused += 1
    assert refused and shown


def test_graphs_refuse_what_the_page_refuses(artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(RESULTS["bench"] | {"layers": [{"name": "a", "value": "fast"}]}))
    with pytest.raises(InputError, match=r"layers\[0\].value is 'fast', expected a finite number"):
        explorer_files([artifact], [path])


def test_a_page_of_another_make_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    manifest = {"name": "x", "target": "rpi4", "arena_bytes": 4096}
    bench = {"metric": "seconds", "median": 0.5}
    block = {
        "artifacts": [
            {"manifest": manifest, "results": [{"kind": "bench", "file": "b", "content": bench}]}
        ]
    }
    path.write_text(json.dumps(block))
    (figures,) = read_figures(path)
    assert figures.values["seconds"] == 0.5
    for content in changed(block):
        path.write_text(json.dumps(content))
        try:
            read_figures(path)
        except EdgeError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (fabricated_manifest(), "an artefact's manifest, expected what verify, bench"),
        ({"before": 1}, "none of these, expected what verify, bench"),
    ],
)
def test_what_no_verb_printed_is_no_result(
    content: Any, words: str, artifact: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=words):
        report([artifact], [path])
