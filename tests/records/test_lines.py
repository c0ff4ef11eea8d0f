"""Every value of a record's line is looked at before MetaSchedule reads it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.records.lines import check_record_line
from edgemnv2.records.log import RECORDS

LOGS = Path(__file__).resolve().parents[2] / "tune_logs"
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
    if harmless and was != "SampleCategorical" and was not in ("GetSBlock", "Annotate"):
        check_record_line(json.dumps(line).encode())
        return
    with pytest.raises(ValueError, match=r".+"):
        check_record_line(json.dumps(line).encode())


def test_nests_without_end_are_told() -> None:
    with pytest.raises(ValueError, match="nested without end"):
        check_record_line(b"[" * 100_000)
