"""Tuning over TVM's RPC: three servers on loopback, one killed and one stopped in mid-run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.errors import EdgeError
from edgemnv2.records.log import TuneLog
from edgemnv2.runners.base import TrackerLost
from edgemnv2.runners.rpc import RpcRunner
from edgemnv2.target import load_target, missing_local_features
from edgemnv2.tuner import trial
from edgemnv2.tuner.boards import board_count
from edgemnv2.tuner.tuner import Progress, TuneOptions, tune_graph
from tests.runners.test_rpc_runner import KEY, Farm, slow_board
from tests.tuner.tiny_network import tiny_network


@pytest.mark.slow
def test_a_candidate_is_compared_on_one_of_unequal_boards(
    tmp_path: Path,
    require_tool: Callable[[str], str],
    require_module: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On either board every step takes the same time, so no candidate may look better or worse."""
    # With several, each program sees both boards sooner or later, and the least hides the fault.
    monkeypatch.setattr(trial, "PAIRS", 1)
    monkeypatch.setattr(trial, "FINAL_PAIRS", 1)
    require_tool("gcc")
    for module in ("tornado", "cloudpickle", "psutil"):
        require_module(module)
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this machine cannot run code for the target host")
    farm = Farm()
    try:
        for milliseconds in (1, 8):
            farm.add_server(path=slow_board(tmp_path / str(milliseconds), milliseconds))
        farm.await_free(2)
        runners = [RpcRunner(farm.address, KEY) for _ in range(2)]
        options = TuneOptions(trials=3, seed=1)
        result = tune_graph(tiny_network(), target, runners, tmp_path / "log", options)
    finally:
        farm.stop()
    log = TuneLog.load(tmp_path / "log")
    for key in [key for key in log.task_keys() if '"layers"' not in key]:
        costs = {cost for record in log.best_first(key) for cost in record.costs}
        assert max(costs) == pytest.approx(min(costs)), key
    assert result.rejected == 0


@pytest.mark.slow
def test_a_killed_and_a_stopped_board_cost_nothing_but_time(
    tmp_path: Path, require_tool: Callable[[str], str], require_module: Callable[[str], None]
) -> None:
    require_tool("gcc")
    for module in ("tornado", "cloudpickle", "psutil"):
        require_module(module)
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this machine cannot run code for the target host")
    farm = Farm()
    try:
        servers = [farm.add_server() for _ in range(3)]
        farm.await_free(3)
        assert board_count(farm.address, KEY) == 3
        runners = [RpcRunner(farm.address, KEY, connect_seconds=10) for _ in range(3)]
        accidents = iter(
            [
                lambda: os.killpg(servers[0].pid, signal.SIGKILL),
                lambda: os.killpg(servers[1].pid, signal.SIGSTOP),
            ]
        )
        rounds: list[int] = []

        def report(state: Progress) -> None:
            rounds.append(state.round)
            for happen in accidents:
                threading.Thread(target=happen).start()
                break

        options = TuneOptions(trials=6, seed=1)
        result = tune_graph(tiny_network(), target, runners, tmp_path / "log", options, report)
        retries = sum(runner.retries for runner in runners)
    finally:
        farm.stop()
    # The tasks of the whole network report beside the last round's.
    assert rounds[:5] == [1, 2, 3, 4, 5] and set(rounds[5:]) <= {5}
    assert not result.interrupted
    assert retries >= 1, "the accidents happened while boards measured"
    assert len(result.lost_boards) == retries
    assert all(text.startswith("127.0.0.1:") for text in result.lost_boards)
    assert result.rejected == 0, [r["reason"] for r in result.rejections]
    log = TuneLog.load(tmp_path / "log")
    whole = ('"network"', '"threads"')
    tasks = [key for key in log.task_keys() if not any(name in key for name in whole)]
    assert {len(log.best_first(key)) for key in tasks} == {6}, "nothing may be lost"
    assert log.metric == "seconds" and result.best_after <= result.best_before


@pytest.mark.slow
def test_a_tracker_that_dies_ends_tuning_with_everything_kept_and_nobody_blamed(
    tmp_path: Path, require_tool: Callable[[str], str], require_module: Callable[[str], None]
) -> None:
    require_tool("gcc")
    for module in ("tornado", "cloudpickle", "psutil"):
        require_module(module)
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this machine cannot run code for the target host")
    farm = Farm()
    try:
        farm.add_server()
        farm.await_free(1)

        def report(state: Progress) -> None:
            if state.round == 3:
                os.killpg(farm.processes[0].pid, signal.SIGKILL)

        options = TuneOptions(trials=6, seed=1)
        runners = [RpcRunner(farm.address, KEY)]
        with pytest.raises(TrackerLost, match=r"no RPC tracker answers .*; what was measured is"):
            tune_graph(tiny_network(), target, runners, tmp_path / "log", options, report)
    finally:
        farm.stop()
    log = TuneLog.load(tmp_path / "log")
    assert {len(log.best_first(key)) for key in log.task_keys()} == {4}, "the default and three"


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(EdgeError, match="expected HOST:PORT"):
        board_count("nowhere", KEY)
