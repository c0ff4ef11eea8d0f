"""Runs an artefact on inputs of the user's and gives the outputs as the source model would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.verify import BATCH, SampleChoice, choose_samples
from edgemnv2.errors import InputError
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.runners.base import Runner
from edgemnv2.samples.images import to_source

__all__ = ["Prediction", "RunOutputs", "run"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """The best entries of one output: class, real score, and position on an output grid."""

    sample: str
    classes: tuple[int, ...]
    scores: tuple[float, ...]
    positions: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class RunOutputs:
    """Outputs in the source model's own name, dtype and layout, one batch; and what they say."""

    name: str
    outputs: Array
    predictions: tuple[Prediction, ...]
    runner: str


def run(
    artifact: Artifact,
    runner: Runner,
    choice: SampleChoice,
    *,
    outputs: Path | None = None,
    top: int = 5,
    threads: int = 1,
) -> RunOutputs:
    """Run the samples that `choice` names; `outputs` is the `.npz` to write.

    Raises InputError for unsuitable inputs and for an output file that cannot be written.
    """
    graph = load_graph(artifact.path / REFERENCE_FOLDER)
    samples = choose_samples(graph, choice, str(artifact.manifest["preprocess"]))
    made: list[Array] = []
    for start in range(0, len(samples.x), BATCH):
        batch = list(samples.x[start : start + BATCH])
        made.extend(runner.run(artifact, batch, threads=threads).outputs)
    stored = np.concatenate(made)
    spec = graph.output_specs[0]
    source = to_source(stored, spec)
    if outputs is not None:
        arrays: dict[str, Any] = {spec.name: source}
        try:
            with outputs.open("wb") as file:
                np.savez(file, **arrays)
        except OSError as error:
            raise InputError(
                f"--outputs {outputs}: {error.strerror} (expected a file that can be written)"
            ) from error
    tensor = artifact.outputs[0]
    real = stored.astype(np.float64)
    if tensor.scale is not None and tensor.zero_point is not None:
        real = (real - tensor.zero_point) * tensor.scale
    predictions = tuple(
        _predict(name, scores, top) for name, scores in zip(samples.names, real, strict=True)
    )
    return RunOutputs(spec.name, source, predictions, runner.name)


def _predict(sample: str, scores: Array, top: int) -> Prediction:
    """The `top` largest of `[H, W, C]`; equal scores: the lowest index wins."""
    order = np.argsort(-scores, axis=None, kind="stable")[:top]
    rows, columns, classes = np.unravel_index(order, scores.shape)
    return Prediction(
        sample,
        tuple(int(c) for c in classes),
        tuple(float(s) for s in scores.ravel()[order]),
        tuple((int(r), int(c)) for r, c in zip(rows, columns, strict=True)),
    )
