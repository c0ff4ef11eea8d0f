"""Boards behind TVM's RPC tracker: several under one key measure in parallel, one per caller.

The board runs `python -m tvm.exec.rpc_server --tracker HOST:PORT --key K`. The artefact's static
`bench` program is uploaded and run there by a few lines of C (runtime/rpc_exec.c). A board that
dies or hangs costs a retry on another one.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import edgemnv2.runners.rpc_session as rpc_session
from edgemnv2.artifact import Artifact
from edgemnv2.codegen.toolchain import compile_object, link_shared
from edgemnv2.errors import RunnerError
from edgemnv2.runners.base import BoardLost, Job, Runner, RunResult, Sample
from edgemnv2.runners.bench_program import WARMUP, run_bench_program
from edgemnv2.runners.device_state import DeviceState, state_notes
from edgemnv2.runners.linux_board import STATE_COMMAND, check_linux, parse_states
from edgemnv2.runners.local import RUNTIME
from edgemnv2.runners.tracker import Tracker, no_such_board
from edgemnv2.target import Target

__all__ = ["RpcRunner"]

_CONNECT_SECONDS = 15.0
_WAIT_SECONDS = 600.0  # for a board that others use
_RETURN_SECONDS = 20.0  # for one that was lost, to come back
_POLL_SECONDS = 0.05
_TRANSFER_SECONDS = 60.0
_START_SECONDS = 60.0  # the worker imports TVM
_HOLD_SECONDS = 3600  # after which the server itself ends a session that is held
_ATTEMPTS = 4
# How long a job may take: this for its start, and by inference what its size says at the slowest,
# until one was seen; then so many times what it took.
_JOB_SECONDS = 10.0
_MACS_PER_SECOND = 25e6
_MARGIN = 5
_PROBE_INFERENCES = 3
"""A first job with more than these is preceded by one that shows what an inference takes."""


class RpcRunner(Runner):
    """Runs on any free board that the tracker at `address`, HOST:PORT, knows under `key`.

    One runner uses one board at a time and is for one thread; make several to use several boards.
    Every run takes whichever board is free, except inside `hold`, and another one up to three times
    when it is lost. `wait_seconds` bounds the wait for a board that others use, `connect_seconds`
    that for its first answer. What a job may take comes from what one inference took. `retries`
    counts the boards that were lost, `lost` names them.
    """

    name = "rpc"

    def __init__(
        self,
        address: str,
        key: str,
        *,
        wait_seconds: float = _WAIT_SECONDS,
        connect_seconds: float = _CONNECT_SECONDS,
    ) -> None:
        self._worker: Any = None
        self._held = self._connected = self._used = False
        self.retries = 0
        self._place = ""
        self._tracker = Tracker.at(address)
        for module in ("tornado", "cloudpickle", "psutil"):
            if find_spec(module) is None:
                raise RunnerError(f"rpc: {module} is not installed (pip install 'edgemnv2[rpc]')")
        self._address, self._key = address, key
        self._wait_seconds = wait_seconds
        self._connect_seconds = connect_seconds
        self._executor: dict[str, bytes] = {}
        self._took: dict[str, float] = {}
        self._has_had_a_board = False

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        check_linux(artifact)
        work = len(inputs) + job.inferences + (WARMUP if job.measures else 0)
        seal = str(artifact.manifest.seal)
        if seal not in self._took and work > _PROBE_INFERENCES and inputs:
            self._run(artifact, inputs[:1], Job(threads=job.threads))
        seconds = self._limit(artifact, work)
        states: list[DeviceState] = []
        already_lost = len(self.lost)

        def launch(arguments: Sequence[str], folder: Path) -> str:
            wanted = ["out.bin", *(["trace.bin"] if job.trace else [])]
            files = {
                "in.bin": (folder / "in.bin").read_bytes(),
                "bench": (artifact.path / "bench").read_bytes(),
                "job.sh": _job(arguments, wanted).encode(),
            }
            made, took = self._execute(artifact, files, [*wanted, "text", "state"], seconds)
            self._took[seal] = max(self._took.get(seal, 0.0), took / max(work, 1))
            for name in wanted:
                (folder / name).write_bytes(made[name])
            states.extend(parse_states(made["state"].decode(errors="replace")))
            return made["text"].decode(errors="replace")

        result, _ = run_bench_program(artifact, inputs, launch, job)
        notes = state_notes(states[0], states[1]) if job.repeat else ()
        lost = tuple(f"lost on the way: board {text}" for text in self.lost[already_lost:])
        return replace(result, notes=(*notes, *lost))

    def _limit(self, artifact: Artifact, work: int) -> int:
        """Seconds that a job of so many inferences may take."""
        took = self._took.get(str(artifact.manifest.seal))
        each = artifact.manifest.macs / _MACS_PER_SECOND if took is None else _MARGIN * took
        return int(_JOB_SECONDS + each * work)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Inside, every run is on the same board, which nobody else gets.

        A run raises BoardLost when that board is lost after an earlier run on it.
        """
        self._held, self._used = True, False
        try:
            yield
        finally:
            self._held = False
            self._give_back()

    def close(self) -> None:
        """End the worker process, and with it the session."""
        self._connected = False
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def __del__(self) -> None:
        # At the interpreter's end TVM's `kill` no longer works; the worker ends with its pipe.
        if not sys.is_finalizing():
            self.close()

    def _execute(
        self, artifact: Artifact, files: dict[str, bytes], wanted: list[str], seconds: int
    ) -> tuple[dict[str, bytes], float]:
        """The wanted files of one finished job, whichever board finished it, and its seconds."""
        reason = ""
        executor = self._executor_for(artifact.target)
        for attempt in range(_ATTEMPTS):
            if not self._connected:
                self._place = ""
            try:
                self._take_board(seconds, attempt > 0)
                can_run = self._call(rpc_session.upload, (executor, files), _TRANSFER_SECONDS)
                if can_run:
                    # The job is killed in time; a board that does not say so is frozen.
                    took = self._call(
                        rpc_session.execute, (seconds,), seconds + self._connect_seconds
                    )
                    made = self._call(rpc_session.download, (wanted,), _TRANSFER_SECONDS)
                if not self._held:
                    self._give_back()
            except RunnerError:
                raise
            except TimeoutError:
                reason = "does not answer any more"
            # Whatever TVM raises when a connection breaks, in the worker or between us and it.
            except Exception as error:
                reason = self._why(error)
            else:
                if not can_run:
                    raise RunnerError(
                        f"{self._address}: the board under key {self._key!r} cannot run code for "
                        f"{artifact.target.name} (compile for this board)"
                    )
                self._used = True
                return dict(made), float(took)
            self.close()
            self.retries += 1
            self.lost = (*self.lost, f"{self._place or self._key} {reason}")
            if self._held and self._used:
                raise BoardLost(
                    f"{self._address}: a board under key {self._key!r} was lost in the middle of "
                    f"a comparison: {self.lost[-1]}"
                )
        raise BoardLost(
            f"{self._address}: {_ATTEMPTS} times a board under key {self._key!r} was lost, the "
            f"last time {self.lost[-1]}"
        )

    @staticmethod
    def _why(error: Exception) -> str:
        """What became of a board, in a few words."""
        said = str(error).strip().splitlines()
        if isinstance(error, ConnectionError) and said:
            return said[-1]
        return f"went away ({said[-1]})" if said else "went away"

    def _take_board(self, seconds: int, has_lost_one: bool) -> None:
        """Returns with a session on a board, the held one if there is one."""
        if self._connected:
            return
        if not self._has_had_a_board:
            boards = self._tracker.boards()
            if not boards.registered.get(self._key):
                raise no_such_board(self._tracker, self._key, boards)
        if self._worker is None:
            # Importing TVM takes its time, which is no board's fault.
            self._call(rpc_session.disconnect, (), _START_SECONDS)
        host, port, word = self._wait(has_lost_one)
        self._place = f"{host}:{port}"
        limit = _HOLD_SECONDS if self._held else seconds + int(2 * _TRANSFER_SECONDS)
        self._call(rpc_session.connect, (host, port, word, limit), self._connect_seconds)
        self._connected = self._has_had_a_board = True

    def _give_back(self) -> None:
        """Ends the session, if there is one; whatever hinders that ends the worker."""
        if not self._connected:
            return
        self._connected = False
        try:
            self._call(rpc_session.disconnect, (), self._connect_seconds)
        except Exception:  # nobody needs to know: the results are here, the next run begins anew
            self.close()

    def _wait(self, has_lost_one: bool) -> tuple[str, int, str]:
        """A board, as soon as one is free: host, port and the word that lets us in.

        A board that others use is waited for; one that was lost only as long as it may take to
        come back.
        """
        began = time.monotonic()
        while True:
            boards = self._tracker.boards()
            if boards.free.get(self._key, 0) > 0:
                given = self._tracker.request(self._key)
                if given is not None:
                    return given
            waited = time.monotonic() - began
            is_gone = not boards.registered.get(self._key)
            patience = _RETURN_SECONDS if has_lost_one or is_gone else _WAIT_SECONDS
            if waited > min(self._wait_seconds, patience):
                fact = "the last board" if is_gone else "no board"
                what = "is gone" if is_gone else f"was free in {waited:.0f} s"
                lost = f" ({'; '.join(self.lost)})" if self.lost else ""
                kind = BoardLost if has_lost_one or is_gone else RunnerError
                raise kind(f"{self._address}: {fact} under key {self._key!r} {what}{lost}")
            time.sleep(_POLL_SECONDS)

    def _call(self, function: Any, arguments: tuple[Any, ...], seconds: float) -> Any:
        """`function(*arguments)` in the worker; TimeoutError after `seconds`, the worker killed."""
        if self._worker is None:
            from tvm.support.popen_pool import PopenWorker

            self._worker = PopenWorker()
        self._worker.send(function, arguments, timeout=seconds)
        return self._worker.recv()

    def _executor_for(self, target: Target) -> bytes:
        """The library that runs jobs, for the target's instruction set."""
        if target.cpu.isa not in self._executor:
            with tempfile.TemporaryDirectory(prefix="edgemnv2-") as name:
                folder = Path(name)
                flags = ["-std=gnu99"]
                compile_object(target, RUNTIME / "rpc_exec.c", folder / "x.o", flags)
                exports = ["__tvm_ffi_edgemnv2_exec"]
                link_shared(target, [folder / "x.o"], folder / "rpc_exec.so", exports)
                self._executor[target.cpu.isa] = (folder / "rpc_exec.so").read_bytes()
        return self._executor[target.cpu.isa]


def _job(arguments: Sequence[str], wanted: Sequence[str]) -> str:
    """The shell script that the board runs; every file that is fetched exists afterwards."""
    return "\n".join(
        [
            f": > {' > '.join(wanted)}",
            f"{{ {STATE_COMMAND}; }} > state",
            "chmod +x bench",
            f"./bench {shlex.join(arguments)} > text 2>&1",
            'echo "exit $?" >> text',
            f"{{ {STATE_COMMAND}; }} >> state",
            "exit 0",
            "",
        ]
    )
