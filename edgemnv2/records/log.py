"""Tuning logs: a folder per core with MetaSchedule's database and where its figures come from.

    database_workload.json         one line: what stands for a kernel
    database_tuning_record.json    one line a candidate: task, trace and cost
    provenance.json                metric, target, versions, every session that added to it, and
                                   for each tuned network the digests of the code behind its records

MetaSchedule asks neither for the target nor for the metric when it answers a query, and takes every
cost for seconds; here both are part of the folder, and a foreign folder is refused with the reason.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemnv2.errors import TuneLogError
from edgemnv2.provenance import version_of
from edgemnv2.records.lines import check_record_line
from edgemnv2.records.lock import locked
from edgemnv2.records.task import decisions_id
from edgemnv2.records.together import finish_replacing, replaced_together
from edgemnv2.target import Target
from edgemnv2.target_schema import METRICS

__all__ = [
    "PROVENANCE",
    "RECORDS",
    "WORKLOADS",
    "Record",
    "TuneLog",
    "core_of",
    "ranked",
    "write_database",
]

PROVENANCE = "provenance.json"
WORKLOADS = "database_workload.json"
RECORDS = "database_tuning_record.json"
SCHEMA = 4
MOST_LETTERS = 200
"""Of what the parser says: it quotes whole records."""
KERNEL_VERSION = 1
"""Raised by hand when the decisions of old records come to mean something else. A release leaves it
as it is: whether the code behind a record has changed is told by a digest of the code itself."""


@dataclass(frozen=True)
class Record:
    """One measured candidate, its output right.

    `costs` in the log's metric, of one layer; the first from the search, a second from the final
    measurement of the winners. `space` is what the trace could choose from.
    """

    key: str
    decisions: Mapping[str, Any]
    costs: tuple[float, ...]
    space: Mapping[str, tuple[Any, ...]]

    @property
    def id(self) -> str:
        """See `decisions_id`."""
        return decisions_id(self.key, self.decisions)

    @property
    def cost(self) -> float:
        """The most trustworthy of the costs."""
        return self.costs[-1]


def ranked(records: Iterable[Record]) -> list[Record]:
    """Best first: measured twice before once (a lucky first figure loses), then by cost."""
    return sorted(records, key=lambda r: (-len(r.costs), r.cost, _canonical(r.decisions)))


_NOT_IN_KERNELS = ("fpu",)
"""Features of a core that no kernel of ours asks for: integers are all that it tunes there."""


def core_of(target: Target) -> str:
    """Whom a log serves: instruction set, core and features, as in `thumb cortex-m7 dsp`.

    Kernels are made for a core and its features, and what they cost is the core's; boards around
    it differ in clock, memories and caches, which decisions do not know.
    """
    features = sorted(set(target.cpu.features) - set(_NOT_IN_KERNELS))
    return " ".join([target.cpu.isa, target.cpu.core, *features])


_LOGS_KEPT = 4
_parsed: dict[tuple[bytes, bytes], tuple[Record, ...]] = {}
"""The logs that were read last, by what their files hold (see `_read_records`)."""


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
            "versions": _versions(),
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
        header = _read_header(folder)
        records = folder / RECORDS
        if not records.is_file() or not records.stat().st_size:
            # Stopped between its header and its first record: it has none, and may get some.
            return TuneLog(folder, header, ())
        if not (folder / WORKLOADS).is_file():
            raise TuneLogError(f"{folder / WORKLOADS}: is missing (tune again, or restore it)")
        return TuneLog(folder, header, _read_records(folder))

    @staticmethod
    def load_header(folder: Path) -> TuneLog:
        """The log in `folder` without its records: quick, where only its facts are asked for."""
        return TuneLog(folder, _read_header(folder), ())

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
        return self._records.get((key, _canonical(decisions)))

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
                    self._database = _open(self.folder, allow_missing=True)
                _commit(self._database, record)
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
            whole = _whole_lines(content)
            if len(whole) < len(content) or (not content and self._database is not None):
                torn = True
                with path.open("r+b") as file:
                    file.truncate(len(whole))
        return torn

    def add_session(self, session: Mapping[str, Any]) -> None:
        """Note who added records, and how."""
        sessions = {_canonical(s): s for s in [*self.header["sessions"], dict(session)]}
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
        index = (record.key, _canonical(record.decisions))
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
        database = _open(draft, allow_missing=True)
        for record in self.records:
            _commit(database, record)
        del database
        for file in (WORKLOADS, RECORDS):
            (draft / file).touch()
            lines = (draft / file).read_bytes()
            wanted = len(self.records) if file == RECORDS else min(len(self.records), 1)
            if lines != _whole_lines(lines) or lines.count(b"\n") < wanted:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _take_over(self, other: TuneLog) -> None:
        """What `other`, our folder as somebody has left it, has and we lack."""
        self.check_same(other)
        for record in other.records:
            if (record.key, _canonical(record.decisions), record.costs) not in self._dropped:
                self._keep(record)
        for session in other.header["sessions"]:
            self.add_session(session)
        for model, codes in other.codes.items():
            self.stamp(model, {**codes, **self.codes.get(model, {})})
        if other.records:
            self._forget_codes()

    def _keep(self, record: Record) -> None:
        index = (record.key, _canonical(record.decisions))
        known = self._records.get(index)
        if known is None or _preference(record) < _preference(known):
            self._records[index] = record


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """TuneLogError for a log that cannot be written."""
    try:
        yield
    except OSError as error:
        raise TuneLogError(
            f"{folder}: cannot be written ({error.strerror}); what it has is kept, make room or "
            "give another folder, and tune again to go on"
        ) from error


def _whole_lines(content: bytes) -> bytes:
    """Up to the last end of a line."""
    return content[: content.rfind(b"\n") + 1]


def _versions() -> dict[str, str]:
    """What records depend on besides the target: the compiler, and what decisions mean."""
    return {"apache-tvm": version_of("apache-tvm"), "kernels": str(KERNEL_VERSION)}


def _preference(record: Record) -> tuple[Any, ...]:
    """Which of two records of the same decisions stays, whatever the order they come in."""
    return (
        -len(record.costs),
        record.costs[::-1],
        _canonical(dict(record.space)),
    )


def _open(folder: Path, *, allow_missing: bool) -> Any:
    from tvm.s_tir.meta_schedule.database import JSONDatabase

    return JSONDatabase(str(folder / WORKLOADS), str(folder / RECORDS), allow_missing=allow_missing)


def write_database(folder: Path, records: Iterable[Record]) -> None:
    """MetaSchedule's two files with a workload for each task, so that its queries tell them apart.

    Larger than a log for that.
    """
    database = _open(folder, allow_missing=True)
    for record in records:
        _commit(database, record, record.key)


def _commit(database: Any, record: Record, key: str = "") -> None:
    from tvm.s_tir.meta_schedule.database import TuningRecord

    from edgemnv2.records.workload import trace_of, workload_of

    workload = database.commit_workload(workload_of(key))
    trace = trace_of(record.key, record.space, record.decisions)
    # The device is in provenance.json, as data that MetaSchedule's target cannot hold.
    database.commit_tuning_record(TuningRecord(trace, workload, list(record.costs), None, []))


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / PROVENANCE
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TuneLogError(
            f"{folder}: is not a tuning log, it has no {PROVENANCE} (`edgemnv2 tune` makes one)"
        ) from error
    except (OSError, ValueError) as error:
        raise TuneLogError(f"{path}: cannot be read ({error})") from error
    expected = ("codes", "metric", "schema", "sessions", "target", "unit", "versions")
    if isinstance(header, dict) and header.get("schema", SCHEMA) != SCHEMA:
        raise TuneLogError(
            f"{path}: schema {header['schema']!r} (this edgemnv2 reads {SCHEMA}; tune again)"
        )
    missing = [key for key in expected if not isinstance(header, dict) or key not in header]
    if missing:
        raise TuneLogError(f"{path}: lacks {', '.join(missing)} (expected a log's provenance)")
    if header["metric"] not in METRICS:
        raise TuneLogError(
            f"{path}: metric {header['metric']!r} (must be one of {', '.join(METRICS)})"
        )
    _check_parts(header, path)
    for name, mine in _versions().items():
        theirs = str(header["versions"].get(name))
        if theirs != mine:
            raise TuneLogError(
                f"{folder}: was made with {name} {theirs}, and this is {mine} (tune again)"
            )
    return dict(header)


@contextmanager
def _without_torn_lines(folder: Path) -> Iterator[Path]:
    """The log's folder, or a copy where a kill or a full disk has left a part of a line."""
    contents = {name: (folder / name).read_bytes() for name in (WORKLOADS, RECORDS)}
    wholes = {name: _whole_lines(content) for name, content in contents.items()}
    if wholes == contents:
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        for file, content in wholes.items():
            (Path(name) / file).write_bytes(content)
        yield Path(name)


