"""Anchors from files and from feature maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import InputError
from edgemnv2.meaning.anchors import anchors_of, read_anchors, ssd_anchors

FOUR = np.array([[0.5, 0.5, 0.2, 0.1], [0.25, 0.75, 0.4, 0.3], [0.1, 0.2, 1, 1]])


def test_the_number_of_anchors_is_that_of_tensorflows_ssd_at_300() -> None:
    maps = [(19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
    anchors = np.array(ssd_anchors(maps))
    assert len(anchors) == 1917
    # The first cell of the first map: its own scales, then squares and oblongs of 0.2.
    np.testing.assert_allclose(anchors[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1])
    np.testing.assert_allclose(anchors[1, 2:], [0.2 / 2**0.5, 0.2 * 2**0.5])
    # The last cell's last box lies between its scale and 1.
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, 0.95**0.5, 0.95**0.5])


def test_rows_and_columns_are_in_the_order_of_a_maps_values() -> None:
    found = anchors_of({"maps": [[2, 3, [[0.5, 0.25]]]]}, "x")
    assert [round(y, 3) for y, *_ in found] == [0.25] * 3 + [0.75] * 3
    assert [round(x, 3) for _, x, *_ in found] == [0.167, 0.5, 0.833] * 2


@pytest.mark.parametrize("ending", ["npy", "csv", "txt", "json"])
def test_files(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"anchors.{ending}"
    expected = FOUR
    if ending == "npy":
        np.save(path, FOUR)
    elif ending == "json":
        path.write_text(json.dumps({"maps": [[1, 1, [[0.2, 0.1], [0.4, 0.3]]]]}))
        expected = np.array([[0.5, 0.5, 0.2, 0.1], [0.5, 0.5, 0.4, 0.3]])
    else:
        np.savetxt(path, FOUR, delimiter="," if ending == "csv" else " ")
    np.testing.assert_allclose(read_anchors(path), expected)


def test_a_row_for_each_number_is_turned(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.txt", FOUR.T)
    np.testing.assert_allclose(read_anchors(tmp_path / "a.txt"), FOUR)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("1,2,3\n", "have shape"),
        ("1,2,0,4\n", "above zero"),
        ("1,2,nan,4\n", "finite"),
        ("a,b,c,d\n", "cannot be read"),
        ("", "have shape"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_files_that_are_none(text: str, fact: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=fact):
        read_anchors(tmp_path / "a.csv")


def test_json_without_maps_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(InputError, match="not a description"):
        read_anchors(tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_anchors(tmp_path / "none.npy")
