"""One input gives one artefact, whatever the machine is set to."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("mps2-an386", "host")
PLAIN = {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"}
ODD = {
    "PYTHONHASHSEED": "4242",
    "LC_ALL": "tr_TR.UTF-8",
    "LANG": "tr_TR.UTF-8",
    "TZ": "Pacific/Auckland",
    "OPENBLAS_NUM_THREADS": "2",
    "SOURCE_DATE_EPOCH": "1700000000",
    "COLUMNS": "20",
    "CFLAGS": "-O0 -g",
}


def compiled(
    model: Path, target: str, folder: Path, variables: Mapping[str, str], mask: int, cpu: int | None
) -> dict[str, bytes]:
    """Every file of the artefact; the process has its own folder, home, mask and cores."""
    folder.mkdir(parents=True)
    (folder / "home").mkdir()
    pinned = [] if cpu is None or not shutil.which("taskset") else ["taskset", "-c", str(cpu)]
    command = [*pinned, sys.executable, "-m", "edgemnv2.cli.main", "compile", str(model)]
    done = subprocess.run(
        [*command, "--target", target, "-o", "out"],
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if k not in ODD},
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "home"),
            **variables,
        },
        umask=mask,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    out = folder / "out"
    files = sorted(p for p in out.rglob("*") if p.is_file())
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize("target", TARGETS)
def test_artefacts_do_not_depend_on_where_and_how_they_are_made(
    target: str, tmp_path: Path
) -> None:
    """BLAS kernels, locale, time zone, hash seed, cores, umask, home, working folder, flags."""
    # A folder of another length and letters, and the model in another place.
    places = tmp_path / "a", tmp_path / "another place, more deeply" / "ünder" / "it"
    models = []
    for place in places:
        place.mkdir(parents=True)
        models.append(place / "net.tflite")
        models[-1].write_bytes(TinyMobilenet().build())
    first_cpu = min(os.sched_getaffinity(0))
    usual = compiled(models[0], target, places[0] / "run", PLAIN, 0o022, None)
    odd = ODD if sys.platform != "linux" else {**ODD, "OPENBLAS_CORETYPE": "Prescott"}
    other = compiled(models[1], target, places[1] / "run", odd, 0o077, first_cpu)
    assert sorted(usual) == sorted(other)
    assert [name for name in usual if usual[name] != other[name]] == []


def test_what_can_be_run_can_be_run_by_others(tmp_path: Path) -> None:
    """A strict umask is the user's wish; the modes that count are of who may run the programs."""
    model = tmp_path / "net.tflite"
    model.write_bytes(TinyMobilenet().build())
    compiled(model, "host", tmp_path / "run", PLAIN, 0o022, None)
    mode = stat.S_IMODE((tmp_path / "run/out/bench").stat().st_mode)
    assert mode & 0o111 == 0o111
    assert stat.S_IMODE((tmp_path / "run/out").stat().st_mode) == 0o755
