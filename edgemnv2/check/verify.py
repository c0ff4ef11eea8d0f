"""Verification: an artefact's outputs, wherever it runs, against the reference in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.accuracy import accuracy, agreement, of_two_classes
from edgemnv2.check.compare import compare
from edgemnv2.check.decisions import decided_by_floats, outputs_of_own_floats
from edgemnv2.check.divergence import diverging_layer, traced_tensors
from edgemnv2.check.origin import Origin
from edgemnv2.check.source import SourceCheck, check_source
from edgemnv2.errors import EdgeError, InputError
from edgemnv2.model import TensorSpec
from edgemnv2.ops import execute
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.runners.base import Runner
from edgemnv2.samples.inputs import InputSet, SampleChoice, choose_inputs
from edgemnv2.task import Task

__all__ = ["OutputCheck", "VerifyResult", "score_index", "verify"]

Array = NDArray[Any]

BATCH = 8
"""Samples per call of the reference and of the runner: what keeps memory and waiting small."""
SOURCE_SAMPLES = 8
"""Most that the framework of the source file computes as well."""
SCORE_TYPES = ("float32", "int8", "uint8")
"""Of class scores; int32 and int64 are counts or indices."""


@dataclass(frozen=True)
class OutputCheck:
    """One output of all samples against the reference; `name` is the source's."""

    name: str
    passed: bool
    exact: bool
    different: int
    """Elements, of `elements`."""
    elements: int
    max_abs_error: float
    tolerance: float
    near_ties: int = 0
    """Of those that differ: what is right for the artefact's own floats, whose last bits decide."""


@dataclass(frozen=True)
class VerifyResult:
    """What `verify` found. `top1`, `top5` in percent, None without labels.

    `max_abs_error` and `tolerance` are those of the output that is worst; accuracies are of the
    first output that can be class scores.
    """

    passed: bool
    samples: int
    exact: bool
    different_samples: int
    max_abs_error: float
    tolerance: float
    top1_agreement: float | None
    """In percent, as `accuracy.agreement` counts it."""
    top1: float | None
    top5: float | None
    reference_top1: float | None
    first_divergence: dict[str, Any] | None
    runner: str
    reference: str
    outputs: tuple[OutputCheck, ...]
    """In the order of the source."""
    stack_bytes: int | None = None
    against_source: SourceCheck | None = None
    """What the framework of the source file says of the reference; None where it was not asked."""
    not_against_source: str | None = None
    """Why it was not."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def verify(
    artifact: Artifact,
    runner: Runner,
    choice: SampleChoice,
    graph: Graph | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    threads: int = 1,
    origin: Origin | None = None,
) -> VerifyResult:
    """Run `artifact` on `runner` and compare every output with the reference.

    With an `origin`, the reference is held against the framework of the source file, too.

    `graph` is the reference; left out, the one that came with the artefact. When outputs differ,
    one such sample runs again with a trace, to name the first layer that does. Raises InputError
    where they differ since the reference leaves the range of float32 (of two engines that do, one
    has infinity where the other has a large number, and neither is right), or since what is left of
    a sum is the rounding of its terms.
    """
    source = "the model as given" if graph is not None else "the graph in the artefact"
    if graph is None:
        graph = load_graph(artifact.path / REFERENCE_FOLDER)
    manifest = artifact.manifest
    inputs = choose_inputs(graph, choice, manifest.preprocess, fit=manifest.task.fit)
    ends, stack = _run_both(artifact, runner, graph, inputs, threads, progress)
    _find_near_ties(ends, artifact, runner, graph, inputs)
    worst = max(ends, key=lambda end: (not end.passed, end.comparison.max_abs_error))
    divergence = None
    failed = next((end for end in ends if not end.passed), None)
    if failed is not None and failed.comparison.position is not None:
        sample = failed.comparison.position[0]
        divergence = diverging_layer(artifact, runner, graph, inputs.batch(sample, sample + 1))
    against, why_not = _against_source(graph, origin, inputs)
    return VerifyResult(
        passed=failed is None and (against is None or against.passed),
        samples=len(inputs),
        exact=all(end.comparison.exact for end in ends),
        different_samples=len(set[int]().union(*(end.different_samples() for end in ends))),
        max_abs_error=worst.comparison.max_abs_error,
        tolerance=worst.comparison.tolerance,
        **_score_figures(graph, manifest.task, ends, inputs.labels),
        first_divergence=divergence,
        runner=runner.name,
        reference=f"NumPy, {'integer' if graph.is_integer else 'float32'}, of {source}",
        outputs=tuple(end.check() for end in ends),
        stack_bytes=stack,
        against_source=against,
        not_against_source=why_not,
    )


def _run_both(
    artifact: Artifact,
    runner: Runner,
    graph: Graph,
    inputs: InputSet,
    threads: int,
    progress: Callable[[int, int], None],
) -> tuple[list[_End], int | None]:
    """Every output of all samples, by the reference and by `runner`; bytes of stack, if known."""
    outputs: dict[str, list[Array]] = {spec.name: [] for spec in graph.output_specs}
    expected: dict[str, list[Array]] = {spec.name: [] for spec in graph.output_specs}
    stack: int | None = None
    count = len(inputs)
    progress(0, count)
    for start in range(0, count, BATCH):
        stop = min(count, start + BATCH)
        wanted = execute.run(graph, inputs.batch(start, stop), keep=False)
        for name, array in execute.by_source(graph, wanted).items():
            expected[name].append(array)
        result = runner.run(artifact, inputs.each(start, stop), threads=threads)
        for found in result.results:
            for name in outputs:
                outputs[name].append(found[name])
        stack = result.stack_bytes if result.stack_bytes is not None else stack
        progress(stop, count)
    relative = artifact.manifest.relative_tolerance
    ends = [
        _End(name, np.concatenate(expected[name]), np.concatenate(outputs[name]), relative)
        for name in outputs
    ]
    return ends, stack


def _score_figures(
    graph: Graph, task: Task, ends: Sequence[_End], labels: Array | None
) -> dict[str, float | None]:
    """Agreement and accuracies of the output that can be class scores, by their names in the
    result."""
    index = score_index(graph)
    actual, wanted = ends[index].actual, ends[index].wanted
    least = _least(task, graph.output_specs[index])
    if least is not None and task.kind == "classifier":
        actual, wanted = (of_two_classes(x, least) for x in (actual, wanted))
        least = None
    top1, top5 = _accuracy(actual, labels)
    reference_top1, _ = _accuracy(wanted, labels)
    return {
        "top1_agreement": agreement(actual, wanted, least),
        "top1": top1,
        "top5": top5,
        "reference_top1": reference_top1,
    }


def _against_source(
    graph: Graph, origin: Origin | None, inputs: InputSet
) -> tuple[SourceCheck | None, str | None]:
    """The framework's verdict, or why there is none.

    Raises InputError where the user asked for one and the framework refuses the file.
    """
    if origin is None or origin.file is None:
        return None, None if origin is None else origin.reason
    try:
        return check_source(graph, origin.file, inputs.batch(0, SOURCE_SAMPLES)), None
    except InputError as error:
        if origin.demanded:
            raise
        return None, str(error)


class _End:
    """One output of all samples, ours and the reference's."""

    def __init__(self, name: str, wanted: Array, actual: Array, relative: float | None) -> None:
        self.name, self.wanted, self.actual = name, wanted, actual
        self.has_near_ties = False
        allowed = None if relative is None else relative * float(np.abs(wanted).max())
        self.comparison = compare(wanted, actual, allowed)

    @property
    def passed(self) -> bool:
        return self.comparison.passed or self.has_near_ties

    def different_samples(self) -> set[int]:
        """Samples with an element that is not equal."""
        pairs = zip(self.wanted, self.actual, strict=True)
        return {i for i, (wanted, actual) in enumerate(pairs) if not compare(wanted, actual).exact}

    def check(self) -> OutputCheck:
        found = self.comparison
        return OutputCheck(
            self.name,
            self.passed,
            found.exact,
            found.different,
            found.elements,
            found.max_abs_error,
            found.tolerance,
            found.different if self.has_near_ties else 0,
        )


