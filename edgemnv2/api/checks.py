"""What is found out of a network or an artefact: whether it is right, what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.api.network import (
    Count,
    Network,
    OpenArtifact,
    Stage,
    as_network,
    no_count,
    no_stage,
    opened,
)
from edgemnv2.check.origin import find_origin
from edgemnv2.check.verify import VerifyResult
from edgemnv2.check.verify import verify as verify_artifact
from edgemnv2.errors import ArtifactError, DynamicShape, UsageError
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.ops.graph import Graph
from edgemnv2.pipeline import lower_source
from edgemnv2.runners.place import Place
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target

if TYPE_CHECKING:
    from edgemnv2.benchmark.against import AgainstResult
    from edgemnv2.benchmark.cycles import CycleEstimate
    from edgemnv2.benchmark.latency import BenchResult
    from edgemnv2.benchmark.locality import Locality
    from edgemnv2.check.analyze import Analysis

__all__ = ["against", "analyze", "bench", "caches", "check_peers", "cycles", "verify"]


def verify(
    artifact: OpenArtifact | str | Path,
    samples: SampleChoice | None = None,
    *,
    model: Network | str | Path | None = None,
    input_shapes: InputShapes | None = None,
    against_source: str | Path | None = "auto",
    place: Place | None = None,
    threads: int = 1,
    progress: Count = no_count,
) -> VerifyResult:
    """Run an artefact and compare every output with the reference; the result says `passed`.

    `model` is the source, imported again as the reference, with the artefact's own input shapes
    unless `input_shapes` says otherwise; left out, the reference is the graph in the artefact.
    `against_source` is the file that was compiled, or its folder: the reference itself is checked
    against the file's own framework; "auto" does so where both are at hand, None leaves it out.
    Raises ArtifactError where `model` is another one than was compiled, InputError for unsuitable
    samples, RunnerError where the device or emulator fails.
    """
    subject = opened(artifact)
    reference = None
    if model is not None:
        reference = _source_of(subject, model, input_shapes)
    origin = None
    if against_source is not None:
        given = None if against_source == "auto" else Path(against_source)
        beside = model if given is None and isinstance(model, str | Path) else None
        found = Path(beside) if beside is not None and Path(beside).is_file() else None
        origin = find_origin(subject.artifact, given, found)
    return verify_artifact(
        subject.artifact,
        subject.runner(place),
        samples or SampleChoice(),
        reference,
        progress,
        threads=threads,
        origin=origin,
    )


def _source_of(
    subject: OpenArtifact, model: Network | str | Path, input_shapes: InputShapes | None
) -> Graph:
    """The graph of `model`, which must be what the artefact was compiled from."""
    if isinstance(model, Network):
        graph = model.graph
    else:
        try:
            graph = lower_source(model, input_shapes)
        except DynamicShape:
            if input_shapes is not None:
                raise
            graph = lower_source(model, {x.name: x.shape for x in subject.inputs})
    wanted = subject.manifest.model
    if graph.sha256 != wanted.sha256:
        named = graph.source if isinstance(model, Network) else model
        raise ArtifactError(
            f"{subject.path}: was compiled from {wanted.source} (sha256 {wanted.sha256[:12]}…), "
            f"not from {named} (give that file, or none)"
        )
    return graph


def bench(
    artifact: OpenArtifact | str | Path,
    *,
    repeat: int | None = None,
    threads: int = 1,
    per_layer: bool = False,
    record: bool = False,
    seed: int = 0,
    place: Place | None = None,
) -> BenchResult:
    """Measure an artefact with one random input.

    `repeat` inferences (50 where time is measured, 1 where instructions are counted); its metric is
    "seconds", "instructions" or "cycles". `record` writes the longest step of the row program,
    where it was counted, into the artefact's manifest. Raises UsageError, RunnerError,
    ArtifactError.
    """
    from edgemnv2.artifact import record_longest_step
    from edgemnv2.benchmark import latency

    subject = opened(artifact)
    runner = subject.runner(place)
    if record and not latency.counts_steps(runner):
        raise UsageError(f"record=True: {runner.name} counts no steps (use an emulator)")
    result = latency.bench(
        subject.artifact,
        runner,
        repeat=repeat,
        threads=threads,
        per_layer=per_layer or record,
        seed=seed,
    )
    if record:
        if result.longest_step is None:
            raise UsageError("record=True: no steps were counted (leave threads= out)")
        record_longest_step(subject.artifact, result.longest_step)
    return result


def against(
    artifact: OpenArtifact | str | Path,
    peers: Sequence[str],
    models: Sequence[Path] = (),
    *,
    rounds: int | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: Count = no_count,
) -> AgainstResult:
    """Time an artefact and other engines in turn, in this process.

    `peers` are some of "litert", "onnxruntime", "ncnn"; `models` files in their formats, else they
    take the artefact's own network. Raises UsageError, RunnerError.
    """
    from edgemnv2.benchmark import against as side_by_side

    return side_by_side.against(
        opened(artifact).artifact,
        peers,
        models,
        rounds=side_by_side.DEFAULT_ROUNDS if rounds is None else rounds,
        threads=threads,
        seed=seed,
        progress=progress,
    )


def check_peers(peers: Sequence[str], models: Sequence[Path]) -> None:
    """UsageError for what `against` and `cycles` refuse before they have looked at an artefact."""
    from edgemnv2.benchmark.engines.table import choose_models

    choose_models(peers, models)


def caches(artifact: OpenArtifact | str | Path, *, threads: int = 1, seed: int = 0) -> Locality:
    """Bytes that one inference misses in a model of the target's caches, under the emulator.

    Raises UsageError for a target without L1 and L2, RunnerError without the emulator.
    """
    from edgemnv2.benchmark.locality import locality

    return locality(opened(artifact).artifact, threads, seed)


def cycles(
    artifact: OpenArtifact | str | Path,
    peers: Sequence[str] = (),
    models: Sequence[Path] = (),
    *,
    seed: int = 0,
) -> CycleEstimate:
    """Cycles of one inference on the target's core, estimated under the emulator, and of `peers`.

    Raises UsageError for a core without a model, RunnerError without the emulator or llvm-mca.
    """
    from edgemnv2.benchmark.cycles import estimate_cycles

    return estimate_cycles(opened(artifact).artifact, peers, models, seed=seed)


def analyze(
    source: Network | str | Path,
    target: str | Path | None = None,
    *,
    input_shapes: InputShapes | None = None,
    io: str | None = None,
    progress: Stage = no_stage,
) -> Analysis:
    """What `source` needs, layer by layer, and which boards it fits; nothing is compiled.

    The plan shown is that of `target`, by default a typical one; `io` is what lies in the arena, as
    for `compile`. Raises ModelError, TargetError.
    """
    from edgemnv2.check import analyze as needs

    if target is not None:
        load_target(target)  # fails before the work, not after it
    network = as_network(source, input_shapes, progress)
    return needs.analyze(network.graph, None if target is None else str(target), progress, io)
