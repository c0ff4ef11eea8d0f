"""Ours and other engines, interleaved in one process: ratios pair by pair.

A machine's speed drifts; two medians taken one after the other compare minutes, not engines. So
each round runs every engine in turn, and what counts is the ratio within a round. All engines
compute the same network from the same input, and their outputs are compared. A turn waits until no
other engine's thread spins any more (some do for 20 ms behind an inference, on cores that the next
one needs); then it runs two inferences, of which the second is timed: the first finds the caches
that others left.
"""

from __future__ import annotations

import ctypes
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.engines.table import choose_models, make_peer, write_model
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.codegen.interface import POOL_WORDS, POOL_WORKER_WORDS
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.manifest import ArtifactTensor
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.runners.base import Array, check_threads
from edgemnv2.runners.device_state import local_state, state_notes
from edgemnv2.target import missing_local_features

__all__ = [
    "AgainstResult",
    "Ours",
    "PeerFigure",
    "against",
    "largest_difference",
    "real_values",
    "seconds_in_turn",
]

DEFAULT_ROUNDS = 100
WARMUP_ROUNDS = 5
LONGEST_SPIN_SECONDS = 0.2


@dataclass(frozen=True)
class PeerFigure:
    """One engine: median seconds; `ratio` is the median of ours / theirs within a round.

    `max_abs_error`: of its outputs against ours, real values, for the same inputs; None where the
    outputs are no equal number of values. `model` is a file's name, or "" for the artefact's own
    network in the engine's format.
    """

    median: float
    p95: float
    ratio: float
    ratio_p05: float
    ratio_p95: float
    version: str
    model: str
    max_abs_error: float | None


