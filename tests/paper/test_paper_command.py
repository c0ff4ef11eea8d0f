"""`edgemnv2 paper` as its user meets it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgemnv2.cli.paper import add_arguments, run
from edgemnv2.errors import UsageError


def call(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


def test_json_is_one_object_with_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--json") == 0
    content = json.loads(capsys.readouterr().out)
    tables = {f"table{number}" for number in range(1, 8)}
    assert tables | {"work", "cost", "figure1"} == set(content)
    assert [x["n"] for x in content["figure1"]["panels"]] == [2, 3, 5, 15, 30]


def test_plot_is_written_and_the_text_still_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--plot", str(tmp_path / "one.svg")) == 0
    assert (tmp_path / "one.svg").read_text().startswith("<svg")
    assert "Table 3" in capsys.readouterr().out


def test_a_picture_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        call("--plot", str(tmp_path / "missing" / "one.svg"))


def test_a_negative_seed_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="expected 0 or more"):
        call("--seed", "-1")


def test_the_paper_needs_no_tvm() -> None:
    code = "import sys, edgemnv2.cli.paper, edgemnv2.paper.text; sys.exit('tvm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