def _check_parts(header: Mapping[str, Any], path: Path) -> None:
    """TuneLogError where a part of the header is not of the form that readers rely on."""

    def texts(value: Any) -> bool:
        return isinstance(value, dict) and all(isinstance(x, str) for x in value.values())

    target, sessions, codes = header["target"], header["sessions"], header["codes"]
    if not isinstance(target, dict) or not isinstance(target.get("core"), str):
        raise TuneLogError(f"{path}: target must have name and core")
    if not isinstance(target.get("name"), str):
        raise TuneLogError(f"{path}: target must have name and core")
    right = {
        "unit": isinstance(header["unit"], str),
        "versions": texts(header["versions"]),
        "sessions": isinstance(sessions, list)
        and all(isinstance(x, dict) and isinstance(x.get("model", {}), dict) for x in sessions),
        "codes": isinstance(codes, dict) and all(texts(x) for x in codes.values()),
    }
    for name, fine in right.items():
        if not fine:
            raise TuneLogError(
                f"{path}: {name} is not what a log has there (restore, or tune again)"
            )


def _read_records(folder: Path) -> tuple[Record, ...]:
    """The records, parsed once for one content: a process that compiles much reads few logs."""
    contents = ((folder / RECORDS).read_bytes(), (folder / WORKLOADS).read_bytes())
    if contents not in _parsed:
        records = _parse_records(folder)
        while len(_parsed) >= _LOGS_KEPT:
            del _parsed[next(iter(_parsed))]
        _parsed[contents] = records
    return _parsed[contents]