@dataclass(frozen=True)
class AgainstResult:
    """Ours beside the peers, seconds an inference; `max_abs_output` is our largest value."""

    median: float
    p95: float
    rounds: int
    threads: int
    target: str
    max_abs_output: float
    notes: tuple[str, ...]
    against: dict[str, PeerFigure]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def against(
    artifact: Artifact,
    peers: Sequence[str],
    models: Sequence[Path] = (),
    *,
    rounds: int = 100,
    threads: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AgainstResult:
    """Time the artefact's library and each peer in turn, `rounds` times after a warm-up.

    A peer takes its model from `models`, else the artefact's own network in its format. All take
    the same random input, as far as their models can.
    """
    missing = missing_local_features(artifact.target)
    if artifact.target.is_bare_metal or missing:
        raise RunnerError(
            f"{artifact.path}: is for {artifact.target.name} and cannot run on this machine "
            "(against= times engines side by side: compile for host)"
        )
    if rounds < 1:
        raise UsageError(f"repeat={rounds}: expected at least 1")
    check_threads(artifact, threads)
    chosen = choose_models(peers, models)
    sample = random_sample(artifact, seed)
    before = local_state()
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        engines = {
            name: make_peer(name, path or _own_model(artifact, name, Path(folder)), threads, sample)
            for name, path in chosen.items()
        }
    ours = Ours(artifact, sample, threads)
    calls = [ours.infer, *(engine.infer for engine in engines.values())]
    seconds = seconds_in_turn(calls, rounds, progress)
    notes = state_notes(before, local_state())
    values = ours.outputs()
    ours.close()
    figures = {}
    for index, (name, engine) in enumerate(engines.items(), start=1):
        ratio = seconds[:, 0] / seconds[:, index]
        model = chosen[name]
        figures[name] = PeerFigure(
            median=float(np.median(seconds[:, index])),
            p95=float(np.percentile(seconds[:, index], 95)),
            ratio=float(np.median(ratio)),
            ratio_p05=float(np.percentile(ratio, 5)),
            ratio_p95=float(np.percentile(ratio, 95)),
            version=engine.version,
            model=model.name if model else "",
            max_abs_error=largest_difference(values, engine.outputs()),
        )
    return AgainstResult(
        median=float(np.median(seconds[:, 0])),
        p95=float(np.percentile(seconds[:, 0], 95)),
        rounds=rounds,
        threads=threads,
        target=artifact.target.name,
        max_abs_output=max(float(np.abs(y).max()) for y in values),
        notes=notes,
        against=figures,
    )


def _await_sleeping_threads() -> None:
    """Returns when no thread of this process but the caller's runs, or after a while."""
    own = threading.get_native_id()
    end = time.perf_counter() + LONGEST_SPIN_SECONDS
    while time.perf_counter() < end:
        for stat in Path("/proc/self/task").glob("[0-9]*/stat"):
            try:
                # The state follows the name, which is in brackets (proc(5)).
                state = (
                    stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
                )
            except OSError:  # it ended meanwhile
                continue
            if state == "R" and stat.parent.name != str(own):
                break
        else:
            return
        time.sleep(0.0005)


def _own_model(artifact: Artifact, peer: str, folder: Path) -> Path:
    """The artefact's reference network in the engine's format."""
    return write_model(peer, load_graph(artifact.path / REFERENCE_FOLDER), folder)


def seconds_in_turn(
    calls: Sequence[Callable[[], None]],
    rounds: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Array:
    """Seconds `[rounds, calls]`."""
    seconds = np.zeros((rounds, len(calls)))
    order = range(len(calls))
    for number in range(-WARMUP_ROUNDS, rounds):
        # There and back, so that nobody always runs behind the same neighbour's caches.
        for index in order if number % 2 else reversed(order):
            call = calls[index]
            _await_sleeping_threads()
            call()
            start = time.perf_counter()
            call()
            if number >= 0:
                seconds[number, index] = time.perf_counter() - start
        progress(max(0, number + 1), rounds)
    return seconds


def largest_difference(ours: Sequence[Array], theirs: Sequence[Array]) -> float | None:
    """Of real values, output by output; None where they are no equal number of values."""
    if [y.shape for y in ours] != [y.shape for y in theirs]:
        return None
    return max(float(np.abs(y - x).max()) for x, y in zip(ours, theirs, strict=True))


def real_values(stored: Array, tensor: ArtifactTensor) -> Array:
    """An output of ours as other engines give it: real values, flat."""
    flat: Array = stored.reshape(-1)
    if tensor.scale is None or tensor.zero_point is None:
        return flat
    real: Array = (flat.astype(np.float64) - tensor.zero_point) * tensor.scale
    return real


class Ours:
    """The artefact's shared library in this process, on its own pool of threads.

    `sample` has an array `[1, H, W, C]` for each input, by name.
    """

    def __init__(self, artifact: Artifact, sample: Mapping[str, Array], threads: int) -> None:
        library = ctypes.CDLL(str(artifact.path / "lib" / f"lib{artifact.name}.so"))
        self._run = library[
            f"{artifact.name}_run" if threads == 1 else f"{artifact.name}_run_threads"
        ]
        self._x = [np.ascontiguousarray(sample[x.name]) for x in artifact.inputs]
        self._tensors = artifact.outputs
        self._y = [np.zeros(y.nhwc, y.dtype) for y in artifact.outputs]
        align = artifact.manifest.arena_align_bytes
        arenas = artifact.manifest.threads_arena_bytes
        arena_bytes = max(artifact.arena_bytes, *arenas.values(), 0)
        self._memory = np.zeros(arena_bytes + align, np.uint8)
        start = -self._memory.ctypes.data % align
        self._arena = self._memory[start : start + arena_bytes]
        # `struct <name>_inputs` and `_outputs`: a pointer for each end.
        self._inputs = (ctypes.c_void_p * len(self._x))(*(x.ctypes.data for x in self._x))
        self._outputs = (ctypes.c_void_p * len(self._y))(*(y.ctypes.data for y in self._y))
        most = max(artifact.manifest.threads)
        self._pool = np.zeros(POOL_WORDS + POOL_WORKER_WORDS * most, np.uint64)
        self._more = [] if threads == 1 else [ctypes.c_void_p(self._pool.ctypes.data)]
        self._stop: Callable[[], None] = lambda: None
        if threads > 1:
            status = library[f"{artifact.name}_pool_start"](*self._more, threads)
            if status != 0:
                raise RunnerError(f"the library answered status {status} to {threads} threads")
            stop = library[f"{artifact.name}_pool_stop"]
            self._stop = lambda: stop(*self._more)

    def close(self) -> None:
        """End the threads."""
        self._stop()

    def outputs(self) -> list[Array]:
        """See `Peer.outputs`."""
        return [real_values(y, x) for y, x in zip(self._y, self._tensors, strict=True)]

    def infer(self) -> None:
        """One inference."""
        status = self._run(
            ctypes.byref(self._inputs),
            ctypes.byref(self._outputs),
            ctypes.c_void_p(self._arena.ctypes.data),
            *self._more,
        )
        if status != 0:
            raise RunnerError(f"the library answered status {status}")
