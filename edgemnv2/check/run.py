"""Runs an artefact on inputs of the user's and gives the outputs as the source model would."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.verify import BATCH, SCORE_TYPES, score_index
from edgemnv2.errors import UsageError
from edgemnv2.export.whole_file import check_writable, write_whole
from edgemnv2.manifest import ArtifactTensor
from edgemnv2.npz import write_npz
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.runners.base import Runner
from edgemnv2.samples.images import to_source
from edgemnv2.samples.inputs import InputSet, SampleChoice, choose_inputs

__all__ = ["Prediction", "RunOutputs", "run", "run_set"]

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
    """Outputs by the source model's own names, in its dtypes and layouts, all samples together.

    `predictions` are what the output `scores` says, one a sample; `scores` is "" and there are none
    where no output can be class scores. `grid` tells whether these have more than one pixel.
    """

    outputs: Mapping[str, Array]
    predictions: tuple[Prediction, ...]
    scores: str
    grid: bool
    samples: int
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

    Raises InputError for unsuitable inputs, UsageError for an output file that cannot be written
    and for less than one class.
    """
    if top < 1:
        raise UsageError(f"top={top}: expected at least 1")
    if outputs is not None:
        check_writable(outputs, "outputs", [*choice.files(), *artifact.all_files()])
    graph = load_graph(artifact.path / REFERENCE_FOLDER)
    manifest = artifact.manifest
    inputs = choose_inputs(graph, choice, manifest.preprocess, fit=manifest.task.fit)
    stored = run_set(artifact, runner, inputs, threads)
    source = {spec.name: to_source(stored[spec.name], spec) for spec in graph.output_specs}
    if outputs is not None:
        buffer = io.BytesIO()
        write_npz(buffer, source)
        write_whole(outputs, buffer.getvalue(), "outputs")
    tensor = artifact.outputs[score_index(graph)]
    scored = tensor.dtype in SCORE_TYPES
    predictions = tuple(
        _predict(name, scores, top)
        for name, scores in zip(inputs.names, _real(stored[tensor.name], tensor), strict=True)
        if scored
    )
    return RunOutputs(
        source,
        predictions,
        tensor.name if scored else "",
        tensor.nhwc[:2] != (1, 1),
        len(inputs),
        runner.name,
    )


def run_set(
    artifact: Artifact, runner: Runner, inputs: InputSet, threads: int = 1
) -> dict[str, Array]:
    """Every output `[N, H, W, C]` of all samples, as stored, by the source's names."""
    made: dict[str, list[Array]] = {x.name: [] for x in artifact.outputs}
    for start in range(0, len(inputs), BATCH):
        batch = inputs.each(start, start + BATCH)
        for result in runner.run(artifact, batch, threads=threads).results:
            for name, parts in made.items():
                parts.append(result[name])
    return {name: np.concatenate(parts) for name, parts in made.items()}


def _real(stored: Array, tensor: ArtifactTensor) -> Array:
    real: Array = stored.astype(np.float64)
    if tensor.scale is not None and tensor.zero_point is not None:
        real = (real - tensor.zero_point) * tensor.scale
    return real


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
