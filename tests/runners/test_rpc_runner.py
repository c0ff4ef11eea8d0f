"""The rpc runner with TVM's tracker and servers on loopback, some of which die or hang."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners import RunnerOptions, make_runner
from edgemnv2.runners.base import BoardLost, TrackerLost, on_one_board
from edgemnv2.runners.rpc import RpcRunner
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples

KEY = "loopback"


class Farm:
    """A tracker and servers, each in a process group of its own."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.port = self._free_port()
        self._start("tvm.exec.rpc_tracker", self.port)
        self.address = f"127.0.0.1:{self.port}"
        self._await(self.port)

    def add_server(self, key: str = KEY, path: str = "") -> subprocess.Popen[bytes]:
        """`path` comes first where the board looks for programs."""
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
        return self._start(
            *("tvm.exec.rpc_server", self._free_port(), "--tracker", self.address, "--key", key),
            environment=environment,
        )

    def await_free(self, count: int, key: str = KEY) -> None:
        from tvm import rpc

        for _ in range(600):
            queue = rpc.connect_tracker("127.0.0.1", self.port).summary()["queue_info"]
            if queue.get(key, {}).get("free", 0) >= count:
                return
            time.sleep(0.1)
        pytest.fail("the servers did not register with the tracker")

    def stop(self) -> None:
        for process in self.processes:
            # A stopped group must go on before it can end.
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                except ProcessLookupError:
                    break
            process.wait()

    def _start(
        self, module: str, port: int, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, "--host", "127.0.0.1"]
        command += ["--port", str(port), "--port-end", str(port + 50), *arguments]
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
        self.processes.append(process)
        return process

    @staticmethod
    def _free_port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return min(int(probe.getsockname()[1]), 65000)

    @staticmethod
    def _await(port: int) -> None:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail("the tracker did not start")


@pytest.fixture
def farm(require_module: Callable[[str], None]) -> Iterator[Farm]:
    for module in ("tornado", "cloudpickle", "psutil"):
        require_module(module)
    made = Farm()
    yield made
    made.stop()


@pytest.fixture
def host(tmp_path: Path, require_tool: Callable[[str], str]):
    require_tool("gcc")
    return make_tiny_artifact(tmp_path / "art", "host")


def test_outputs_times_and_trace_come_back(farm: Farm, host) -> None:
    farm.add_server()
    farm.await_free(1)
    runner = make_runner("rpc", RunnerOptions(rpc_tracker=farm.address, rpc_key=KEY))
    samples = tiny_samples(3)
    for _ in range(2):  # the board is given back after the first run
        result = runner.run(host, samples, repeat=5, trace=True, layers=True)
        for sample, output in zip(samples, result.outputs, strict=True):
            np.testing.assert_array_equal(output, sample + 1)
    assert result.metric == "seconds" and len(result.values) == 5 and len(result.trace) == 18
    assert any("load" in note for note in result.notes)
    with pytest.raises(RunnerError, match="no board under key 'other'"):
        RpcRunner(farm.address, "other", wait_seconds=0.1).run(host, samples)


@pytest.mark.slow(ci=True)
def test_a_dead_and_a_hanging_board_cost_a_retry_each_and_nothing_else(farm: Farm, host) -> None:
    dead, hanging, _ = (farm.add_server() for _ in range(3))
    farm.await_free(3)
    os.killpg(hanging.pid, signal.SIGSTOP)
    runners = [RpcRunner(farm.address, KEY, connect_seconds=4) for _ in range(2)]
    samples = tiny_samples(6)
    results: dict[int, np.ndarray] = {}

    def work(runner: RpcRunner, indices: range) -> None:
        for index in indices:
            results[index] = runner.run(host, [samples[index]]).outputs[0]

    threads = [
        threading.Thread(target=work, args=(runner, range(start, 6, 2)))
        for start, runner in enumerate(runners)
    ]
    for thread in threads:
        thread.start()
    time.sleep(1)
    os.killpg(dead.pid, signal.SIGKILL)
    for thread in threads:
        thread.join(180)
    assert sorted(results) == list(range(6)), "nothing may be lost"
    retries = sum(runner.retries for runner in runners)
    assert 1 <= retries <= 3, "the hanging board costs one retry, the dead one at most two"
    for index, output in results.items():
        np.testing.assert_array_equal(output, samples[index] + 1)


