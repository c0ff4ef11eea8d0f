"""How long it takes until trouble with a farm of boards is told: one tracker, servers on loopback.

`python -m tests.runners.farm_times` prints a table, one row for each trouble. Every verb is called
as a user calls it, with the product's own limits of time, so this takes minutes; that each of them
ends at all, and with which words, is what the tests next door guard.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgemnv2.records.log import TuneLog
from tests.runners.test_rpc_runner import KEY, Farm
from tests.runners.test_tracker import sleeps, tracker_that

NETWORK = "digits-int8"
MEASURED = "mobilenetv2-0.35-96-int8"
REPEAT = 10_000
TUNE = ["tune", NETWORK, "--target", "host", "--trials", "2"]
Row = tuple[str, str, str]


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgemnv2.cli.main", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str], began: float, what: str) -> Row:
    """Awaits it; says how many seconds after `began` it ended, with which code and last words."""
    said = process.communicate()[0].strip().splitlines()
    taken = time.monotonic() - began
    return what, f"{taken:.1f} s, exit code {process.returncode}", said[-1] if said else ""


@contextmanager
def farm(*boards: str) -> Iterator[Farm]:
    made = Farm()
    try:
        for path in boards:
            made.add_server(path=path)
        made.await_free(len(boards))
        yield made
    finally:
        made.stop()


def at(address: str, key: str = KEY) -> list[str]:
    return ["--rpc-tracker", address, "--rpc-key", key]


def sleeping_tracker(folder: Path) -> Iterator[Row]:
    with tracker_that(sleeps) as address:
        for words in (["bench", "net"], ["verify", "net"], [*TUNE, "--log-dir", "log1"]):
            began = time.monotonic()
            yield end(start([*words, *at(address)], folder), began, f"{words[0]}, sleeping tracker")


def mistyped_key(folder: Path) -> Iterator[Row]:
    with farm("") as made:
        for words in (["bench", "net"], ["verify", "net"], [*TUNE, "--log-dir", "log2"]):
            began = time.monotonic()
            command = [*words, *at(made.address, "rpi")]
            yield end(start(command, folder), began, f"{words[0]}, mistyped key")


def frozen_board(folder: Path) -> Iterator[Row]:
    """Stopped in the middle of a measurement of some seconds."""
    words = ["bench", "net", "--repeat", str(REPEAT)]
    with farm("") as made:
        began = time.monotonic()
        yield end(start([*words, *at(made.address)], folder), began, "bench, nothing freezes")
        whole = time.monotonic() - began
    with farm("") as made:
        process = start([*words, *at(made.address)], folder)
        time.sleep(whole / 2)
        began = time.monotonic()
        server = made.processes[-1].pid
        for each in (*_children(server), server):
            os.kill(each, signal.SIGSTOP)
        yield end(process, began, "bench, the only board freezes")


def dead_tracker(folder: Path) -> Iterator[Row]:
    with farm("") as made:
        process = start([*TUNE, "--log-dir", "log3", *at(made.address)], folder)
        time.sleep(25)
        began = time.monotonic()
        os.killpg(made.processes[0].pid, signal.SIGKILL)
        yield end(process, began, "tune, the tracker dies")


def two_at_once(folder: Path) -> Iterator[Row]:
    began = time.monotonic()
    words = ["tune", NETWORK, "--target", "mps2-an386", "--trials", "2", "--log-dir"]
    alone = []
    for seed in ("1", "2"):
        process = start([*words, f"alone{seed}", "--seed", seed], folder)
        end(process, began, "")
        alone.append(_records(folder / f"alone{seed}"))
    both = [start([*words, "both", "--seed", seed], folder) for seed in ("1", "2")]
    ends = [end(process, began, "") for process in both]
    lost = set().union(*alone) - _records(folder / "both")
    codes = ", ".join(row[1].rsplit(" ", 1)[-1] for row in ends)
    found = f"{len(set().union(*alone))} records, {len(lost)} lost, exit codes {codes}"
    yield "two tune into one folder", found, ends[-1][2]


def _records(folder: Path) -> set[str]:
    log = TuneLog.load(folder)
    return {f"{key} {record.id}" for key in log.task_keys() for record in log.best_first(key)}


def _children(session: int) -> list[int]:
    """All processes of the server's session."""
    found = subprocess.run(["pgrep", "-s", str(session)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


ROWS: tuple[Callable[[Path], Iterator[Row]], ...] = (
    *(sleeping_tracker, mistyped_key, frozen_board, dead_tracker, two_at_once),
)


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m tests.runners.farm_times", description=(__doc__ or "").splitlines()[0]
    ).parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        process = start(["compile", MEASURED, "--target", "host", "-o", "net"], folder)
        said = process.communicate()[0]
        if process.returncode:
            sys.exit(said)
        print("| what | found | last words |\n|---|---|---|")
        for rows in ROWS:
            for row in rows(folder):
                print(f"| {' | '.join(row)} |".replace(place, ""), flush=True)


if __name__ == "__main__":
    main()
