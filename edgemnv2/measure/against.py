"""Ours and other engines, interleaved in one process: ratios pair by pair.

A machine's speed drifts; two medians taken one after the other compare minutes, not engines. So
each round runs every engine once, in turn, and what counts is the ratio within a round.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.interface import POOL_WORDS, POOL_WORKER_WORDS
from edgemnv2.errors import RunnerError
from edgemnv2.measure.latency import random_sample
from edgemnv2.measure.peers import make_peer
from edgemnv2.runners.local import check_threads
from edgemnv2.target import missing_local_features

__all__ = ["AgainstResult", "PeerFigure", "against"]

WARMUP_ROUNDS = 5


@dataclass(frozen=True)
class PeerFigure:
    """One engine: median seconds; `ratio` is the median of ours / theirs within a round."""

    median: float
    p95: float
    ratio: float
    ratio_p05: float
    ratio_p95: float
    version: str
    model: str


@dataclass(frozen=True)
class AgainstResult:
    """Ours beside the peers, seconds an inference."""

    median: float
    p95: float
    rounds: int
    threads: int
    target: str
    against: dict[str, PeerFigure]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def against(
    artifact: Artifact,
    peers: Sequence[str],
    models: Sequence[Path],
    *,
    rounds: int = 100,
    threads: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AgainstResult:
    """Time the artefact's library and each peer in turn, `rounds` times after a warm-up."""
    missing = missing_local_features(artifact.target)
    if artifact.target.is_bare_metal or missing:
        raise RunnerError(
            f"{artifact.path}: is for {artifact.target.name} and cannot run on this machine "
            "(--against times engines side by side: compile for host)"
        )
    check_threads(artifact, threads)
    engines = [make_peer(name, models, threads, seed) for name in peers]
    ours = _Ours(artifact, seed, threads)
    calls: list[Callable[[], None]] = [ours.infer, *(engine.infer for engine in engines)]
    seconds = np.zeros((rounds, len(calls)))
    for number in range(-WARMUP_ROUNDS, rounds):
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call()
            if number >= 0:
                seconds[number, index] = time.perf_counter() - start
        progress(max(0, number + 1), rounds)
    ours.close()
    figures = {}
    for index, (name, engine) in enumerate(zip(peers, engines, strict=True), start=1):
        ratio = seconds[:, 0] / seconds[:, index]
        figures[name] = PeerFigure(
            median=float(np.median(seconds[:, index])),
            p95=float(np.percentile(seconds[:, index], 95)),
            ratio=float(np.median(ratio)),
            ratio_p05=float(np.percentile(ratio, 5)),
            ratio_p95=float(np.percentile(ratio, 95)),
            version=engine.version,
            model=_model_of(name, models),
        )
    return AgainstResult(
        median=float(np.median(seconds[:, 0])),
        p95=float(np.percentile(seconds[:, 0], 95)),
        rounds=rounds,
        threads=threads,
        target=artifact.target.name,
        against=figures,
    )


def _model_of(peer: str, models: Sequence[Path]) -> str:
    suffix = {"litert": ".tflite", "onnxruntime": ".onnx", "ncnn": ".param"}[peer]
    return next(path.name for path in models if path.suffix == suffix)


class _Pointer(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p),)


class _Ours:
    """The artefact's shared library in this process, on its own pool of threads."""

    def __init__(self, artifact: Artifact, seed: int, threads: int) -> None:
        library = ctypes.CDLL(str(artifact.path / "lib" / f"lib{artifact.name}.so"))
        self._run = library[
            f"{artifact.name}_run" if threads == 1 else f"{artifact.name}_run_threads"
        ]
        self._x = np.ascontiguousarray(random_sample(artifact, seed))
        tensor = artifact.outputs[0]
        self._y = np.zeros(tensor.nhwc, tensor.dtype)
        align = int(artifact.manifest["arena_align_bytes"])
        arenas = artifact.manifest.get("threads_arena_bytes", {})
        arena_bytes = max(artifact.arena_bytes, *arenas.values(), 0)
        self._memory = np.zeros(arena_bytes + align, np.uint8)
        start = -self._memory.ctypes.data % align
        self._arena = self._memory[start : start + arena_bytes]
        self._inputs = _Pointer(self._x.ctypes.data)
        self._outputs = _Pointer(self._y.ctypes.data)
        most = max(artifact.manifest.get("threads", [1]))
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
