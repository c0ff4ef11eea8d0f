"""A Linux board behind ssh: the static `bench` program is copied there and run; nothing else is
needed on it but a shell.

The user's own ssh configuration (keys, ports, jump hosts) holds; no password is ever asked for.
"""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample
from edgemnv2.runners.bench_program import run_bench_program
from edgemnv2.runners.device_state import DeviceState, state_notes
from edgemnv2.runners.linux_board import STATE_COMMAND, check_linux, parse_states

__all__ = ["SshRunner"]

_CONNECT_SECONDS = 10
_SECONDS_PER_INFERENCE = 30.0
_TRANSFER_SECONDS = 120.0
# ssh's own exit code when the connection fails, whatever the remote command would answer.
_SSH_FAILED = 255
_MACHINES = {
    "aarch64": ("aarch64", "arm64"),
    # 64-bit kernels run 32-bit programs, and Raspberry Pi OS pairs them so by default.
    "armv7a": ("armv7l", "armv8l", "aarch64"),
    "riscv64": ("riscv64",),
    "x86_64": ("x86_64",),
}


class SshRunner(Runner):
    """Runs on the board `address`, `user@host` or `user@host:port`.

    `options` are further ssh options. Raises UsageError for an address that is none.
    """

    name = "ssh"

    def __init__(self, address: str, options: Sequence[str] = ()) -> None:
        match = re.fullmatch(r"([\w.+-]+@)?([\w.-]+|\[[0-9a-fA-F:]+\])(?::(\d+))?", address)
        # An address that starts with a dash would be an option of ssh.
        if not match or address.startswith("-") or match[2].startswith("-"):
            raise UsageError(f"ssh={address}: expected USER@HOST or USER@HOST:PORT")
        self._address = address
        self._host = (match[1] or "") + match[2].strip("[]")
        self._options = [*(["-p", match[3]] if match[3] else []), *options]
        self._held: _Session | None = None

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        check_linux(artifact)
        if self._held is not None:
            return self._held.run(artifact, inputs, job)
        with self._session() as session:
            return session.run(artifact, inputs, job)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Inside, the connection stays, and the programs stay on the board: runs begin sooner."""
        with self._session() as self._held:
            try:
                yield
            finally:
                self._held = None

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        """A folder on the board, which is removed again whatever happens."""
        with tempfile.TemporaryDirectory(prefix="edgemnv2-") as control:
            connection = _Connection(self._address, self._host, self._options, Path(control))
            try:
                session = _Session(connection, self._address)
                try:
                    yield session
                finally:
                    session.clean()
            finally:
                connection.close()


class _Session:
    """One folder on the board and the programs in it."""

    def __init__(self, connection: _Connection, address: str) -> None:
        self._connection, self._address = connection, address
        self._machine = connection.run("uname -m").decode().strip()
        self._folder = shlex.quote(connection.run("mktemp -d").decode().strip())
        self._programs: dict[str, str] = {}

    def clean(self) -> None:
        """Remove the folder."""
        self._connection.run(f"rm -rf {self._folder}", checked=False)

    def run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        """See `Runner.run`."""
        program = self._program(artifact)
        timeout_seconds = 60 + _SECONDS_PER_INFERENCE * (len(inputs) + job.inferences)
        before = self._state() if job.repeat else None

        def launch(arguments: Sequence[str], folder: Path) -> str:
            self._connection.run(f"cat > {self._folder}/in.bin", (folder / "in.bin").read_bytes())
            # A program killed by a signal would look like a failed connection.
            command = f'cd {self._folder} && ./{program} {shlex.join(arguments)}; echo "exit $?"'
            text = self._connection.run(command, timeout_seconds=timeout_seconds, checked=False)
            for name in ("out.bin", *(["trace.bin"] if job.trace else [])):
                content = self._connection.run(f"cat {self._folder}/{name}", checked=False)
                (folder / name).write_bytes(content)
            return text.decode(errors="replace")

        result, _ = run_bench_program(artifact, inputs, launch, job)
        if before is None:
            return result
        return replace(result, notes=state_notes(before, self._state()))

    def _program(self, artifact: Artifact) -> str:
        """The name of the artefact's program in the folder, copied there at the first call."""
        if self._machine not in _MACHINES[artifact.target.cpu.isa]:
            raise RunnerError(
                f"{self._address}: is {self._machine}, but {artifact.path} is for "
                f"{artifact.target.name} ({artifact.target.cpu.isa}); compile for this board"
            )
        key = artifact.manifest.seal
        if key not in self._programs:
            name = f"bench{len(self._programs)}"
            path = f"{self._folder}/{name}"
            data = (artifact.path / "bench").read_bytes()
            self._connection.run(f"cat > {path} && chmod +x {path}", data)
            self._programs[key] = name
        return self._programs[key]

    def _state(self) -> DeviceState:
        """The board's clock, governor, load and throttling, in one round trip."""
        text = self._connection.run(STATE_COMMAND, checked=False).decode(errors="replace")
        return parse_states(text)[0]


class _Connection:
    """One multiplexed ssh connection; `run` executes a shell command on the board."""

    def __init__(self, address: str, host: str, options: Sequence[str], control: Path) -> None:
        ssh = shutil.which("ssh")
        if ssh is None:
            raise RunnerError("ssh: is not installed (apt install openssh-client)")
        self._address = address
        self._host = host
        # Windows' ssh has no shared connections; each command makes its own there.
        shared: tuple[str, ...] = ("-o", "ControlMaster=auto", "-o", f"ControlPath={control}/s")
        shared = () if platform.system() == "Windows" else (*shared, "-o", "ControlPersist=60")
        self._command = [
            *(ssh, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_SECONDS}"),
            *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
            *shared,
            *options,
        ]

    def run(
        self,
        command: str,
        data: bytes = b"",
        *,
        timeout_seconds: float = _TRANSFER_SECONDS,
        checked: bool = True,
    ) -> bytes:
        """Standard output of `command`, which reads `data`.

        Raises RunnerError when the connection fails, and, where `checked`, for any exit code but 0.
        """
        with tempfile.TemporaryFile() as errors:
            # Not a pipe: the connection's master process outlives this call and would hold it open.
            try:
                done = subprocess.run(
                    [*self._command, self._host, command],
                    input=data,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    timeout=timeout_seconds,
                )
            except subprocess.TimeoutExpired as error:
                raise RunnerError(
                    f"{self._address}: no answer in {timeout_seconds:.0f} s (is the board up?)"
                ) from error
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
        if done.returncode == _SSH_FAILED or (checked and done.returncode):
            raise RunnerError(f"{self._address}: ssh failed ({lines[-1]})")
        return done.stdout

    def close(self) -> None:
        """End the shared connection."""
        command = [*self._command, "-O", "exit", self._host]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
