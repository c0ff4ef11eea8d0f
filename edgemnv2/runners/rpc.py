"""Boards behind TVM's RPC tracker: several under one key measure in parallel, one per caller.

The board runs `python -m tvm.exec.rpc_server --tracker HOST:PORT --key K`. The artefact's static
`bench` program is uploaded and run there by a few lines of C (runtime/rpc_exec.c). A board that
dies or hangs costs a retry on another one.
"""

from __future__ import annotations

import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.toolchain import compile_object, link_shared
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners import rpc_session
from edgemnv2.runners.base import BoardLost, Job, Runner, RunResult, Sample
from edgemnv2.runners.bench_program import run_bench_program
from edgemnv2.runners.device_state import DeviceState, state_notes
from edgemnv2.runners.linux_board import STATE_COMMAND, check_linux, parse_states
from edgemnv2.runners.local import RUNTIME
from edgemnv2.target import Target

__all__ = ["RpcRunner"]

_CONNECT_SECONDS = 15.0
_WAIT_SECONDS = 600.0
_SECONDS_PER_INFERENCE = 30.0
_TRANSFER_SECONDS = 60.0
_START_SECONDS = 60.0  # the worker imports TVM
_HOLD_SECONDS = 3600  # after which the server itself ends a session that is held
_ATTEMPTS = 4


class RpcRunner(Runner):
    """Runs on any free board that the tracker at `address`, HOST:PORT, knows under `key`.

    One runner uses one board at a time and is for one thread; make several to use several boards.
    Every run takes whichever board is free, except inside `hold`, and another one up to three times
    when it is lost.
    `wait_seconds` bounds the wait for a free board, `connect_seconds` that for its first answer;
    `retries` counts the boards that were lost.
    """

    name = "rpc"

    def __init__(
        self,
        address: str,
        key: str,
        *,
        wait_seconds: float = _WAIT_SECONDS,
        connect_seconds: float = _CONNECT_SECONDS,
        seconds_per_inference: float = _SECONDS_PER_INFERENCE,
    ) -> None:
        self._worker: Any = None
        self._held = self._connected = self._used = False
        self.retries = 0
        host, colon, port = address.rpartition(":")
        if not host or not colon or not port.isdigit():
            raise UsageError(f"rpc_tracker={address}: expected HOST:PORT")
        for module in ("tornado", "cloudpickle", "psutil"):
            if find_spec(module) is None:
                raise RunnerError(f"rpc: {module} is not installed (pip install 'edgemnv2[rpc]')")
        self._address, self._host, self._port, self._key = address, host, int(port), key
        self._wait_seconds = wait_seconds
        self._connect_seconds = connect_seconds
        self._seconds_per_inference = seconds_per_inference
        self._executor: dict[str, bytes] = {}

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        check_linux(artifact)
        work = len(inputs) + job.inferences
        seconds = int(10 + self._seconds_per_inference * work)
        states: list[DeviceState] = []

        def launch(arguments: Sequence[str], folder: Path) -> str:
            wanted = ["out.bin", *(["trace.bin"] if job.trace else [])]
            files = {
                "in.bin": (folder / "in.bin").read_bytes(),
                "bench": (artifact.path / "bench").read_bytes(),
                "job.sh": _job(arguments, wanted).encode(),
            }
            made = self._execute(artifact, files, [*wanted, "text", "state"], seconds)
            for name in wanted:
                (folder / name).write_bytes(made[name])
            states.extend(parse_states(made["state"].decode(errors="replace")))
            return made["text"].decode(errors="replace")

        result, _ = run_bench_program(artifact, inputs, launch, job)
        return replace(result, notes=state_notes(states[0], states[1]) if job.repeat else ())

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
    ) -> dict[str, bytes]:
        """The wanted files of one finished job, from whichever board finished it."""
        reason = ""
        executor = self._executor_for(artifact.target)
        for _ in range(_ATTEMPTS):
            try:
                self._take_board(seconds)
                code, made = self._call(
                    rpc_session.execute,
                    (executor, files, wanted, seconds),
                    seconds + _TRANSFER_SECONDS,
                )
                if not self._held:
                    self._give_back()
            except RunnerError:
                raise
            except TimeoutError:
                reason = "it hangs"
            # Whatever TVM raises when a connection breaks, in the worker or between us and it.
            except Exception as error:
                reason = str(error).strip().splitlines()[-1:][0] if str(error).strip() else "lost"
            else:
                if code == -2:
                    raise RunnerError(
                        f"{self._address}: the board under key {self._key!r} cannot run code for "
                        f"{artifact.target.name} (compile for this board)"
                    )
                self._used = True
                return dict(made)
            self.close()
            self.retries += 1
            if self._held and self._used:
                raise BoardLost(
                    f"{self._address}: the board under key {self._key!r} was lost in the middle of "
                    f"a comparison: {reason}"
                )
        raise RunnerError(
            f"{self._address}: {_ATTEMPTS} boards under key {self._key!r} failed, the last one: "
            f"{reason}"
        )

    def _take_board(self, seconds: int) -> None:
        """Returns with a session on a board, the held one if there is one."""
        if self._connected:
            return
        self._wait()
        limit = _HOLD_SECONDS if self._held else seconds + int(_TRANSFER_SECONDS)
        self._call(
            rpc_session.connect, (self._host, self._port, self._key, limit), self._connect_seconds
        )
        self._connected = True

    def _give_back(self) -> None:
        """Ends the session, if there is one; whatever hinders that ends the worker."""
        if not self._connected:
            return
        self._connected = False
        try:
            self._call(rpc_session.disconnect, (), self._connect_seconds)
        except Exception:
            self.close()

    def _wait(self) -> None:
        """Returns when a board is free."""
        arguments = (self._host, self._port, self._key, self._wait_seconds)
        try:
            # TVM's own connection would try for a minute.
            with socket.create_connection((self._host, self._port), self._connect_seconds):
                pass
            answer = self._call(
                rpc_session.wait_for_board, arguments, self._wait_seconds + _START_SECONDS
            )
        except Exception as error:
            self.close()
            raise RunnerError(
                f"{self._address}: no RPC tracker answers (python -m tvm.exec.rpc_tracker starts "
                "one)"
            ) from error
        if answer == "busy":
            raise RunnerError(
                f"{self._address}: no board under key {self._key!r} was free in "
                f"{self._wait_seconds:.0f} s"
            )
        if answer == "none":
            raise RunnerError(
                f"{self._address}: no board under key {self._key!r} (on the board: python -m "
                f"tvm.exec.rpc_server --tracker {self._address} --key {self._key})"
            )

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
