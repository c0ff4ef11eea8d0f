"""Every value of a record's line is looked at before MetaSchedule reads it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.records.files import RECORDS
from edgemnv2.records.lines import check_record_line

LOGS = Path(__file__).resolve().parents[2] / "tune_logs"
NAMES = ("GetSBlock", "Annotate", "b0", "v1")
"""Of instructions, and of what they make."""
LINE: list[Any] = [
    0,
    [
        [
            [
                ["GetSBlock", [], ["kernel", "main"], ["b0"]],
                ["SampleCategorical", [], [[0, 1], [0.5, 0.5]], ["v1"]],
                ["Annotate", ["b0", "v1"], ["edgemnv2.weights:BYTES|HALVES"], []],
            ],
            [[1, 1]],
        ],
        [201006, 1.5],
        None,
        [],
    ],
]


def _places(value: Any, place: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    yield place
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, (*place, index))


def test_every_line_of_the_shipped_logs_passes() -> None:
    lines = [x for log in LOGS.glob(f"*/{RECORDS}") for x in log.read_bytes().splitlines()]
    assert len(lines) > 100
    for line in lines:
        check_record_line(line)


@pytest.mark.parametrize("other", [{}, "word", [[]], True, 1 << 70], ids=str)
@pytest.mark.parametrize("place", list(_places(LINE)), ids=str)
def test_a_value_of_another_kind_is_told(place: tuple[int, ...], other: Any) -> None:
    check_record_line(json.dumps(LINE).encode())
    line = copy.deepcopy(LINE)
    at: Any = line
    for index in place[:-1]:
        at = at[index]
    was = at[place[-1]] if place else line
    if place:
        at[place[-1]] = other
    else:
        line = other
    # Words may be any word, and costs any number.
    harmless = isinstance(was, str) and isinstance(other, str)
    harmless |= len(place) == 3 and place[:2] == (1, 1) and other == 1 << 70
    harmless |= isinstance(was, float) and other == 1 << 70
    if harmless and was != "SampleCategorical" and was not in NAMES:
        check_record_line(json.dumps(line).encode())
        return
    with pytest.raises(ValueError, match=r".+"):
        check_record_line(json.dumps(line).encode())


def test_nests_without_end_are_told() -> None:
    with pytest.raises(ValueError, match="nested without end"):
        check_record_line(b"[" * 100_000)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[1, 1]]", "[[0, 1]]", "a decision for instruction 0, which takes none"),
        ("[[1, 1]]", "[[7, 1]]", "a decision for instruction 7, which takes none"),
        ("[[1, 1]]", "[[1, 2]]", "choice 2 of 2 candidates"),
        ("[[1, 1]]", "[[1, -1]]", "choice -1 of 2 candidates"),
        ('["b0", "v1"]', '["b0", "v2"]', "Annotate works on what was not made"),
        ('["b0", "v1"]', '["b7", "v1"]', "Annotate works on what was not made"),
    ],
)
def test_a_trace_that_contradicts_itself_is_told(old: str, new: str, message: str) -> None:
    line = json.dumps(LINE)
    assert old in line
    with pytest.raises(ValueError, match=message):
        check_record_line(line.replace(old, new).encode())
