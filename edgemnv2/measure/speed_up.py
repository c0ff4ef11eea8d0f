"""What a second thread gains us, and what it could gain at all on this machine at this moment."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.measure.against import Ours, seconds_in_turn
from edgemnv2.measure.latency import random_sample
from edgemnv2.runners.base import check_threads

__all__ = ["SpeedUp", "speed_up", "two_core_capacity"]

CAPACITY_SECONDS = 0.3


@dataclass(frozen=True)
class SpeedUp:
    """Our own time with one thread over that with `threads`, within a round; medians, seconds."""

    threads: int
    one_thread: float
    several_threads: float
    ratio: float
    ratio_p05: float
    ratio_p95: float


def speed_up(artifact: Artifact, threads: int, rounds: int = 100, seed: int = 0) -> SpeedUp:
    """How much faster `threads` threads are than one, no other engine in the process."""
    check_threads(artifact, threads)
    sample = random_sample(artifact, seed)
    both = [Ours(artifact, sample, 1), Ours(artifact, sample, threads)]
    seconds = seconds_in_turn([ours.infer for ours in both], rounds)
    for ours in both:
        ours.close()
    ratios = seconds[:, 0] / seconds[:, 1]
    return SpeedUp(
        threads,
        float(np.median(seconds[:, 0])),
        float(np.median(seconds[:, 1])),
        *(float(np.percentile(ratios, share)) for share in (50, 5, 95)),
    )


def two_core_capacity(artifact: Artifact, seed: int = 0) -> float:
    """Inferences a second of two independent copies at once, over those of one copy alone.

    2.0 on two whole cores. Virtual processors that share one core, as a host may place them from
    one second to the next, have 1.0 to 1.6; no engine's two threads can do better than this.
    """
    sample = random_sample(artifact, seed)
    copies = [Ours(artifact, sample, 1), Ours(artifact, sample, 1)]

    def rates(running: list[Ours]) -> float:
        counts = [0] * len(running)
        end = time.perf_counter() + CAPACITY_SECONDS

        def work(index: int) -> None:
            while time.perf_counter() < end:
                running[index].infer()
                counts[index] += 1

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(running))]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - start)

    rates(copies[:1])
    return rates(copies) / rates(copies[:1])
