"""Damaged files of every kind: a clear error or a right result, and nothing left behind."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from tests.fuzz import pool
from tests.fuzz.__main__ import summary
from tests.fuzz.checks import Unclear, clear
from tests.fuzz.originals import KINDS
from tests.fuzz.pool import LIMITS, Outcome, run_seeds
from tests.fuzz.worker import case

FILES = 22
"""Two of every kind, networks four."""
MANY = 1100


def test_damaged_files_are_refused_or_right(tmp_path: Path) -> None:
    """The command's first seeds; `python -m tests.fuzz` runs 10,000."""
    outcomes = list(run_seeds(range(FILES), tmp_path, compile_every=10))
    assert not [x for x in outcomes if x.is_fault], summary(outcomes)
    # Damage that nothing survives, or that nothing minds, would test little.
    assert {x.word for x in outcomes} >= {"refused", "accepted"}
    assert {x.kind for x in outcomes} == set(KINDS)


@pytest.mark.slow(ci=True)
def test_what_was_a_fault_is_none_now(tmp_path: Path) -> None:
    """Padding alone, constants of TiB, operands of fewer axes than their constants say.

    A pool's output of another rank, a name that is no text, floats made of integers without scale,
    a zero point that its type cannot hold, a dilated convolution that a network ends in, windows
    that lie outside of the map, a sum of bytes and floats, an output of scale 1e38,
    a zero point of an artefact that is no whole number, a scale that is no number,
    a mean of a million floats, parts of 2**63 values, a choice
    whose condition is spread twice, a processor that LLVM dies of.
    """
    seeds = [
        23254,
        23100,
        43351,
        45585,
        49456,
        50975,
        204207,
        204438,
        213755,
        224248,
        244884,
        258464,
        525550,
        506783,
        910472,
        939942,
        942651,
    ]
    outcomes = list(run_seeds(seeds, tmp_path, compile_every=1))
    assert not [x for x in outcomes if x.is_fault], summary(outcomes)


@pytest.mark.slow
def test_many_damaged_files_are_refused_or_right(tmp_path: Path) -> None:
    outcomes = list(run_seeds(range(50_000, 50_000 + MANY), tmp_path, compile_every=5))
    assert not [x for x in outcomes if x.is_fault], summary(outcomes)


def test_a_seed_gives_the_same_file_again() -> None:
    for seed in range(len(KINDS)):
        kind, blob, _ = case(seed)
        assert (kind, blob) == case(seed)[:2] or kind in ("h5", "keras", "npz")
        assert len({case(seed + len(KINDS) * i)[1] for i in range(8)}) > 1


def test_an_error_that_names_nothing_is_a_fault() -> None:
    clear(ModelError("m.onnx: damaged"), "m.onnx")
    with pytest.raises(Unclear):
        clear(ModelError("damaged"), "m.onnx")
    with pytest.raises(Unclear):
        clear(ModelError(""))


def test_a_summary_with_a_fault_fails() -> None:
    fine = [Outcome(0, "onnx", "refused")]
    assert summary(fine).endswith("1 files, 0 faults: PASSED")
    assert summary([*fine, Outcome(1, "npz", "hang", "file")]).endswith("1 faults: FAILED")


@pytest.mark.parametrize(
    "what",
    [
        "crash",
        "hang",
        *(pytest.param(x, marks=pytest.mark.slow(ci=True)) for x in ("memory", "wait")),
    ],
)
def test_the_sandbox_sees(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies, computes for ever, or takes too much, is seen and begun anew."""
    body = {
        "crash": "import os; os.kill(os.getpid(), 11)",
        "hang": "while True: pass",
        "memory": "import numpy; numpy.ones(300 << 20)",
        "wait": "import threading; threading.Event().wait()",
    }[what]
    if what == "wait":
        monkeypatch.setattr(pool, "STILL_SECONDS", 2.0)
    if what == "hang":
        monkeypatch.setitem(LIMITS, "file", 1.0)
    monkeypatch.setenv("EDGEMNV2_FUZZ_PLANT", body)
    (first, second) = run_seeds([0, 10], tmp_path)
    word = {"memory": "fault", "wait": "hang"}.get(what, what)
    assert first.is_fault and first.word == word
    assert not second.is_fault


def test_a_bomb_is_a_bomb() -> None:
    """Of 3 GiB, honest or not about it; what is held against them is what they unpack to."""
    from tests.fuzz.mutate import BOMB_BYTES, _zipped

    said = set()
    for seed in range(6):
        blob = _zipped({"a.npy": b""}, "a.npy", np.random.default_rng(seed))
        assert len(blob) < BOMB_BYTES // 500
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            (info,) = archive.infolist()
            said.add(info.file_size)
            if info.file_size == BOMB_BYTES:
                with archive.open(info) as file:
                    assert file.read(1 << 20) == bytes(1 << 20)
    assert said == {BOMB_BYTES, 4096}