def slow_board(folder: Path, milliseconds: int) -> str:
    """A folder of programs for a board on which every step takes that time, whatever it does.

    The bench program is made executable there; this `chmod` puts a script in its place that runs it
    and gives other times.
    """
    folder.mkdir()
    (folder / "chmod").write_text(
        "#!/bin/sh\nmv bench program && /bin/chmod +x program\n"
        "cat > bench <<'END'\n#!/bin/sh\n"
        f"./program \"$@\" | sed 's/seconds .*/seconds {milliseconds / 1e3}/'\nEND\n"
        "/bin/chmod +x bench\n"
    )
    (folder / "chmod").chmod(0o755)
    return str(folder)


@pytest.mark.slow(ci=True)
def test_what_is_compared_is_measured_on_one_of_unequal_boards(
    farm: Farm, host, tmp_path: Path
) -> None:
    servers = {
        milliseconds: farm.add_server(path=slow_board(tmp_path / str(milliseconds), milliseconds))
        for milliseconds in (1, 8)
    }
    farm.await_free(2)
    samples = tiny_samples(1)
    runners = [RpcRunner(farm.address, KEY) for _ in range(2)]

    def board_of_one_run(runner: RpcRunner) -> int:
        (seconds,) = runner.run(host, samples, repeat=1).values
        return round(seconds * 1e3)

    def boards_of_comparisons(runner: RpcRunner) -> list[list[int]]:
        def compare() -> list[int]:
            return [board_of_one_run(runner) for _ in range(4)]

        return [on_one_board(runner, compare) for _ in range(2)]

    # Without: the tracker deals out whichever board is free, which is the other one.
    assert {board_of_one_run(runners[0]) for _ in range(4)} == {1, 8}
    with ThreadPoolExecutor(2) as pool:
        comparisons = list(chain.from_iterable(pool.map(boards_of_comparisons, runners)))
    assert all(len(set(boards)) == 1 for boards in comparisons), comparisons
    assert {boards[0] for boards in comparisons} == {1, 8}, "both boards have worked"
    assert not any(runner.retries for runner in runners)

    # The board is lost in the middle: everything is measured again on the other one.
    attempts: list[list[int]] = []

    def comparison_with_accident() -> list[int]:
        attempts.append([])
        for count in range(4):
            attempts[-1].append(board_of_one_run(runners[0]))
            if len(attempts) == 1 and count == 1:
                os.killpg(servers[attempts[0][0]].pid, signal.SIGKILL)
        return attempts[-1]

    boards = on_one_board(runners[0], comparison_with_accident)
    (first, second) = attempts
    assert len(first) == 2 and len(set(first)) == 1
    assert second is boards and boards == [9 - first[0]] * 4
    # The other one too: nothing is left to compare on.
    os.killpg(servers[boards[0]].pid, signal.SIGKILL)
    with pytest.raises(RunnerError, match="under key"):
        RpcRunner(farm.address, KEY, wait_seconds=1, connect_seconds=3).run(host, samples)


def test_threads_reach_the_board(farm: Farm, host, tmp_path: Path) -> None:
    """The board's own `cat` of the program's arguments: a real pool needs a compiled network."""
    manifest = replace(host.manifest, threads=(1, 2))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "chmod").write_text(
        "#!/bin/sh\ncat > bench <<'END'\n#!/bin/sh\necho edgemnv2 error \"$(echo $@ | tr ' ' _)\""
        "\nEND\n/bin/chmod +x bench\n"
    )
    (programs / "chmod").chmod(0o755)
    farm.add_server(path=str(programs))
    farm.await_free(1)
    with pytest.raises(RunnerError, match="--threads_2_"):
        RpcRunner(farm.address, KEY).run(
            replace(host, manifest=manifest), tiny_samples(1), threads=2
        )