def _find_near_ties(
    ends: Sequence[_End], artifact: Artifact, runner: Runner, graph: Graph, inputs: InputSet
) -> None:
    """Mark the ends that differ only where the last bits of floats decide."""
    decided = decided_by_floats(graph)
    names = zip(graph.outputs, graph.output_specs, strict=True)
    may = {spec.name for name, spec in names if name in decided}
    suspects = [end for end in ends if end.name in may and not end.passed]
    made: dict[int, dict[str, Array] | None] = {}
    for index in sorted(set[int]().union(*(end.different_samples() for end in suspects))):
        sample = inputs.batch(index, index + 1)
        try:
            result = runner.run(artifact, [sample], trace=True)
        except EdgeError:
            return  # The verdict stands: this runner does not show what is inside.
        traced = traced_tensors(graph, artifact, result)
        made[index] = outputs_of_own_floats(
            graph, sample, traced, artifact.manifest.relative_tolerance
        )
    for end in suspects:
        end.has_near_ties = all(
            (own := made[i]) is not None and compare(own[end.name], end.actual[i : i + 1]).passed
            for i in end.different_samples()
        )


def _least(task: Task, spec: TensorSpec) -> float | None:
    """`Task.least` as the output stores it."""
    if task.least is None or spec.quant is None:
        return task.least
    return task.least / spec.quant.scale + spec.quant.zero_point


def score_index(graph: Graph) -> int:
    """Number of the output whose channels can be class scores: of one pixel before of a grid.

    0 where there is none.
    """
    best = 0, 0
    for index, name in reversed(list(enumerate(graph.outputs))):
        tensor = graph.tensors[name]
        if tensor.channels > 1 and tensor.dtype in SCORE_TYPES:
            rank = 2 if tensor.height * tensor.width == 1 else 1
            best = max(best, (rank, -index))
    return -best[1]


def _accuracy(outputs: Array, labels: Array | None) -> tuple[float | None, float | None]:
    if labels is None:
        return None, None
    found = accuracy(outputs, labels)
    return found.top1, found.top5
