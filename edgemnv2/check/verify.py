"""Verification: an artefact's outputs, wherever it runs, against the reference in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.accuracy import accuracy, agreement
from edgemnv2.check.compare import Divergence, compare, first_divergence
from edgemnv2.errors import EdgeError, UsageError
from edgemnv2.ops import execute
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.runners.base import Runner, RunResult, TraceRow
from edgemnv2.samples.digit_samples import heldout_digits, is_digits
from edgemnv2.samples.images import Samples, load_images, load_npz, random_inputs

__all__ = ["SampleChoice", "VerifyResult", "choose_samples", "traced_tensors", "verify"]

BATCH = 8
"""Samples per call of the reference and of the runner: what keeps memory and waiting small."""
DEFAULT_RANDOM = 4


@dataclass(frozen=True)
class SampleChoice:
    """Where inputs come from: one of images, inputs and random.

    Without: the held-out images of the built-in digits, for any other network a few random inputs.
    """

    images: Path | None = None
    inputs: Path | None = None
    random: int | None = None
    seed: int = 0
    limit: int | None = None
    preprocess: str | None = None


@dataclass(frozen=True)
class VerifyResult:
    """What `verify` found. `top1`, `top5` in percent, None without labels."""

    passed: bool
    samples: int
    exact: bool
    different_samples: int
    max_abs_error: float
    tolerance: float
    top1_agreement: float
    top1: float | None
    top5: float | None
    reference_top1: float | None
    first_divergence: dict[str, Any] | None
    runner: str
    reference: str
    stack_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def choose_samples(graph: Graph, choice: SampleChoice, default_preset: str) -> Samples:
    """The inputs that `choice` asks for, NHWC, in the graph's own input type.

    Raises UsageError for several sources and for numbers below 1, InputError for unsuitable files.
    """
    given = [x for x in (choice.images, choice.inputs, choice.random) if x is not None]
    if len(given) > 1:
        raise UsageError("inputs: give one of --images, --inputs and --random, not several")
    tensor = graph.tensors[graph.inputs[0]]
    if choice.images is not None:
        preset = choice.preprocess or default_preset
        return load_images(choice.images, tensor, preset, limit=choice.limit)
    if choice.inputs is not None:
        return load_npz(choice.inputs, graph).first(choice.limit)
    if choice.random is None and is_digits(graph.source):
        return heldout_digits(tensor, choice.preprocess or default_preset, limit=choice.limit)
    count = DEFAULT_RANDOM if choice.random is None else choice.random
    return random_inputs(tensor, count, choice.seed).first(choice.limit)


def verify(
    artifact: Artifact,
    runner: Runner,
    choice: SampleChoice,
    graph: Graph | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    threads: int = 1,
) -> VerifyResult:
    """Run `artifact` on `runner` and compare every output with the reference.

    `graph` is the reference; left out, the one that came with the artefact. When outputs differ,
    one such sample runs again with a trace, to name the first layer that does.
    """
    source = "the model as given" if graph is not None else "the graph in the artefact"
    if graph is None:
        graph = load_graph(artifact.path / REFERENCE_FOLDER)
    samples = choose_samples(graph, choice, str(artifact.manifest["preprocess"]))
    outputs: list[NDArray[Any]] = []
    expected: list[NDArray[Any]] = []
    stack: int | None = None
    count = len(samples.x)
    progress(0, count)
    for start in range(0, count, BATCH):
        batch = samples.x[start : start + BATCH]
        expected.append(execute.run(graph, batch, keep=False)[graph.outputs[0]])
        result = runner.run(artifact, list(batch), threads=threads)
        outputs.append(np.concatenate(result.outputs))
        stack = result.stack_bytes if result.stack_bytes is not None else stack
        progress(min(count, start + BATCH), count)
    actual, wanted = np.concatenate(outputs), np.concatenate(expected)
    relative = artifact.manifest.get("relative_tolerance")
    allowed = None if relative is None else float(relative) * float(np.abs(wanted).max())
    comparison = compare(wanted, actual, allowed)
    wrong = [i for i in range(count) if not compare(wanted[i : i + 1], actual[i : i + 1]).exact]
    divergence = None
    if not comparison.passed and comparison.position is not None:
        sample = comparison.position[0]
        divergence = _diverging_layer(artifact, runner, graph, samples.x[sample : sample + 1])
    top1, top5 = _accuracy(actual, samples)
    reference_top1, _ = _accuracy(wanted, samples)
    return VerifyResult(
        passed=comparison.passed,
        samples=count,
        exact=comparison.exact,
        different_samples=len(wrong),
        max_abs_error=comparison.max_abs_error,
        tolerance=comparison.tolerance,
        top1_agreement=agreement(actual, wanted),
        top1=top1,
        top5=top5,
        reference_top1=reference_top1,
        first_divergence=divergence,
        runner=runner.name,
        reference=f"NumPy, {'integer' if graph.is_integer else 'float32'}, of {source}",
        stack_bytes=stack,
    )


def _accuracy(outputs: NDArray[Any], samples: Samples) -> tuple[float | None, float | None]:
    if samples.labels is None:
        return None, None
    found = accuracy(outputs, samples.labels)
    return found.top1, found.top5


def _diverging_layer(
    artifact: Artifact, runner: Runner, graph: Graph, sample: NDArray[Any]
) -> dict[str, Any] | None:
    try:
        result = runner.run(artifact, list(sample), trace=True)
    except EdgeError as error:
        # The verdict stands without it; say why there is no name.
        return {"layer": None, "reason": str(error)}
    found = first_divergence(
        graph, execute.run(graph, sample), traced_tensors(graph, artifact, result)
    )
    return None if found is None else _as_dict(found)


def traced_tensors(graph: Graph, artifact: Artifact, result: RunResult) -> dict[str, NDArray[Any]]:
    """Tensors `[1, H, W, C]` put together from traced rows, where all rows came in plain NHWC."""
    padded = set(artifact.manifest.get("packed_rows", ()))
    rows: dict[int, list[TraceRow]] = {}
    for row in result.trace:
        rows.setdefault(row.layer, []).append(row)
    tensors = {}
    for index, parts in rows.items():
        tensor = graph.tensor_out(graph.layers[index])
        if tensor.name in padded:
            continue
        array = np.zeros(tensor.size_bytes, np.uint8)
        got = 0
        for part in parts:
            if len(part.data) % tensor.row_bytes:
                continue
            start = part.row * tensor.row_bytes
            array[start : start + len(part.data)] = np.frombuffer(part.data, np.uint8)
            got += len(part.data)
        if got == tensor.size_bytes:
            tensors[tensor.name] = array.view(tensor.dtype).reshape(1, *tensor.shape)
    return tensors


def _as_dict(divergence: Divergence) -> dict[str, Any]:
    return {
        "layer": divergence.layer,
        "op": divergence.op,
        "index": divergence.index,
        "different": divergence.comparison.different,
        "elements": divergence.comparison.elements,
        "max_abs_error": divergence.comparison.max_abs_error,
        "position": list(divergence.comparison.position or ()),
        "expected": divergence.expected,
        "actual": divergence.actual,
    }
