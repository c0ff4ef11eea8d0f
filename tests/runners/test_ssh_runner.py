"""The ssh runner against a real sshd on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners import RunnerOptions, make_runner
from edgemnv2.runners.base import on_one_board
from edgemnv2.runners.ssh import SshRunner
from tests.conftest import missing
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def board(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[str, list[str]]]:
    """(address, options) of an sshd of our own: own keys, own port, no user configuration."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if sshd is None or shutil.which("ssh") is None:
        missing(request.config, "sshd" if sshd is None else "ssh")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    (folder / "authorized").chmod(0o600)
    Path("/run/sshd").mkdir(exist_ok=True)  # the package's own start script makes it
    (folder / "board").mkdir()
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"SetEnv TMPDIR={folder}/board\n"
    )
    server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "config"], stderr=subprocess.PIPE)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    options = ["-F", "none", "-i", str(folder / "user"), "-o", "IdentitiesOnly=yes"]
    options += ["-o", "StrictHostKeyChecking=accept-new"]
    options += ["-o", f"UserKnownHostsFile={folder}/known"]
    yield f"127.0.0.1:{port}", options
    server.terminate()
    server.wait(10)


def leftovers(options: list[str]) -> list[Path]:
    """What lies in the board's folder for temporary files, beside the user's key."""
    return list((Path(options[options.index("-i") + 1]).parent / "board").iterdir())


def test_outputs_times_trace_and_notes_come_back_and_nothing_stays(
    board: tuple[str, list[str]], tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    artifact = make_tiny_artifact(tmp_path / "art", "host")
    samples = tiny_samples(3)
    result = SshRunner(*board).run(artifact, samples, repeat=5, trace=True, layers=True)
    for sample, output in zip(samples, result.outputs, strict=True):
        np.testing.assert_array_equal(output, sample + 1)
    assert result.metric == "seconds" and len(result.values) == 5
    assert len(result.trace) == 3 * 6 and list(result.layers) == [0]
    assert any("load" in note for note in result.notes)
    assert leftovers(board[1]) == []


@pytest.mark.slow(ci=True)
def test_a_held_board_keeps_programs_until_the_end(
    board: tuple[str, list[str]], tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    runner = SshRunner(*board)
    artifacts = [
        make_tiny_artifact(tmp_path / "one", "host"),
        make_tiny_artifact(tmp_path / "wrong", "host", "status"),
    ]
    (sample,) = tiny_samples(1)

    def work() -> list[str]:
        for _ in range(2):
            result = runner.run(artifacts[0], [sample], repeat=1)
            np.testing.assert_array_equal(result.outputs[0], sample + 1)
            assert result.notes
            # A fault ends its run and nothing else.
            with pytest.raises(RunnerError, match="status -2"):
                runner.run(artifacts[1], [sample])
        (folder,) = leftovers(board[1])
        return sorted(path.name for path in folder.iterdir())

    assert on_one_board(runner, work) == ["bench0", "bench1", "in.bin", "out.bin"]
    assert leftovers(board[1]) == []
    runner.run(artifacts[0], [sample])
    assert leftovers(board[1]) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [("fence", "wrote outside its arena"), ("status", "status -2"), ("crash", "did not finish")],
)
def test_faults_on_the_board_are_told_apart(
    board: tuple[str, list[str]],
    fault: str,
    message: str,
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    require_tool("gcc")
    artifact = make_tiny_artifact(tmp_path / "art", "host", fault)
    with pytest.raises(RunnerError, match=message):
        SshRunner(*board).run(artifact, tiny_samples(1))
    assert leftovers(board[1]) == []


def test_a_board_of_another_kind_is_refused(
    board: tuple[str, list[str]], tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("aarch64-linux-gnu-gcc")
    artifact = make_tiny_artifact(tmp_path / "art", "rpi4")
    with pytest.raises(RunnerError, match=r"is x86_64, but .* is for rpi4 \(aarch64\)"):
        SshRunner(*board).run(artifact, tiny_samples(1))


def test_a_board_that_is_not_there_is_one_line(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    require_tool("ssh")
    artifact = make_tiny_artifact(tmp_path / "art", "host")
    with pytest.raises(RunnerError, match=r"127\.0\.0\.1:\d+: ssh failed \(.*refused"):
        SshRunner(f"127.0.0.1:{free_port()}").run(artifact, tiny_samples(1))


def test_addresses_are_checked() -> None:
    for address in ("-oProxyCommand=x", "-a@b", "a@-b", "a b", "host:port", "user@"):
        with pytest.raises(UsageError, match="expected USER@HOST"):
            SshRunner(address)
    with pytest.raises(UsageError, match="runner=ssh needs ssh="):
        make_runner("ssh")
    assert make_runner("ssh", RunnerOptions(ssh="pi@10.0.0.2:2222")).name == "ssh"


def test_bare_metal_code_is_not_for_ssh(tmp_path: Path) -> None:
    artifact = make_tiny_artifact(tmp_path / "art", "mps2-an386")
    with pytest.raises(UsageError, match="does not run on Linux"):
        SshRunner("pi@nowhere").run(artifact, tiny_samples(1))
