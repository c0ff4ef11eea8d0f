"""The script of cells runs as it is, on a trained Keras file, and its pictures are drawn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgemnv2
from edgemnv2.samples import digits
from tests.conftest import REPOSITORY
from tests.notebook.keras_digits import write_keras_digits

SCRIPT = REPOSITORY / ".docs" / "keras_to_firmware.py"


def test_the_keras_file_is_the_digits_network(tmp_path: Path) -> None:
    made = edgemnv2.load(write_keras_digits(tmp_path / "digits.keras"))
    ours = edgemnv2.load("digits")
    images, labels = digits.heldout()
    x = images[:16].astype(np.float32) / 127.5 - 1
    (wanted,) = ours.reference({ours.inputs[0].name: x.transpose(0, 3, 1, 2)}).values()
    (found,) = made.reference({made.inputs[0].name: x}).values()
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert (found.argmax(axis=1) == labels[:16]).mean() > 0.9


@pytest.mark.slow(ci=True)
def test_cells_run_from_a_keras_file_to_firmware(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    write_keras_digits(tmp_path / "model.keras")
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "model.keras", str(digits.IMAGES)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    for pattern in (
        r"top-1: 100\.0 % float, 100\.0 % int8",
        r"fits: .*nucleo-h743zi",
        r"every output equal to the bit",
        r"heldout_000\S*: class 2",
        r"M instructions",
    ):
        assert re.search(pattern, said), said
    for picture in ("memory", "work", "layers"):
        root = ElementTree.parse(tmp_path / "pictures" / f"{picture}.svg").getroot()
        assert len(root) > 10
    assert (tmp_path / "firmware" / "README.md").is_file()
    assert (tmp_path / "report.html").is_file()


def test_every_cell_has_a_title() -> None:
    cells = re.split(r"^# %%", SCRIPT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    titles = [cell for cell in cells if cell.startswith(" [markdown]")]
    assert len(titles) * 2 == len(cells) and all("\n# #" in title for title in titles)
