"""Other engines, timed beside ours: one protocol, one file per engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from edgemnv2.errors import UsageError

__all__ = ["PEERS", "Peer", "make_peer"]


class Peer(Protocol):
    """An engine with one model loaded and its random input set."""

    name: str
    version: str

    def infer(self) -> None:
        """One inference, nothing else."""
        ...


def _litert(models: Sequence[Path], threads: int, seed: int) -> Peer:
    from edgemnv2.measure.peers.litert import LiteRT

    return LiteRT(_model("litert", models, ".tflite"), threads, seed)


def _onnxruntime(models: Sequence[Path], threads: int, seed: int) -> Peer:
    from edgemnv2.measure.peers.onnxruntime import OnnxRuntime

    return OnnxRuntime(_model("onnxruntime", models, ".onnx"), threads, seed)


def _ncnn(models: Sequence[Path], threads: int, seed: int) -> Peer:
    from edgemnv2.measure.peers.ncnn import Ncnn

    return Ncnn(_model("ncnn", models, ".param"), threads, seed)


PEERS: dict[str, Callable[[Sequence[Path], int, int], Peer]] = {
    "litert": _litert,
    "onnxruntime": _onnxruntime,
    "ncnn": _ncnn,
}


def _model(peer: str, models: Sequence[Path], suffix: str) -> Path:
    found = [path for path in models if path.suffix == suffix]
    if len(found) != 1:
        raise UsageError(
            f"--against {peer}: {len(found)} models ending in {suffix} given, expected one "
            f"(--model FILE{suffix}, the same network in that engine's format)"
        )
    if not found[0].is_file():
        raise UsageError(f"--model {found[0]}: no such file")
    return found[0]


def make_peer(name: str, models: Sequence[Path], threads: int, seed: int) -> Peer:
    """The engine `name` with its model out of `models`.

    Raises UsageError for an unknown engine, a missing model, an engine that is not installed.
    """
    if name not in PEERS:
        raise UsageError(f"--against {name}: expected some of {', '.join(sorted(PEERS))}")
    try:
        return PEERS[name](models, threads, seed)
    except ImportError as error:
        raise UsageError(
            f"--against {name}: {error.name} is not installed (pip install 'edgemnv2[peers]')"
        ) from error
