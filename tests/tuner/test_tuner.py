"""Tuning: right candidates only, never worse than the default, resumable, the same for a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.errors import RunnerError, TuneLogError, UsageError
from edgemnv2.manifest import Manifest
from edgemnv2.records.log import TuneLog
from edgemnv2.records.lookup import best_decisions
from edgemnv2.runners.base import BoardLost, TrackerLost
from edgemnv2.runners.local import LocalRunner
from edgemnv2.schedules import ScheduleOptions, avx2, family_of
from edgemnv2.target import Target, load_target, missing_local_features
from edgemnv2.tuner.search import STRATEGIES
from edgemnv2.tuner.tuner import TuneOptions, TuneResult, tune_graph
from tests.tuner.fake_runner import FakeRunner, Meeting, default_price
from tests.tuner.tiny_network import tiny_network


@pytest.fixture
def host(require_tool: Callable[[str], str]) -> Target:
    require_tool("gcc")
    target = load_target("host")
    if missing_local_features(target) or family_of(target) is not avx2:
        pytest.skip("this machine cannot run code for the target host")
    return target


def _tune(
    target: Target,
    folder: Path,
    *runners: Any,
    trials: int = 4,
    seed: int = 0,
    strategy: str | None = None,
) -> TuneResult:
    options = TuneOptions(trials, seed, strategy)
    return tune_graph(tiny_network(), target, runners or (FakeRunner(),), folder, options)


def _rejected(result: TuneResult) -> list[Mapping[str, Any]]:
    """Kernels that were rejected; that a count takes no larger arena has a test of its own."""
    return [entry for entry in result.rejections if entry["task"] != "network"]


def _records(folder: Path) -> set[tuple[str, tuple[float, ...]]]:
    return {(record.id, record.costs) for record in TuneLog.load(folder).records}


@pytest.mark.slow(ci=True)
def test_the_best_is_found_kept_and_never_worse_than_the_default(
    host: Target, tmp_path: Path
) -> None:
    result = _tune(host, tmp_path / "log", trials=6)
    assert result.best_after < result.best_before
    assert result.curve[-1][1] == pytest.approx(result.best_after)
    assert result.tasks >= 3 and not _rejected(result) and result.metric == "instructions"
    assert result.records == len(TuneLog.load(tmp_path / "log").records)
    worst = FakeRunner(lambda layer, d: 0.0 - default_price(layer, d) + 2000)
    again = _tune(host, tmp_path / "other", worst, trials=1)
    assert again.best_after == again.best_before, "one trial is the default alone"


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_candidates(
    host: Target, tmp_path: Path, strategy: str
) -> None:
    runners = [FakeRunner(), FakeRunner(), FakeRunner()]
    for number, (runner, seed) in enumerate(zip(runners, (3, 3, 4), strict=True)):
        _tune(host, tmp_path / str(number), runner, trials=3, seed=seed, strategy=strategy)
    assert runners[0].seen == runners[1].seen
    assert runners[0].seen != runners[2].seen


@pytest.mark.slow(ci=True)
def test_after_ctrl_c_all_is_kept_and_a_rerun_resumes(host: Target, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = _tune(host, log, FakeRunner(after=3))
    assert first.interrupted and first.records > 0
    kept = {record.id for record in TuneLog.load(log).records}
    rest = FakeRunner()
    second = _tune(host, log, rest)
    assert not second.interrupted and kept <= {id for id, _ in _records(log)}
    # The default program, the one round that was missing, the winners, three cuts of the network.
    assert rest.runs <= 3 + 3 * 3
    whole = _tune(host, tmp_path / "whole")
    assert _records(log) == _records(tmp_path / "whole")
    assert second.best_after == whole.best_after


@pytest.mark.slow(ci=True)
def test_a_wrong_schedule_that_is_faster_is_counted_and_never_recorded(
    host: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = avx2.row_kernel

    def planted(graph: Any, layer: Any, *rest: Any, **more: Any) -> Any:
        kernel = honest(graph, layer, *rest, **more)
        decisions: Mapping[str, Any] = rest[2]
        if kernel is None or layer.op != "depthwise" or decisions["pixels"] != 1:
            return kernel
        wrong = list(kernel.constants)
        wrong[0] = wrong[0] * 0  # all weights are nothing
        return replace(
            kernel, symbol=kernel.symbol + "_planted", constants=tuple(wrong), decisions=decisions
        )

    def price(layer: str, decisions: Mapping[str, Any]) -> float:
        return 1.0 if decisions.get("pixels") == 1 else default_price(layer, decisions)

    monkeypatch.setattr(avx2, "row_kernel", planted)
    result = _tune(host, tmp_path / "log", FakeRunner(price), trials=8)
    assert _rejected(result)
    for rejection in _rejected(result):
        assert rejection["decisions"]["pixels"] == 1 and "values are wrong" in rejection["reason"]
    recorded = [r.decisions for r in TuneLog.load(tmp_path / "log").records]
    assert any("pixels" in d for d in recorded), "its honest siblings are recorded"
    assert not any(d.get("pixels") == 1 for d in recorded)
    assert not any(w["decisions"].get("pixels") == 1 for w in result.winners)


@pytest.mark.slow(ci=True)
def test_a_candidate_that_does_not_build_is_found_among_its_neighbours(
    host: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = avx2.row_kernel

    def planted(graph: Any, layer: Any, *rest: Any, **more: Any) -> Any:
        if layer.op == "depthwise" and rest[2]["pixels"] == 2:
            raise ValueError("no registers left")
        return honest(graph, layer, *rest, **more)

    monkeypatch.setattr(avx2, "row_kernel", planted)
    result = _tune(host, tmp_path / "log", trials=8)
    assert {r["reason"] for r in _rejected(result)} == {"no registers left"}
    assert all(r["decisions"]["pixels"] == 2 for r in _rejected(result))


@pytest.mark.slow(ci=True)
def test_boards_measure_at_the_same_time_and_find_the_same(host: Target, tmp_path: Path) -> None:
    for boards in (1, 3):
        meeting = Meeting(boards)
        runners = [FakeRunner(meeting=meeting) for _ in range(boards)]
        _tune(host, tmp_path / str(boards), *runners, trials=7, strategy="neighbours")
        assert all(runner.runs for runner in runners)
        assert meeting.met, f"{boards} boards are never busy at one time"
    assert _records(tmp_path / "1") == _records(tmp_path / "3")


@pytest.mark.slow(ci=True)
def test_the_cut_of_the_whole_network_is_tuned_and_checked(host: Target, tmp_path: Path) -> None:
    def cut(manifest: Manifest) -> float:
        return 0.5 if manifest.chains == "memory" else 1.0

    result = _tune(host, tmp_path / "log", FakeRunner(network=cut), trials=6)
    (network,) = [w for w in result.winners if w["task"] == "network"]
    assert network["decisions"]["chains"] == "memory" and not network["is_default"]
    kernels = [w for w in result.winners if w["task"] != "network"]
    without = _tune(host, tmp_path / "other", trials=6)
    assert kernels == [w for w in without.winners if w["task"] != "network"]
    assert result.best_after == pytest.approx(0.5 * without.best_after)
    graph, options = tiny_network(), ScheduleOptions.default(host)
    assert best_decisions(graph, host, tmp_path / "log", options).network["chains"] == "memory"


@pytest.mark.slow(ci=True)
def test_a_cut_that_saves_next_to_nothing_does_not_replace_the_default(
    host: Target, tmp_path: Path
) -> None:
    cheap = FakeRunner(network=lambda manifest: 0.995 if manifest.chains == "memory" else 1.0)
    result = _tune(host, tmp_path / "log", cheap, trials=6)
    (network,) = [w for w in result.winners if w["task"] == "network"]
    assert network["is_default"]
    options = ScheduleOptions.default(host)
    tuned = best_decisions(tiny_network(), host, tmp_path / "log", options)
    assert tuned.network["chains"] == "blocks", "the log says the same"


@pytest.mark.slow(ci=True)
def test_a_count_takes_no_cut_that_needs_a_larger_arena(host: Target, tmp_path: Path) -> None:
    cheap = FakeRunner(network=lambda manifest: 0.5 if manifest.chains == "layers" else 1.0)
    result = _tune(host, tmp_path / "log", cheap, trials=6)
    rejected = [r for r in result.rejections if r["task"] == "network"]
    assert any(r["decisions"]["chains"] == "layers" for r in rejected)
    assert all("bytes more of arena" in r["reason"] for r in rejected)
    (network,) = [w for w in result.winners if w["task"] == "network"]
    assert network["decisions"]["chains"] != "layers"


@pytest.mark.slow(ci=True)
def test_a_cut_whose_outputs_are_wrong_is_never_recorded(
    host: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(graph: Any, artifact: Any, *rest: Any) -> dict[str, str]:
        return {"x": "x: all is wrong"} if artifact.manifest.chains == "memory" else {}

    monkeypatch.setattr("edgemnv2.tuner.whole.wrong_layers", wrong)
    cheap = FakeRunner(network=lambda manifest: 0.5 if manifest.chains == "memory" else 1.0)
    result = _tune(host, tmp_path / "log", cheap, trials=6)
    reasons = [r["reason"] for r in result.rejections if r["decisions"].get("chains") == "memory"]
    assert reasons and set(reasons) == {"x: all is wrong"}
    records = TuneLog.load(tmp_path / "log").records
    assert not any(record.decisions.get("chains") == "memory" for record in records)


@pytest.mark.slow(ci=True)
def test_times_end_at_or_below_the_defaults(host: Target, tmp_path: Path) -> None:
    result = _tune(host, tmp_path / "log", LocalRunner(), trials=2)
    assert result.metric == "seconds" and 0 < result.best_after <= result.best_before
    network = {w["task"]: w["decisions"] for w in result.winners[-2:]}
    assert set(network["network"]) == {"chains", "whole_rows_max"}
    assert set(network["threads"]) == {"thread_chains"}


@pytest.mark.slow(ci=True)
def test_what_costs_nothing_by_the_clock_is_no_record(host: Target, tmp_path: Path) -> None:
    """No reader takes such a record: the log would be lost."""
    cheap = tiny_network().layers[0].name

    def price(layer: str, decisions: Mapping[str, Any]) -> float:
        return 0.0 if layer == cheap else default_price(layer, decisions)

    result = _tune(host, tmp_path / "log", FakeRunner(price), trials=2)
    records = TuneLog.load(tmp_path / "log").records
    assert len(records) == result.records > 0
    assert min(cost for record in records for cost in record.costs) > 0


def test_foreign_logs_and_failing_runners_are_refused(host: Target, tmp_path: Path) -> None:
    _tune(host, tmp_path / "log", trials=1)
    with pytest.raises(TuneLogError, match=r"is a log for x86-64-v3 \(.*\), not for rpi4 \("):
        _tune(load_target("rpi4"), tmp_path / "log")
    with pytest.raises(TuneLogError, match="holds instructions, but runner local measures seconds"):
        _tune(host, tmp_path / "log", LocalRunner(), trials=1)
    with pytest.raises(UsageError, match="trials=0"):
        _tune(host, tmp_path / "log", trials=0)
    with pytest.raises(UsageError, match="seed=-1: expected 0 or more"):
        _tune(host, tmp_path / "log", seed=-1)
    with pytest.raises(UsageError, match="strategy=guess"):
        _tune(host, tmp_path / "log", strategy="guess")

    class Unplugged(FakeRunner):
        def run(self, artifact: Any, inputs: Any, **wanted: Any) -> Any:
            raise RunnerError("the board is gone")

    with pytest.raises(RunnerError, match="the board is gone"):
        _tune(host, tmp_path / "new", Unplugged())
    assert not (tmp_path / "new").exists()


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize(("kind", "after"), [(TrackerLost, 2), (BoardLost, 5)])
def test_a_place_that_is_gone_ends_the_session_and_no_candidate_is_blamed(
    kind: type[RunnerError], after: int, host: Target, tmp_path: Path
) -> None:
    """In the search, and among cuts of the whole network."""
    log = tmp_path / "log"
    gone = FakeRunner(after=after, ending=kind("farm:9190: no RPC tracker answers"))
    with pytest.raises(kind, match=r"no RPC tracker answers; what was measured is kept, \d+ rec"):
        _tune(host, log, gone)
    kept = TuneLog.load(log)
    assert kept.records and kept.codes and kept.header["sessions"]
    resumed = _tune(host, log, FakeRunner())
    whole = _tune(host, tmp_path / "whole", FakeRunner())
    assert _records(log) == _records(tmp_path / "whole")
    assert resumed.best_after == whole.best_after
    assert not _rejected(resumed), "nothing was held against a candidate"


@pytest.mark.slow(ci=True)
def test_a_board_that_was_lost_once_costs_a_candidate_nothing(host: Target, tmp_path: Path) -> None:
    runner = FakeRunner(after=3, ending=BoardLost("it went away"), endings=1)
    runner.lost = ("10.0.0.7:9090 went away",)
    result = _tune(host, tmp_path / "log", runner)
    assert result.lost_boards == ("10.0.0.7:9090 went away",) and not _rejected(result)
    whole = _tune(host, tmp_path / "whole", FakeRunner())
    assert _records(tmp_path / "log") == _records(tmp_path / "whole")
    assert result.best_after == whole.best_after