def _parse_records(folder: Path) -> tuple[Record, ...]:
    from edgemnv2.records.workload import replay

    try:
        with _without_torn_lines(folder) as whole:
            for line in (whole / RECORDS).read_bytes().splitlines():
                check_record_line(line)
            database = _open(whole, allow_missing=False)
            found = list(database.get_all_tuning_records())
    except Exception as error:  # the parser behind it is C++ and raises what it likes
        reason = (str(error).strip().splitlines() or ["unreadable"])[-1][:MOST_LETTERS]
        raise TuneLogError(f"{folder}: is damaged ({reason})") from error
    records: list[Record] = []
    for entry in found:
        costs = tuple(float(getattr(c, "value", c)) for c in entry.run_secs or ())
        if not costs:
            raise TuneLogError(f"{folder / RECORDS}: a record has no cost")
        if not all(cost > 0 for cost in costs):
            raise TuneLogError(
                f"{folder / RECORDS}: is damaged, record {len(records)} costs "
                f"{', '.join(f'{cost:g}' for cost in costs)} (expected more than 0; restore it, or "
                "tune again)"
            )
        try:
            key, decisions = replay(entry.workload.mod, entry.trace)
            if not isinstance(json.loads(key), dict):
                raise ValueError("a task that is no object")
            records.append(Record(key, decisions, costs, _space_of(entry.trace)))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise TuneLogError(
                f"{folder / RECORDS}: is damaged, record {len(records)} contradicts itself "
                f"({type(error).__name__}; restore it, or tune again)"
            ) from error
    return tuple(records)


def _space_of(trace: Any) -> dict[str, tuple[Any, ...]]:
    """What the sampling instructions of a trace choose from."""
    space: dict[str, tuple[Any, ...]] = {}
    sampled: dict[str, list[int]] = {}
    for kind, inputs, attributes, outputs in trace.as_json()[0]:
        if str(kind) == "SampleCategorical":
            sampled[str(outputs[0])] = [int(value) for value in attributes[0]]
        elif str(kind) == "Annotate" and str(inputs[1]) in sampled:
            name, _, spelled = str(attributes[0]).removeprefix("edgemnv2.").partition(":")
            numbers = sampled[str(inputs[1])]
            words = spelled.split("|")
            space[name] = tuple(words) if spelled else tuple(numbers)
    return space


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {str(v)[:12]}" for k, v in sorted(value.items()))
    return str(value)
