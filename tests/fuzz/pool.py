"""The sandbox: worker processes with limits, and the outcome of every seed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LIMITS", "Outcome", "run_seeds"]

LIMITS = {"ready": 120.0, "file": 10.0, "compile": 60.0}
"""Seconds of a processor that each stage of a file may take."""
STILL_SECONDS, STILL_USED = 300.0, 3.0
"""A process that in so long computes less than this waits for what never comes."""
LOOKS = 20
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """`word`: "refused", "accepted", "compiled", "ran"; "fault", "crash" or "hang"."""

    seed: int
    kind: str
    word: str
    text: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether something of ours must change."""
        return self.word in ("fault", "crash", "hang")


class _Worker:
    """One process, begun anew when a file has ended it."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self._folder, self._options = folder, options
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: Any = None
        self._read = b""

    def run(self, seed: int) -> Outcome:
        if self._process is None:
            self._begin()
        process = self._process
        assert process is not None and process.stdin is not None
        process.stdin.write(f"{seed}\n".encode())
        process.stdin.flush()
        kind, stage = "?", "file"
        while True:
            answer = self._answer(stage)
            if isinstance(answer, str):
                self.end()
                return Outcome(seed, kind, *self._why(answer, stage))
            kind, stage = answer["kind"], answer["stage"]
            if stage == "done":
                found = Outcome(seed, kind, answer["word"], answer["text"])
                if found.is_fault:
                    # What it has left in the process must not be the next one's fault.
                    self.end()
                return found

    def _begin(self) -> None:
        self._read = b""
        # Whatever native code says when it ends the process.
        self._errors = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - as long as it
        command = [sys.executable, "-m", "tests.fuzz.worker", str(self._folder)]
        self._process = subprocess.Popen(
            [*command, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=ROOT,
            env={
                **os.environ,
                "OPENBLAS_NUM_THREADS": "1",
                "PYTHONPATH": str(ROOT),
                "PYTHONFAULTHANDLER": "1",
            },
            start_new_session=True,
        )
        ready = self._answer("ready")
        assert isinstance(ready, dict), self._why(str(ready), "ready")

    def _answer(self, stage: str) -> dict[str, Any] | str:
        """The next line; "crash" or "hang" where none comes."""
        process = self._process
        assert process is not None and process.stdout is not None
        begun, used = time.monotonic(), self._used()
        while True:
            if b"\n" in self._read:
                line, _, self._read = self._read.partition(b"\n")
                found: dict[str, Any] = json.loads(line)
                return found
            if select.select([process.stdout], [], [], 0.2)[0]:
                more = os.read(process.stdout.fileno(), 1 << 16)
                if not more:
                    return "crash"
                self._read += more
                continue
            if self._used() - used > LIMITS[stage]:
                return "hang"
            still = time.monotonic() - begun > STILL_SECONDS
            if still and self._used() - used < STILL_USED and not self._wants_to_run():
                return "hang"

    def _used(self) -> float:
        """Processor seconds of the worker and of what it waited for."""
        assert self._process is not None
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        return sum(map(int, text.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")

    def _wants_to_run(self) -> bool:
        """Whether any process of its session is ready: others may leave it no processor."""
        assert self._process is not None
        for _ in range(LOOKS):
            for path in Path("/proc").glob("[0-9]*/stat"):
                try:
                    state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
                except OSError:
                    continue
                if int(session) == self._process.pid and state in "RD":
                    return True
            time.sleep(0.05)
        return False

    def _why(self, word: str, stage: str) -> tuple[str, str]:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        places = [x.strip() for x in said if "edgemnv2/" in x or "Error" in x]
        return word, f"{stage}: {(places or said or [''])[0][-200:]}"

    def end(self) -> None:
        """The process and all that it began are gone."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process = None


def run_seeds(
    seeds: Iterable[int], folder: Path, *, shared: bool = False, compile_every: int = 1
) -> Iterator[Outcome]:
    """The outcome of each seed, one after another; one of `compile_every` networks is compiled."""
    options = [f"--compile-every={compile_every}", *(["--shared"] if shared else [])]
    worker = _Worker(folder, options)
    try:
        for seed in seeds:
            yield worker.run(seed)
    finally:
        worker.end()
