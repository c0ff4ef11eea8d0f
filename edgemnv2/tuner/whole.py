"""A whole network against another one: cuts, threads, and the winners of all layers together.

Two programs of one network run in turns, and it is the ratio within a pair that counts; a count is
exact and needs one run. The outputs are held against the reference before there is a figure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edgemnv2.artifact import Artifact
from edgemnv2.check.compare import compare
from edgemnv2.records.task import Task
from edgemnv2.runners.base import Runner, on_one_board
from edgemnv2.tuner.trial import Candidate, TrialBench, wrong_layers

__all__ = ["Versus", "built", "faster_share", "outgrown", "threads_of", "versus"]

THREADS = 2
"""How many the task "threads" is measured with."""
REPEATS = 3
"""Inferences of one program before it is the other one's turn."""


@dataclass(frozen=True)
class Versus:
    """`ratio` of one inference, ours / theirs, the median over pairs; `share` of pairs that we won.

    `reason` why there is no figure: the output is wrong, or the program could not be measured.
    """

    ratio: float = 1.0
    share: float = 0.0
    reason: str = ""


@contextmanager
def built(bench: TrialBench, candidates: Sequence[Candidate], task: Task) -> Iterator[Artifact]:
    """The program with `candidates`, as `task` needs it; gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="edgemnv2-tune-") as name:
        yield bench.build(candidates, Path(name), threads_of(task))


def threads_of(task: Task) -> int:
    """How many threads the task is measured with."""
    return THREADS if task.op == "threads" else 1


def versus(
    bench: TrialBench, ours: Artifact, theirs: Artifact, pairs: int, threads: int = 1
) -> Versus:
    """Check `ours`, then measure it against `theirs`; raises what hinders either."""
    with bench.runner() as runner:
        reason = _wrong(bench, runner, ours, threads)
        if reason:
            return Versus(reason=reason)
        return on_one_board(runner, lambda: _measure(bench, runner, ours, theirs, pairs, threads))


def faster_share(ratios: Sequence[float]) -> float:
    """The share of pairs in which ours was faster."""
    return sum(ratio < 1 for ratio in ratios) / len(ratios)


def outgrown(bench: TrialBench, candidates: Sequence[Candidate], most_bytes: int) -> str:
    """Why a count does not take the candidates; "" if it may.

    More memory is more traffic between caches, which a count of instructions does not see.
    """
    more = bench.arena_bytes(candidates) - most_bytes
    return f"takes {more} bytes more of arena, which a count does not see" if more > 0 else ""


def _wrong(bench: TrialBench, runner: Runner, artifact: Artifact, threads: int) -> str:
    """What is wrong with the outputs; "" if nothing is."""
    result = runner.run(artifact, [bench.sample], trace=True)
    wrong = wrong_layers(bench.graph, artifact, result, bench.sample, bench.expected)
    if wrong or threads == 1:
        return next(iter(wrong.values()), "")
    together = runner.run(artifact, [bench.sample], threads=threads).results[0]
    for name, wanted in result.results[0].items():
        found = compare(wanted, together[name])
        if not found.passed:
            return f"{threads} threads: {found.different} of {found.elements} values are wrong"
    return ""


def _measure(
    bench: TrialBench, runner: Runner, ours: Artifact, theirs: Artifact, pairs: int, threads: int
) -> Versus:
    def once(artifact: Artifact) -> tuple[str, float]:
        result = runner.run(artifact, [bench.sample], repeat=REPEATS, threads=threads)
        return str(result.metric), median(result.values)

    ratios: list[float] = []
    while len(ratios) < pairs:
        if len(ratios) % 2:
            (metric, mine), (_, other) = once(ours), once(theirs)
        else:
            (_, other), (metric, mine) = once(theirs), once(ours)
        ratios.append(mine / other)
        if metric != "seconds":
            break
    return Versus(median(ratios), faster_share(ratios))
