"""One verb, stopped at one of its file operations: how it ended and what it has left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.interruptions.verbs import VERBS, Verb, build_shim, make_sources, snapshot

__all__ = ["FAULTS", "Stand"]

FAULTS = ("kill", "interrupt", "full", "readonly")
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600


@dataclass(frozen=True)
class _Ended:
    code: int
    said: str
    operations: int


class Stand:
    """Where verbs are tried: their sources, the shim, and how many operations each takes."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._sources = base / "sources"
        self._sources.mkdir()
        make_sources(self._sources)
        self._shim = build_shim(base)
        self._usual: dict[str, tuple[int, dict[str, bytes]]] = {}
        self._runs = 0

    def operations(self, name: str) -> int:
        """How many file operations the verb takes when nothing goes wrong."""
        return self._undisturbed(name)[0]

    def _undisturbed(self, name: str) -> tuple[int, dict[str, bytes]]:
        if name not in self._usual:
            folder = self._folder(name)
            ended = self._run(VERBS[name], folder, "", 0)
            assert ended.code == 0, ended.said
            self._usual[name] = ended.operations, snapshot(folder)
            shutil.rmtree(folder)
        return self._usual[name]

    def fault_of(self, name: str, fault: str, at: int) -> str:
        """What is wrong after operation `at` of a verb has met `fault`; "" where nothing is."""
        usual = self._undisturbed(name)[1]
        folder = self._folder(name)
        before = snapshot(folder)
        ended = self._run(VERBS[name], folder, fault, at)
        left = snapshot(folder)
        problem = (
            self._ending(fault, ended)
            or VERBS[name].whole(folder)
            or self._changes(name, before, left, usual)
            or self._drafts(folder, fault)
            or self._again(name, folder, usual)
        )
        shutil.rmtree(folder)
        return problem and f"{name}, {fault} at {at}: {problem}"

    def _folder(self, name: str) -> Path:
        """A new one, which for `replace` has an artefact already, and a file of the user's."""
        self._runs += 1
        folder = self.base / f"run{self._runs}"
        folder.mkdir()
        (folder / "mine.txt").write_text("keep me")
        if name == "replace":
            shutil.copytree(self._sources / "artifact", folder / "out")
        return folder

    def _run(self, verb: Verb, folder: Path, fault: str, at: int) -> _Ended:
        places = {"SOURCES": str(self._sources), "FOLDER": str(folder)}
        words = []
        for word in verb.words:
            for key, value in places.items():
                word = word.replace(key, value)
            words.append(word)
        count = self.base / "count"
        count.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "edgemnv2.cli.main", *words],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
                "EDGEMNV2_CACHE": str(self.base / "cache"),
                "LD_PRELOAD": str(self._shim),
                "EDGEMNV2_FAULT_FOLDER": str(folder),
                "EDGEMNV2_FAULT": fault or "none",
                "EDGEMNV2_FAULT_AT": str(at),
                "EDGEMNV2_FAULT_COUNT": str(count),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        operations = int(count.read_text()) if count.exists() else 0
        return _Ended(done.returncode, done.stderr, operations)

    @staticmethod
    def _ending(fault: str, ended: _Ended) -> str:
        """Killed; or an exit code of ours and a line that says why."""
        if "Traceback" in ended.said:
            return f"a traceback: {ended.said[-600:]}"
        codes = {"kill": (-9, 0), "interrupt": (130, 0)}.get(fault, (0, 1, 2))
        if ended.code not in codes:
            return f"ended with {ended.code}: {ended.said[-300:]}"
        if fault in ("full", "readonly") and ended.code and "edgemnv2 " not in ended.said:
            return f"says nothing of ours: {ended.said[-300:]}"
        return ""

    @staticmethod
    def _changes(
        name: str, before: dict[str, bytes], left: dict[str, bytes], usual: dict[str, bytes]
    ) -> str:
        """All of the old, or all of the new; a log may be on its way."""
        if name == "tune":
            return "" if left.get("mine.txt") == before["mine.txt"] else "the user's file is gone"
        if left in (before, usual):
            return ""
        # Replacing is two renames; between them there is none, and the old one is kept aside.
        if name == "replace" and left == {"mine.txt": before["mine.txt"]}:
            return ""
        odd = sorted(k for k in left if left[k] != before.get(k) and left[k] != usual.get(k))
        return f"neither old nor new: {odd or sorted(set(left) ^ set(usual))}"

    @staticmethod
    def _drafts(folder: Path, fault: str) -> str:
        """Nobody can clear away after a kill or in a folder that has become read-only."""
        hidden = [p.name for p in folder.rglob(".*")]
        return f"drafts left behind: {hidden}" if hidden and fault in ("interrupt", "full") else ""

    def _again(self, name: str, folder: Path, usual: dict[str, bytes]) -> str:
        """The same command works now; where it was done already, it says so."""
        complete = snapshot(folder) == usual and name in ("compile", "bundle")
        ended = self._run(VERBS[name], folder, "", 0)
        if complete:
            return "" if ended.code == 1 else f"the next run ended with {ended.code}"
        if ended.code:
            return f"the next run fails: {ended.said[-400:]}"
        if name == "tune":
            return VERBS[name].whole(folder)
        return "" if snapshot(folder) == usual else "the next run makes something else"
