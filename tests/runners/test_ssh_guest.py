"""The ssh runner with a whole Linux board: an emulated one, Debian's arm64 kernel in QEMU.

Slow, since it emulates; the times that the board measures say nothing of a real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.latency import bench
from edgemnv2.check.verify import verify
from edgemnv2.errors import RunnerError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_model
from edgemnv2.records.log import TuneLog
from edgemnv2.runners.ssh import SshRunner
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target
from edgemnv2.tuner.tuner import TuneOptions, tune_graph
from tests.runners.arm64_guest import CORES, Guest, GuestUnavailable, missing_tools
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples

pytestmark = pytest.mark.slow

MODEL = "mobilenetv2-0.35-96-int8"


@pytest.fixture(scope="module")
def guest(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Guest]:
    reason = f"{', '.join(missing_tools())} not installed" if missing_tools() else ""
    made = None
    if not reason:
        try:
            made = Guest(tmp_path_factory.mktemp("guest"))
        except GuestUnavailable as error:
            reason = str(error)
    if made is None:
        if request.config.getoption("--require-tools"):
            pytest.fail(f"the arm64 guest is required here (--require-tools): {reason}")
        pytest.skip(f"arm64 guest: {reason}")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def board(guest: Guest) -> SshRunner:
    return SshRunner(guest.address, guest.options)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compile_model(MODEL, "rpi4", tmp_path_factory.mktemp("net") / "net")


@pytest.mark.parametrize("threads", [1, CORES])
def test_outputs_are_exact(artifact: Artifact, board: SshRunner, threads: int) -> None:
    result = verify(artifact, board, SampleChoice(random=4, seed=3), threads=threads)
    assert result.passed and result.exact and result.samples == 4


def test_bench_measures_seconds_and_tells_the_boards_state(
    artifact: Artifact, board: SshRunner
) -> None:
    result = bench(artifact, board, repeat=5, per_layer=True)
    assert (result.metric, result.samples, result.runner) == ("seconds", 5, "ssh")
    assert 0 < result.minimum <= result.median <= result.p95
    assert len(result.layers) > 40 and all(layer.value > 0 for layer in result.layers)
    assert result.peak_rss_bytes
    load, clock = result.notes
    assert f"on {CORES} cores" in load and clock == "the clock cannot be read here"


def test_tuning_over_ssh_logs_seconds_and_no_wrong_candidate(
    board: SshRunner, tmp_path: Path
) -> None:
    graph, target = lower(load_model(MODEL)), load_target("rpi4")
    result = tune_graph(graph, target, [board], tmp_path / "log", TuneOptions(trials=2))
    log = TuneLog.load(tmp_path / "log")
    assert log.metric == result.metric == "seconds" and result.runner == "ssh"
    assert result.rejections == () and result.trials >= 2 * result.tasks
    assert len(log.records) == result.records > result.tasks
    assert 0 < result.best_after <= result.best_before


def test_32_bit_code_runs_on_a_64_bit_board(board: SshRunner, tmp_path: Path) -> None:
    artifact = compile_model(MODEL, "rpi3-32", tmp_path / "net")
    assert verify(artifact, board, SampleChoice(random=1)).exact


def test_code_for_another_machine_is_refused(board: SshRunner, tmp_path: Path) -> None:
    artifact = make_tiny_artifact(tmp_path / "art", "host")
    with pytest.raises(RunnerError, match=r"is aarch64, but .* is for host \(x86_64\)"):
        board.run(artifact, tiny_samples(1))


def test_nothing_stays_on_the_board(artifact: Artifact, board: SshRunner, guest: Guest) -> None:
    board.run(artifact, [])
    assert guest.shell("ls -A /tmp") == ""
