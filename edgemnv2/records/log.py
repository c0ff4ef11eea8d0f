"""Tuning logs: a folder per core with MetaSchedule's database and where its figures come from.

MetaSchedule asks neither for the target nor for the metric when it answers a query, and takes every
cost for seconds; here both are part of the folder, and a foreign folder is refused with the reason.
See `files` for what lies in it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgemnv2.errors import TuneLogError
from edgemnv2.records.files import (
    PROVENANCE,
    RECORDS,
    SCHEMA,
    WORKLOADS,
    commit_record,
    expect_whole,
    open_database,
    read_header,
    read_records,
    versions,
    whole_lines,
)
from edgemnv2.records.lock import locked
from edgemnv2.records.record import Record, canonical, preference, ranked
from edgemnv2.records.together import finish_replacing, replaced_together
from edgemnv2.target import Target

__all__ = ["TuneLog", "core_of"]

_NOT_IN_KERNELS = ("fpu",)
"""Features of a core that no kernel of ours asks for: integers are all that it tunes there."""


def core_of(target: Target) -> str:
    """Whom a log serves: instruction set, core and features, as in `thumb cortex-m7 dsp`.

    Kernels are made for a core and its features, and what they cost is the core's; boards around
    it differ in clock, memories and caches, which decisions do not know.
    """
    features = sorted(set(target.cpu.features) - set(_NOT_IN_KERNELS))
    return " ".join([target.cpu.isa, target.cpu.core, *features])


class TuneLog:
    """The log in `folder`; `records` by task key and decisions."""

    def __init__(self, folder: Path, header: Mapping[str, Any], records: Iterable[Record]) -> None:
        self.folder = folder
        self.header = dict(header)
        self._records: dict[tuple[str, str], Record] = {}
        self._dropped: set[tuple[str, str, tuple[float, ...]]] = set()
        self._database: Any = None
        for record in records:
            self._keep(record)

    @staticmethod
    def create(folder: Path, target: Target, metric: str) -> TuneLog:
        """An empty log for `target`; nothing is written yet."""
        header = {
            "schema": SCHEMA,
            "metric": metric,
            "unit": f"{metric} per layer and inference",
            "target": {"name": target.name, "core": core_of(target)},
            "versions": versions(),
            "sessions": [],
            "codes": {},
        }
        return TuneLog(folder, header, ())

    @staticmethod
    def load(folder: Path) -> TuneLog:
        """The log in `folder`; TuneLogError where it is missing, damaged or of another version."""
        if not folder.is_dir():
            return TuneLog._load(folder)
        with locked(folder):
            try:
                finish_replacing(folder)
            except OSError as error:
                raise TuneLogError(
                    f"{folder}: a stop has left it half replaced, and the rest cannot be moved "
                    f"({error.strerror}; load it where it can be written)"
                ) from error
            return TuneLog._load(folder)

    @staticmethod
    def _load(folder: Path) -> TuneLog:
        header = read_header(folder)
        records = folder / RECORDS
        if not records.is_file() or not records.stat().st_size:
            # Stopped between its header and its first record: it has none, and may get some.
            return TuneLog(folder, header, ())
        if not (folder / WORKLOADS).is_file():
            raise TuneLogError(f"{folder / WORKLOADS}: is missing (tune again, or restore it)")
        return TuneLog(folder, header, read_records(folder))

    @staticmethod
    def load_header(folder: Path) -> TuneLog:
        """The log in `folder` without its records: quick, where only its facts are asked for."""
        return TuneLog(folder, read_header(folder), ())

    @property
    def metric(self) -> str:
        """ "seconds", "instructions" or "cycles"."""
        return str(self.header["metric"])

    @property
    def target_name(self) -> str:
        """The target that the records were measured on."""
        return str(self.header["target"]["name"])

    @property
    def core(self) -> str:
        """The core that the records are for, as `core_of` spells it."""
        return str(self.header["target"]["core"])

    @property
    def records(self) -> tuple[Record, ...]:
        """All records, sorted by task and rank."""
        return tuple(record for key in self.task_keys() for record in self.best_first(key))

    def task_keys(self) -> tuple[str, ...]:
        """Task keys, sorted."""
        return tuple(sorted({key for key, _ in self._records}))

    def best_first(self, key: str) -> list[Record]:
        """The records of one task, best first."""
        return ranked(record for (k, _), record in self._records.items() if k == key)

    def find(self, key: str, decisions: Mapping[str, Any]) -> Record | None:
        """The record of exactly these decisions."""
        return self._records.get((key, canonical(decisions)))

    def check_target(self, target: Target) -> None:
        """TuneLogError if the log is for another core than the target's, or for other features."""
        if self.core != core_of(target):
            raise TuneLogError(
                f"{self.folder}: is a log for {self.target_name} ({self.core}), not for "
                f"{target.name} ({core_of(target)}); give another folder, or tune again"
            )

    def check_same(self, other: TuneLog) -> None:
        """TuneLogError if records of `other` cannot stand beside ours."""
        for name in ("metric", "core", "versions"):
            mine, theirs = (
                log.core if name == "core" else log.header[name] for log in (self, other)
            )
            if mine != theirs:
                raise TuneLogError(
                    f"{other.folder}: {name} is {_words(theirs)}, but {_words(mine)} in "
                    f"{self.folder}; they cannot be in one log"
                )

    def append(self, record: Record) -> None:
        """Add a record, on disk at once. One of the same decisions is replaced by `save` only.

        Others may append to the same folder meanwhile.
        """
        self._keep(record)
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder):
                if self._database is None:
                    finish_replacing(self.folder)
                    if (self.folder / PROVENANCE).exists():
                        self._take_over(TuneLog.load_header(self.folder))
                    self.write_header()
                    self._drop_torn_lines()
                    self._database = open_database(self.folder, allow_missing=True)
                commit_record(self._database, record)
                # Behind it is a stream of C++ that loses without a word what a full disk refuses.
                if self._drop_torn_lines():
                    self._database = None
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _drop_torn_lines(self) -> bool:
        """Cut off the beginnings of lines that a kill or a full disk has left; whether any was."""
        torn = False
        for name in (WORKLOADS, RECORDS):
            path = self.folder / name
            content = path.read_bytes() if path.exists() else b""
            whole = whole_lines(content)
            if len(whole) < len(content) or (not content and self._database is not None):
                torn = True
                with path.open("r+b") as file:
                    file.truncate(len(whole))
        return torn

    def add_session(self, session: Mapping[str, Any]) -> None:
        """Note who added records, and how."""
        sessions = {canonical(s): s for s in [*self.header["sessions"], dict(session)]}
        self.header["sessions"] = [sessions[text] for text in sorted(sessions)]

    @property
    def codes(self) -> Mapping[str, Mapping[str, str]]:
        """Network -> record id -> digest of the code that the record's decisions made of it."""
        codes: Mapping[str, Mapping[str, str]] = self.header["codes"]
        return codes

    def stamp(self, model: str, codes: Mapping[str, str]) -> None:
        """Note the code behind the best records of the network `model`."""
        self.header["codes"] = {**self.codes, model: dict(sorted(codes.items()))}

    def merge(self, other: TuneLog) -> None:
        """Take over the records and sessions of `other`."""
        self.check_same(other)
        for record in other.records:
            self._keep(record)
        for session in other.header["sessions"]:
            self.add_session(session)
        for model, codes in other.codes.items():
            self.stamp(model, {**self.codes.get(model, {}), **codes})
        self._forget_codes()

    def prune(self, keep: int) -> int:
        """Keep the best `keep` records of each task; returns how many went."""
        before = len(self._records)
        for key in self.task_keys():
            for record in self.best_first(key)[keep:]:
                self._forget(record)
        self._forget_codes()
        return before - len(self._records)

    def _forget_codes(self) -> None:
        """Drop the digests of records that are gone."""
        ids = {record.id for record in self._records.values()}
        for model, codes in self.codes.items():
            self.stamp(model, {name: code for name, code in codes.items() if name in ids})

    def drop(self, key: str) -> None:
        """Forget the records of one task; on disk they stay until `save`."""
        for record in self.best_first(key):
            self._forget(record)

    def _forget(self, record: Record) -> None:
        index = (record.key, canonical(record.decisions))
        del self._records[index]
        self._dropped.add((*index, record.costs))

    def write_header(self) -> None:
        """`provenance.json` alone."""
        draft = self.folder / f".{PROVENANCE}.{os.getpid()}"
        try:
            draft.write_text(self._header_text(), encoding="utf-8", newline="\n")
            draft.replace(self.folder / PROVENANCE)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _header_text(self) -> str:
        return json.dumps(self.header, indent=1, sort_keys=True) + "\n"

    def save(self, *, alone: bool = False) -> None:
        """Write the folder anew: tasks and records sorted, one record for each decisions.

        What others have appended since it was read is taken over and stays, but for what was
        dropped here; `alone`: what is there is replaced. A stop at any point leaves all that was
        there, or all that is new.
        """
        self._database = None
        with _writing(self.folder):
            self._write_anew(alone)

    def _write_anew(self, alone: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            finish_replacing(self.folder)
            if not alone and (self.folder / RECORDS).exists():
                self._take_over(TuneLog._load(self.folder))
            # Records name workloads by number, the header names records: old beside new is wrong.
            with replaced_together(self.folder) as draft:
                self._write_database(draft)
                (draft / PROVENANCE).write_text(self._header_text(), encoding="utf-8", newline="\n")

    def _write_database(self, draft: Path) -> None:
        """All records, sorted, into an empty folder; OSError where the disk has no room for all."""
        database = open_database(draft, allow_missing=True)
        for record in self.records:
            commit_record(database, record)
        del database
        expect_whole(draft, min(len(self.records), 1), len(self.records))

    def _take_over(self, other: TuneLog) -> None:
        """What `other`, our folder as somebody has left it, has and we lack."""
        self.check_same(other)
        for record in other.records:
            if (record.key, canonical(record.decisions), record.costs) not in self._dropped:
                self._keep(record)
        for session in other.header["sessions"]:
            self.add_session(session)
        for model, codes in other.codes.items():
            self.stamp(model, {**codes, **self.codes.get(model, {})})
        if other.records:
            self._forget_codes()

    def _keep(self, record: Record) -> None:
        index = (record.key, canonical(record.decisions))
        known = self._records.get(index)
        if known is None or preference(record) < preference(known):
            self._records[index] = record


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """TuneLogError for a log that cannot be written."""
    try:
        yield
    except OSError as error:
        raise TuneLogError(
            f"{folder}: cannot be written ({error.strerror}); what it has is kept, make room or "
            "give another folder, and do it again to go on"
        ) from error


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {str(v)[:12]}" for k, v in sorted(value.items()))
    return str(value)
