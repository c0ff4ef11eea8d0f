"""Other engines, timed beside ours: one protocol, one file per engine.

An engine's model is the user's file, or the artefact's own network written in the engine's format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgemnv2.benchmark.engines.engine import Peer
from edgemnv2.errors import UsageError
from edgemnv2.ops.graph import Graph

__all__ = ["PEERS", "SUFFIXES", "choose_model", "choose_models", "make_peer", "write_model"]

Array = NDArray[Any]
Samples = Mapping[str, Array]


def _litert(model: Path, threads: int, samples: Samples) -> Peer:
    from edgemnv2.benchmark.engines.litert import LiteRT

    return LiteRT(model, threads, samples)


def _onnxruntime(model: Path, threads: int, samples: Samples) -> Peer:
    from edgemnv2.benchmark.engines.onnxruntime import OnnxRuntime

    return OnnxRuntime(model, threads, samples)


def _ncnn(model: Path, threads: int, samples: Samples) -> Peer:
    from edgemnv2.benchmark.engines.ncnn import Ncnn

    return Ncnn(model, threads, samples)


PEERS: dict[str, Callable[[Path, int, Samples], Peer]] = {
    "litert": _litert,
    "onnxruntime": _onnxruntime,
    "ncnn": _ncnn,
}
SUFFIXES = {"litert": ".tflite", "onnxruntime": ".onnx", "ncnn": ".param"}


def choose_models(peers: Sequence[str], models: Sequence[Path]) -> dict[str, Path | None]:
    """The model of each engine out of `models`, None where it takes the artefact's own network.

    Raises UsageError as `choose_model`, and for a model that no engine takes.
    """
    chosen = {name: choose_model(name, models) for name in peers}
    for path in models:
        if path not in chosen.values():
            suffixes = ", ".join(SUFFIXES[name] for name in peers)
            raise UsageError(f"model={path}: no engine of against= takes it (expected {suffixes})")
    return chosen


def choose_model(peer: str, models: Sequence[Path]) -> Path | None:
    """The one of `models` that is in the engine's format; None when there is none.

    Raises UsageError for an unknown engine, more than one file, a file that is not there.
    """
    if peer not in PEERS:
        raise UsageError(f"against={peer}: expected some of {', '.join(sorted(PEERS))}")
    suffix = SUFFIXES[peer]
    found = [path for path in models if path.suffix == suffix]
    if len(found) > 1:
        raise UsageError(
            f"against={peer}: {len(found)} models ending in {suffix} given, expected one "
            f"(model=FILE{suffix}, the same network in that engine's format)"
        )
    if found and not found[0].is_file():
        raise UsageError(f"model={found[0]}: no such file")
    return found[0] if found else None


def write_model(peer: str, graph: Graph, folder: Path) -> Path:
    """`graph` in the engine's format, a file in `folder`.

    Raises UsageError for what the format cannot say.
    """
    path = folder / f"{graph.name}{SUFFIXES[peer]}"
    if peer == "litert":
        from edgemnv2.export.tflite_file import tflite_file

        path.write_bytes(tflite_file(graph))
    elif peer == "onnxruntime":
        from edgemnv2.export.onnx_file import onnx_file

        path.write_bytes(onnx_file(graph))
    else:
        from edgemnv2.export.ncnn_file import ncnn_files

        text, weights = ncnn_files(graph)
        path.write_text(text, encoding="utf-8", newline="\n")
        path.with_suffix(".bin").write_bytes(weights)
    return path


def make_peer(name: str, model: Path, threads: int, samples: Samples) -> Peer:
    """The engine `name` with `model` loaded; its inputs are `samples` where they fit.

    `samples` has an array `[1, H, W, C]` for each input of ours, by name.

    Raises UsageError for an engine that is not installed or cannot read the model.
    """
    try:
        return PEERS[name](model, threads, samples)
    except ImportError as error:
        raise UsageError(
            f"against={name}: {error.name} is not installed (pip install 'edgemnv2[peers]')"
        ) from error
