"""What a second thread gains us, and how far apart this machine's cores are at the moment."""

from __future__ import annotations

import ctypes
import functools
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.against import Ours, seconds_in_turn
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.codegen.toolchain import host_compiler
from edgemnv2.errors import RunnerError, ToolchainError
from edgemnv2.runners.base import check_threads

__all__ = ["SpeedUp", "core_distance", "speed_up"]

SOURCE = Path(__file__).resolve().parent.parent / "runtime" / "core_distance.c"
DISTANCE_TRIES = 5


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


def core_distance() -> float:
    """Seconds of a round trip of one word between two threads, the median of some.

    On a virtual machine it changes from one minute to the next, with the cores that the host gives:
    64 ns where they share a cache and 330 ns where they do not, on the same two processors. Engines
    whose threads share data are that much slower, ncnn twice. Raises RunnerError on one processor.
    """
    measure = _distance_function()
    return statistics.median(measure() for _ in range(DISTANCE_TRIES))


@functools.cache
def _distance_function() -> Callable[[], float]:
    """`runtime/core_distance.c`, compiled for this machine."""
    allowed = os.cpu_count() or 1
    if sys.platform == "linux":
        allowed = len(os.sched_getaffinity(0))
    if allowed < 2:
        raise RunnerError("the distance of two cores: this process may run on one only")
    compiler = host_compiler()
    command = [*compiler.command, *(["cc"] if compiler.kind == "zig" else [])]
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        library = Path(folder) / "core_distance.so"
        command += ["-O2", "-shared", "-fPIC", "-pthread", str(SOURCE), "-o", str(library)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise ToolchainError(f"{SOURCE.name}: {result.stderr.strip().splitlines()[-1:]}")
        function = ctypes.CDLL(str(library)).core_distance_seconds
    function.restype = ctypes.c_double
    return lambda: float(function())
