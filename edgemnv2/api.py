"""What the package offers to programs; `import edgemnv2` gives all of it. The command line is made
of nothing else.

Arrays are by the source's names, in its types and layouts, whatever the artefact's own are. All
sizes are bytes, all times seconds. What the user can put right is raised as a subclass of
`errors.EdgeError`; nothing is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.cache import cache_folder
from edgemnv2.check.origin import find_origin
from edgemnv2.check.verify import VerifyResult
from edgemnv2.check.verify import verify as verify_artifact
from edgemnv2.errors import ArtifactError, DynamicShape, UsageError
from edgemnv2.export.whole_file import write_whole
from edgemnv2.frontend import integer_twin
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.meaning.infer import task_of
from edgemnv2.meaning.told import said
from edgemnv2.network import Network, OpenArtifact, compile
from edgemnv2.ops.graph import Graph
from edgemnv2.pipeline import lower_source
from edgemnv2.runners import Runner, make_runner
from edgemnv2.runners.place import Place
from edgemnv2.samples.images import default_preset
from edgemnv2.samples.inputs import SampleChoice, as_samples, choose_inputs
from edgemnv2.target import (
    Target,
    load_target,
    missing_local_features,
    more_capable_local_target,
)
from edgemnv2.task import Said, Task

if TYPE_CHECKING:
    from edgemnv2.benchmark.against import AgainstResult
    from edgemnv2.benchmark.latency import BenchResult
    from edgemnv2.benchmark.locality import Locality
    from edgemnv2.check.analyze import Analysis
    from edgemnv2.firmware.bundle import Bundle
    from edgemnv2.quantizer.quantize import Quantized
    from edgemnv2.tuner.tuner import Progress, TuneResult

__all__ = [
    "Network",
    "OpenArtifact",
    "Place",
    "Said",
    "SampleChoice",
    "Task",
    "against",
    "analyze",
    "bench",
    "bundle",
    "cache_folder",
    "caches",
    "check_archive",
    "check_tuning",
    "compile",
    "ends_for",
    "faster_target_here",
    "integer_twin",
    "load",
    "load_target",
    "open_artifact",
    "quantize",
    "said",
    "tune",
    "verify",
    "write_whole",
]

Stage = Callable[[str], None]
Count = Callable[[int, int], None]


def _no_stage(stage: str) -> None:
    """No progress is told."""


def _no_count(done: int, total: int) -> None:
    """No progress is told."""


def load(
    source: str | Path,
    *,
    input_shapes: InputShapes | None = None,
    progress: Stage = _no_stage,
) -> Network:
    """The network in an .onnx, .tflite, .keras or .h5 file, or under a built-in name.

    `input_shapes` fix what is symbolic in the shapes of inputs: name -> shape, batch 1 included.
    Raises ModelError: damaged, not a network that we compile; its subclasses UnsupportedOperator
    and DynamicShape say which.
    """
    return Network(lower_source(source, input_shapes, progress))


def open_artifact(path: str | Path) -> OpenArtifact:
    """The artefact in a folder; ArtifactError when there is none, or a file was changed."""
    return OpenArtifact(path)


def check_archive(output: str | Path, *, force: bool = False) -> None:
    """ArtifactError where `OpenArtifact.archive` could not write to `output`."""
    from edgemnv2.firmware.model_library_format import check_output

    check_output(Path(output), force)


def faster_target_here(target: Target) -> Target | None:
    """The target that this machine also runs, and faster, if there is one."""
    return more_capable_local_target(target)


def verify(
    artifact: OpenArtifact | str | Path,
    samples: SampleChoice | None = None,
    *,
    model: Network | str | Path | None = None,
    input_shapes: InputShapes | None = None,
    against_source: str | Path | None = "auto",
    place: Place | None = None,
    threads: int = 1,
    progress: Count = _no_count,
) -> VerifyResult:
    """Run an artefact and compare every output with the reference; the result says `passed`.

    `model` is the source, imported again as the reference, with the artefact's own input shapes
    unless `input_shapes` says otherwise; left out, the reference is the graph in the artefact.
    `against_source` is the file that was compiled, or its folder: the reference itself is checked
    against the file's own framework; "auto" does so where both are at hand, None leaves it out.
    Raises ArtifactError where `model` is another one than was compiled, InputError for unsuitable
    samples, RunnerError where the device or emulator fails.
    """
    opened = _opened(artifact)
    reference = None
    if model is not None:
        reference = _source_of(opened, model, input_shapes)
    origin = None
    if against_source is not None:
        given = None if against_source == "auto" else Path(against_source)
        beside = model if given is None and isinstance(model, str | Path) else None
        found = Path(beside) if beside is not None and Path(beside).is_file() else None
        origin = find_origin(opened.artifact, given, found)
    return verify_artifact(
        opened.artifact,
        opened._runner(place),
        samples or SampleChoice(),
        reference,
        progress,
        threads=threads,
        origin=origin,
    )


def _source_of(
    opened: OpenArtifact, model: Network | str | Path, input_shapes: InputShapes | None
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
            graph = lower_source(model, {x.name: x.shape for x in opened.inputs})
    wanted = opened.manifest.model
    if graph.sha256 != wanted.sha256:
        named = graph.source if isinstance(model, Network) else model
        raise ArtifactError(
            f"{opened.path}: was compiled from {wanted.source} (sha256 {wanted.sha256[:12]}…), "
            f"not from {named} (give that file, or none)"
        )
    return graph


def bench(
    artifact: OpenArtifact | str | Path,
    *,
    repeat: int | None = None,
    threads: int = 1,
    per_layer: bool = False,
    seed: int = 0,
    place: Place | None = None,
) -> BenchResult:
    """Measure an artefact with one random input.

    `repeat` inferences (50 where time is measured, 1 where instructions are counted); its metric is
    "seconds", "instructions" or "cycles". Raises UsageError, RunnerError.
    """
    from edgemnv2.benchmark import latency

    opened = _opened(artifact)
    return latency.bench(
        opened.artifact,
        opened._runner(place),
        repeat=repeat,
        threads=threads,
        per_layer=per_layer,
        seed=seed,
    )


def against(
    artifact: OpenArtifact | str | Path,
    peers: Sequence[str],
    models: Sequence[Path] = (),
    *,
    rounds: int | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: Count = _no_count,
) -> AgainstResult:
    """Time an artefact and other engines in turn, in this process.

    `peers` are some of "litert", "onnxruntime", "ncnn"; `models` files in their formats, else they
    take the artefact's own network. Raises UsageError, RunnerError.
    """
    from edgemnv2.benchmark import against as side_by_side

    return side_by_side.against(
        _opened(artifact).artifact,
        peers,
        models,
        rounds=side_by_side.DEFAULT_ROUNDS if rounds is None else rounds,
        threads=threads,
        seed=seed,
        progress=progress,
    )


def caches(artifact: OpenArtifact | str | Path, *, threads: int = 1, seed: int = 0) -> Locality:
    """Bytes that one inference misses in a model of the target's caches, under the emulator.

    Raises UsageError for a target without L1 and L2, RunnerError without the emulator.
    """
    from edgemnv2.benchmark.locality import locality

    return locality(_opened(artifact).artifact, threads, seed)


def analyze(
    source: Network | str | Path,
    target: str | Path | None = None,
    *,
    input_shapes: InputShapes | None = None,
    progress: Stage = _no_stage,
) -> Analysis:
    """What `source` needs, layer by layer, and which boards it fits; nothing is compiled.

    The plan shown is that of `target`, by default a typical one. Raises ModelError, TargetError.
    """
    from edgemnv2.check import analyze as needs

    network = _network(source, input_shapes, progress)
    return needs.analyze(network.graph, None if target is None else str(target), progress)


def quantize(
    source: Network | str | Path,
    samples: SampleChoice,
    output: str | Path | None = None,
    *,
    io: str = "float32",
    per_channel: bool = True,
    method: str = "error",
    head: str = "auto",
    every: int | None = None,
    cache: str | Path | None = None,
    input_shapes: InputShapes | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Quantized:
    """A float network in int8, as ONNX with QuantizeLinear and DequantizeLinear nodes.

    `samples` calibrate and evaluate it; `output` is the file to write, its inputs and outputs of
    type `io` ("float32", "int8"). `method` chooses ranges of activations ("error", "min-max",
    "percentile"), `head` says what the output means, `every` which samples calibrate; `cache` is a
    folder for calibrations. The result has the file's bytes and what it costs in accuracy.

    Raises ModelError: quantised already; InputError; UsageError.
    """
    from edgemnv2.export.qdq_file import with_int8_ends
    from edgemnv2.quantizer import quantize as quantizer
    from edgemnv2.quantizer.float_graph import check_float_graph

    if io not in ("float32", "int8"):
        raise UsageError(f"io={io}: expected float32 or int8")
    graph = _network(source, input_shapes).graph
    check_float_graph(graph)
    classes = graph.tensors[graph.outputs[0]].channels
    preset = graph.said.preprocess or default_preset(graph)
    chosen = choose_inputs(graph, samples, preset, classes, fit=task_of(graph).fit)
    inputs = as_samples(chosen)
    result = quantizer.quantize(
        graph,
        inputs,
        per_channel=per_channel,
        method=method,
        head=head,
        every=every,
        cache=None if cache is None else Path(cache),
        progress=progress,
    )
    if io == "int8":
        result = replace(result, onnx=with_int8_ends(result.onnx))
    if output is not None:
        write_whole(Path(output), result.onnx, "output")
    return result


def tune(
    source: Network | str | Path,
    target: str | Path,
    log_dir: str | Path,
    *,
    trials: int = 64,
    seed: int = 0,
    strategy: str | None = None,
    place: Place | None = None,
    input_shapes: InputShapes | None = None,
    progress: Callable[[Progress], None] = lambda state: None,
) -> TuneResult:
    """Search for better schedules; what is measured is kept in the log `log_dir`.

    At most `trials` candidates for each task; what the log has is not measured again. Raises
    UsageError, TuneLogError (the log is of another target or metric), RunnerError.
    """
    from edgemnv2.tuner import tuner

    options = tuner.TuneOptions(trials, seed, strategy)
    options.check()
    hardware = load_target(target)
    graph = _network(source, input_shapes).graph
    runners = _runners_for(place or Place(), hardware)
    return tuner.tune_graph(graph, hardware, runners, Path(log_dir), options, progress)


def check_tuning(trials: int, strategy: str | None) -> None:
    """UsageError for what `tune` refuses before it has looked at anything."""
    from edgemnv2.tuner.tuner import TuneOptions

    TuneOptions(trials, 0, strategy).check()


def bundle(artifact: OpenArtifact | str | Path, format: str, output: str | Path) -> Bundle:
    """Write the firmware bundle of an artefact into the new folder `output`.

    `format` is "arduino", "cmake", "cmsis-pack", "linux", "platformio", "zephyr" or "all". Raises
    UsageError for a format that does not suit the target, DoesNotFit, ArtifactError.
    """
    from edgemnv2.firmware import bundle as firmware

    return firmware.bundle(_opened(artifact).artifact, format, Path(output))


def ends_for(target: str | Path | None) -> str:
    """The type of inputs and outputs that suits a target: "int8" on a microcontroller."""
    bare_metal = target is not None and load_target(target).is_bare_metal
    return "int8" if bare_metal else "float32"


def _opened(artifact: OpenArtifact | str | Path) -> OpenArtifact:
    return artifact if isinstance(artifact, OpenArtifact) else OpenArtifact(artifact)


def _network(
    source: Network | str | Path,
    input_shapes: InputShapes | None = None,
    progress: Stage = _no_stage,
) -> Network:
    if isinstance(source, Network):
        return source
    return load(source, input_shapes=input_shapes, progress=progress)


def _runners_for(place: Place, target: Target) -> list[Runner]:
    """Runners for code of `target`: as many as there are boards behind a tracker, else one."""
    local = not target.is_bare_metal and not missing_local_features(target)
    name = place.implied or ("local" if local else target.runner)
    boards = 1
    if name == "rpc" and place.rpc_tracker and place.rpc_key:
        from edgemnv2.tuner.boards import board_count

        boards = board_count(place.rpc_tracker, place.rpc_key)
    return [make_runner(name, place.options) for _ in range(boards)]
