"""Drafts of processes that were killed are cleared away; nothing else is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgemnv2.drafts import MARK, draft_folder

pytest.importorskip("fcntl")
HOLD = """
import sys, time
from pathlib import Path
from edgemnv2.drafts import draft_folder

with draft_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("done")
    print(folder.name, flush=True)
    time.sleep(600)
"""


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*"))


def test_a_draft_is_put_in_place_or_removed(tmp_path: Path) -> None:
    with draft_folder(tmp_path / "deep" / "net") as folder:
        (folder / "file").touch()
        folder.rename(tmp_path / "deep" / "net")
    assert (tmp_path / "deep" / "net" / "file").is_file() and not hidden(tmp_path / "deep")
    with pytest.raises(KeyError), draft_folder(tmp_path / "other") as folder:
        (folder / "file").touch()
        raise KeyError
    assert not hidden(tmp_path) and not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["net", "a[b]*c?"])
def test_the_next_run_clears_away_what_the_dead_left_and_only_that(
    name: str, tmp_path: Path
) -> None:
    output = tmp_path / name
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        draft = owner.stdout.readline().strip()
        others = [f".{name}.settings", f".other.{MARK}x", f".{name}.{MARK}empty"]
        for other in others:
            (tmp_path / other).mkdir()
        for other in others[:2]:
            (tmp_path / other / "file").touch()
        with draft_folder(output):
            assert set(hidden(tmp_path)) > {draft, *others}
        assert hidden(tmp_path) == sorted([draft, *others])
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while draft in hidden(tmp_path) and time.monotonic() < deadline:
        with draft_folder(output):
            pass
    assert hidden(tmp_path) == sorted(others)