def test_a_fault_of_the_code_is_no_fault_of_the_board(
    farm: Farm, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    farm.add_server()
    farm.await_free(1)
    runner = RpcRunner(farm.address, KEY)
    for fault, message in [
        ("status", "the code answered status -2"),
        ("crash", r"did not finish \(exit 139\)"),
    ]:
        artifact = make_tiny_artifact(tmp_path / fault, "host", fault)
        with pytest.raises(RunnerError, match=message):
            runner.run(artifact, tiny_samples(1))


def test_a_board_of_another_kind_is_refused(
    farm: Farm, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("aarch64-linux-gnu-gcc")
    farm.add_server()
    farm.await_free(1)
    artifact = make_tiny_artifact(tmp_path / "art", "rpi4")
    with pytest.raises(RunnerError, match="cannot run code for rpi4"):
        RpcRunner(farm.address, KEY).run(artifact, tiny_samples(1))


def test_addresses_and_missing_trackers_are_one_line(
    host, require_module: Callable[[str], None]
) -> None:
    require_module("tornado")
    for address in ("nowhere", "host:", ":9190", "host:port"):
        with pytest.raises(UsageError, match="expected HOST:PORT"):
            RpcRunner(address, KEY)
    with pytest.raises(UsageError, match="runner=rpc needs rpc_tracker="):
        make_runner("rpc")
    runner = RpcRunner(f"127.0.0.1:{Farm._free_port()}", KEY, wait_seconds=0.1)
    with pytest.raises(RunnerError, match="no RPC tracker answers"):
        runner.run(host, tiny_samples(1))


def test_bare_metal_code_is_not_for_rpc(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("tornado")
    artifact = make_tiny_artifact(tmp_path / "art", "mps2-an386")
    with pytest.raises(UsageError, match="does not run on Linux"):
        RpcRunner("127.0.0.1:1", KEY).run(artifact, tiny_samples(1))


@pytest.mark.slow(ci=True)
def test_a_board_that_freezes_is_told_by_what_an_inference_took(
    farm: Farm, host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first job shows what one takes; the second one is on a board that stops in its middle."""
    for name, seconds in (("_JOB", 1.0), ("_RETURN", 2.0), ("_TRANSFER", 10.0)):
        monkeypatch.setattr(f"edgemnv2.runners.rpc.{name}_SECONDS", seconds)
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "chmod").write_text("#!/bin/sh\n/bin/chmod +x bench\nsleep 0.2\n")
    (slow / "chmod").chmod(0o755)
    server = farm.add_server(path=str(slow))
    farm.await_free(1)
    runner = RpcRunner(farm.address, KEY, connect_seconds=4)
    for _ in range(2):  # without a freeze
        assert len(runner.run(host, tiny_samples(1), repeat=5).values) == 5
    began = time.monotonic()
    # 0.2 s a job, so within the next one.
    threading.Timer(0.1, lambda: os.killpg(server.pid, signal.SIGSTOP)).start()
    with pytest.raises(RunnerError, match=f"no board under key '{KEY}' was free.*127.0.0.1:"):
        for _ in range(100):
            runner.run(host, tiny_samples(1), repeat=5)
    assert time.monotonic() - began < 30
    assert runner.retries == 1 and "does not answer any more" in runner.lost[0]


@pytest.mark.slow(ci=True)
def test_a_lost_board_is_named_and_another_one_goes_on(farm: Farm, host) -> None:
    first = farm.add_server()
    farm.await_free(1)
    runner = RpcRunner(farm.address, KEY, connect_seconds=4)
    with runner.hold():
        runner.run(host, tiny_samples(1))
        farm.add_server()
        farm.await_free(1)
        os.killpg(first.pid, signal.SIGKILL)
        with pytest.raises(BoardLost, match=r"in the middle of a comparison: 127\.0\.0\.1:\d+"):
            runner.run(host, tiny_samples(1))
    result = runner.run(host, tiny_samples(1), repeat=1)
    assert runner.lost and runner.lost[0].startswith("127.0.0.1:")
    assert result.values and not any("lost" in note for note in result.notes)


def test_a_tracker_that_dies_is_told_and_is_not_a_lost_board(farm: Farm, host) -> None:
    farm.add_server()
    farm.await_free(1)
    runner = RpcRunner(farm.address, KEY)
    runner.run(host, tiny_samples(1))
    os.killpg(farm.processes[0].pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(TrackerLost, match=r"no RPC tracker answers \(python -m tvm.exec"):
        runner.run(host, tiny_samples(1))
    assert time.monotonic() - began < 30 and not runner.lost
