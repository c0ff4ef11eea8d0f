"""What the package offers to programs; `import edgemnv2` gives all of it. The command line is made
of nothing else.

Arrays are by the source's names, in its types and layouts, whatever the artefact's own are. All
sizes are bytes, all times seconds. What the user can put right is raised as a subclass of
`errors.EdgeError`; nothing is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgemnv2.artifact import load_artifact
from edgemnv2.cache import cache_folder
from edgemnv2.check.origin import find_origin
from edgemnv2.check.run import RunOutputs, run_set
from edgemnv2.check.run import run as run_samples
from edgemnv2.check.verify import VerifyResult
from edgemnv2.check.verify import verify as verify_artifact
from edgemnv2.errors import ArtifactError, DynamicShape, UsageError
from edgemnv2.export.whole_file import write_whole
from edgemnv2.frontend import integer_twin
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.manifest import ArtifactTensor, Manifest
from edgemnv2.model import TensorSpec
from edgemnv2.ops.execute import by_source
from edgemnv2.ops.execute import run as run_reference
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.pipeline import CompileOptions, compile_graph, compile_model, lower_source
from edgemnv2.runners import Runner, runner_for
from edgemnv2.runners.place import Place
from edgemnv2.samples.images import default_preset, to_source_arrays
from edgemnv2.samples.inputs import SampleChoice, as_samples, choose_inputs, source_arrays
from edgemnv2.target import (
    Target,
    load_target,
    more_capable_local_target,
)

if TYPE_CHECKING:
    from edgemnv2.benchmark.against import AgainstResult
    from edgemnv2.benchmark.cycles import CycleEstimate
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
    "SampleChoice",
    "against",
    "analyze",
    "bench",
    "bundle",
    "cache_folder",
    "caches",
    "check_archive",
    "check_tuning",
    "compile",
    "cycles",
    "ends_for",
    "integer_twin",
    "load",
    "load_target",
    "more_capable_local_target",
    "open_artifact",
    "quantize",
    "tune",
    "verify",
    "write_whole",
]

Array = NDArray[Any]
Stage = Callable[[str], None]
Count = Callable[[int, int], None]
BATCH = 8
"""Samples at a time in the reference: what keeps memory small."""


def _no_stage(stage: str) -> None:
    """No progress is told."""


def _no_count(done: int, total: int) -> None:
    """No progress is told."""


class Network:
    """A model as layers of ours: what is compiled, and the reference of everything.

    `graph` is the form that the compiler's own modules work with; it may change.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @property
    def name(self) -> str:
        """The file's name without its ending, or the built-in name."""
        return self.graph.name

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Name, shape (batch 1), type and layout of each input, as the source has them."""
        return self.graph.input_specs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The same of each output."""
        return self.graph.output_specs

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(self.graph.macs(layer) for layer in self.graph.layers)

    def reference(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs for `inputs`, computed in NumPy: integers exactly, floats in float32.

        Both are in the source's names, types and layouts, one sample or several along the batch
        axis. Raises InputError where an input is missing, or has another type or shape.
        """
        samples = source_arrays(inputs, self.graph)
        parts = [
            by_source(self.graph, run_reference(self.graph, samples.batch(i, i + BATCH), False))
            for i in range(0, len(samples), BATCH)
        ]
        return to_source_arrays(self.outputs, parts)

    def compile(self, target: str | Path, output: str | Path, **choices: Any) -> OpenArtifact:
        """As `edgemnv2.compile` of this network."""
        return compile(self, target, output, **choices)


class OpenArtifact:
    """A compiled network: a folder whose every file has been checked against its manifest."""

    def __init__(self, path: str | Path) -> None:
        self.artifact = load_artifact(Path(path))
        self._graph: Graph | None = None

    @property
    def path(self) -> Path:
        """The folder."""
        return self.artifact.path

    @property
    def name(self) -> str:
        """The C identifier that prefixes everything."""
        return self.artifact.name

    @property
    def target(self) -> Target:
        """What it was compiled for."""
        return self.artifact.target

    @property
    def manifest(self) -> Manifest:
        """All that it says of itself."""
        return self.artifact.manifest

    @property
    def inputs(self) -> tuple[ArtifactTensor, ...]:
        """Input tensors, in the order of the C structure."""
        return self.artifact.inputs

    @property
    def outputs(self) -> tuple[ArtifactTensor, ...]:
        """Output tensors, in the order of the C structure."""
        return self.artifact.outputs

    @property
    def network(self) -> Network:
        """The network that it was compiled from, as its reference."""
        if self._graph is None:
            self._graph = load_graph(self.path / REFERENCE_FOLDER)
        return Network(self._graph)

    def run(
        self, inputs: Mapping[str, Array], *, place: Place | None = None, threads: int = 1
    ) -> dict[str, Array]:
        """The outputs for `inputs`, both as `Network.reference` has them.

        Raises InputError for unsuitable inputs, UsageError for a number of threads without a plan,
        RunnerError where the device or emulator is missing or fails.
        """
        samples = source_arrays(inputs, self.network.graph)
        stored = run_set(self.artifact, self._runner(place), samples, threads)
        return to_source_arrays(self.network.outputs, [stored])

    def predict(
        self,
        samples: SampleChoice | None = None,
        *,
        outputs: str | Path | None = None,
        top: int = 5,
        place: Place | None = None,
        threads: int = 1,
    ) -> RunOutputs:
        """The outputs for images, files or random inputs, and the `top` best classes of each.

        `outputs` is an `.npz` to write. Raises as `run`.
        """
        return run_samples(
            self.artifact,
            self._runner(place),
            samples or SampleChoice(),
            outputs=None if outputs is None else Path(outputs),
            top=top,
            threads=threads,
        )

    def archive(self, output: str | Path, *, force: bool = False) -> None:
        """Write one tar in the layout of TVM's Model Library Format.

        Raises ArtifactError when `output` is there already (without `force`) or cannot be written.
        """
        from edgemnv2.firmware.model_library_format import write_model_library

        write_model_library(self.artifact, Path(output), force)

    def _runner(self, place: Place | None) -> Runner:
        place = place or Place()
        return runner_for(self.artifact, place.implied, place.options)


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


def compile(
    source: Network | str | Path,
    target: str | Path,
    output: str | Path,
    *,
    name: str | None = None,
    io: str | None = None,
    chains: str | None = None,
    threads: int | None = None,
    dtype: str | None = None,
    code_size_budget: int | None = None,
    preprocess: str | None = None,
    input_shapes: InputShapes | None = None,
    tune_logs: str | Path | None = None,
    use_tune_logs: bool = True,
    keep_source: bool = False,
    force: bool = False,
    progress: Stage = _no_stage,
) -> OpenArtifact:
    """Compile `source` for `target` (a name, or a .toml file) into the folder `output`.

    None stands for what suits the target; `CompileOptions` says what each choice is. `tune_logs` is
    the log to use, else the target's own that ships with the package; `use_tune_logs` False uses
    none. A built-in name without an int8 network of its own gets one on a microcontroller.

    Raises ModelError, TargetError, DoesNotFit (the target's memory), ToolchainError (a compiler is
    missing), ArtifactError (`output` cannot be used), UsageError. Nothing is written then.
    """
    options = CompileOptions(
        name=name,
        io=io,
        chains=chains,
        threads=threads,
        dtype=dtype,
        code_size_budget=code_size_budget,
        preprocess=preprocess,
        input_shapes=input_shapes,
        tune_logs=None if tune_logs is None else Path(tune_logs),
        use_tune_logs=use_tune_logs,
        keep_source=keep_source,
        force=force,
    )
    if isinstance(source, Network):
        made = compile_graph(source.graph, load_target(target), Path(output), options, progress)
    else:
        made = compile_model(source, target, Path(output), options, progress)
    return OpenArtifact(made.path)


def check_archive(output: str | Path, *, force: bool = False) -> None:
    """ArtifactError where `OpenArtifact.archive` could not write to `output`."""
    from edgemnv2.firmware.model_library_format import check_output

    check_output(Path(output), force)


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

    return estimate_cycles(_opened(artifact).artifact, peers, models, seed=seed)


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
    inputs = as_samples(choose_inputs(graph, samples, default_preset(graph), classes))
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
    from edgemnv2.tuner.boards import runners_for

    options = tuner.TuneOptions(trials, seed, strategy)
    options.check()
    hardware = load_target(target)
    graph = _network(source, input_shapes).graph
    runners = runners_for(place or Place(), hardware)
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
