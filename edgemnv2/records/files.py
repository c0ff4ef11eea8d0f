"""The files of a tuning log: how they are read, checked and written.

database_workload.json         one line: what stands for a kernel
database_tuning_record.json    one line a candidate: task, trace and cost
provenance.json                metric, target, versions, every session that added to it, and
                               for each tuned network the digests of the code behind its records
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgemnv2.errors import TuneLogError, reason
from edgemnv2.provenance import version_of
from edgemnv2.records.lines import check_record_line
from edgemnv2.records.record import Record
from edgemnv2.target_schema import METRICS

__all__ = [
    "PROVENANCE",
    "RECORDS",
    "SCHEMA",
    "WORKLOADS",
    "commit_record",
    "expect_whole",
    "open_database",
    "read_header",
    "read_records",
    "versions",
    "whole_lines",
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
_LOGS_KEPT = 4
_parsed: dict[tuple[bytes, bytes], tuple[Record, ...]] = {}
"""The logs that were read last, by what their files hold (see `read_records`)."""


def versions() -> dict[str, str]:
    """What records depend on besides the target: the compiler, and what decisions mean."""
    return {"apache-tvm": version_of("apache-tvm"), "kernels": str(KERNEL_VERSION)}


def whole_lines(content: bytes) -> bytes:
    """Up to the last end of a line."""
    return content[: content.rfind(b"\n") + 1]


def read_header(folder: Path) -> dict[str, Any]:
    """What `provenance.json` says; TuneLogError where that is nothing, or of other versions."""
    path = folder / PROVENANCE
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TuneLogError(
            f"{folder}: is not a tuning log, it has no {PROVENANCE} (`edgemnv2 tune` makes one)"
        ) from error
    except (OSError, ValueError) as error:
        raise TuneLogError(f"{path}: cannot be read ({reason(error)})") from error
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
    for name, mine in versions().items():
        theirs = str(header["versions"].get(name))
        if theirs != mine:
            raise TuneLogError(
                f"{folder}: was made with {name} {theirs}, and this is {mine} (tune again)"
            )
    return dict(header)


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


def read_records(folder: Path) -> tuple[Record, ...]:
    """The records, parsed once for one content: a process that compiles much reads few logs.

    Raises TuneLogError where one is damaged, or has no cost above 0.
    """
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
            database = open_database(whole, allow_missing=False)
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


@contextmanager
def _without_torn_lines(folder: Path) -> Iterator[Path]:
    """The log's folder, or a copy where a kill or a full disk has left a part of a line."""
    contents = {name: (folder / name).read_bytes() for name in (WORKLOADS, RECORDS)}
    wholes = {name: whole_lines(content) for name, content in contents.items()}
    if wholes == contents:
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        for file, content in wholes.items():
            (Path(name) / file).write_bytes(content)
        yield Path(name)


def open_database(folder: Path, *, allow_missing: bool) -> Any:
    """MetaSchedule's database over the two files in `folder`."""
    from tvm.s_tir.meta_schedule.database import JSONDatabase

    return JSONDatabase(str(folder / WORKLOADS), str(folder / RECORDS), allow_missing=allow_missing)


def write_database(folder: Path, records: Iterable[Record]) -> None:
    """MetaSchedule's two files with a workload for each task, so that its queries tell them apart.

    Larger than a log for that.
    """
    database = open_database(folder, allow_missing=True)
    count, keys = 0, set()
    for record in records:
        commit_record(database, record, record.key)
        count += 1
        keys.add(record.key)
    del database
    expect_whole(folder, len(keys), count)


def expect_whole(folder: Path, workloads: int, records: int) -> None:
    """OSError where the disk had no room for so many lines: MetaSchedule's writer does not say."""
    for file, wanted in ((WORKLOADS, workloads), (RECORDS, records)):
        (folder / file).touch()
        lines = (folder / file).read_bytes()
        if lines != whole_lines(lines) or lines.count(b"\n") < wanted:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def commit_record(database: Any, record: Record, key: str = "") -> None:
    """Add a record, on disk at once; `key` tells its workload from those of other tasks."""
    from tvm.s_tir.meta_schedule.database import TuningRecord

    from edgemnv2.records.workload import trace_of, workload_of

    workload = database.commit_workload(workload_of(key))
    trace = trace_of(record.key, record.space, record.decisions)
    # The device is in provenance.json, as data that MetaSchedule's target cannot hold.
    database.commit_tuning_record(TuningRecord(trace, workload, list(record.costs), None, []))
