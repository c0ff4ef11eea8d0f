"""Networks and artefacts as a program holds them: loaded, compiled, opened, run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import load_artifact
from edgemnv2.check.pictures import PictureAnswer, answer_pictures
from edgemnv2.check.run import RunOutputs, run_set
from edgemnv2.check.run import run as run_samples
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.manifest import ArtifactTensor, Manifest
from edgemnv2.meaning.infer import relabelled
from edgemnv2.meaning.told import said
from edgemnv2.model import TensorSpec
from edgemnv2.ops.execute import by_source
from edgemnv2.ops.execute import run as run_reference
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.pipeline import CompileOptions, compile_graph, compile_model, lower_source
from edgemnv2.runners import Runner, runner_for
from edgemnv2.runners.place import Place
from edgemnv2.samples.images import to_source
from edgemnv2.samples.inputs import SampleChoice, source_arrays
from edgemnv2.target import Target, load_target
from edgemnv2.task import NOTHING_SAID, Said, Task

__all__ = [
    "Network",
    "OpenArtifact",
    "as_network",
    "compile",
    "load",
    "no_count",
    "no_stage",
    "open_artifact",
    "opened",
]

Array = NDArray[Any]
Stage = Callable[[str], None]
Count = Callable[[int, int], None]
BATCH = 8
"""Samples at a time in the reference: what keeps memory small."""


def no_stage(stage: str) -> None:
    """No progress is told."""


def no_count(done: int, total: int) -> None:
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
        return _to_source(self.outputs, parts)

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
        stored = run_set(self.artifact, self.runner(place), samples, threads)
        return _to_source(self.network.outputs, [stored])

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
            self.runner(place),
            samples or SampleChoice(),
            outputs=None if outputs is None else Path(outputs),
            top=top,
            threads=threads,
        )

    @property
    def task(self) -> Task:
        """What its outputs mean, and which pixels it wants."""
        return self.artifact.manifest.task

    def task_with(self, labels: str | Path | None) -> Task:
        """`task`, its classes named by the file `labels`.

        Raises InputError (no text), UsageError (labels of another number than there are classes).
        """
        return self.task if labels is None else relabelled(self.task, said(labels=labels))

    def answer(
        self,
        pictures: str | Path,
        *,
        draw: str | Path | None = None,
        threshold: float | None = None,
        neighbours: str | Path | None = None,
        labels: str | Path | None = None,
        preprocess: str | None = None,
        place: Place | None = None,
        threads: int = 1,
        progress: Count = no_count,
    ) -> tuple[PictureAnswer, ...]:
        """What the network says of a picture, or of each picture in a folder.

        `draw` is the picture to write, or the folder for them all. Scores below `threshold` are
        left out (None: the task's own). `neighbours` is a folder of pictures, of which
        an embedding's nearest ones are told. `labels` names the classes otherwise.
        Raises InputError, UsageError, RunnerError.
        """
        return answer_pictures(
            self.artifact,
            self.runner(place),
            Path(pictures),
            draw=None if draw is None else Path(draw),
            threshold=threshold,
            neighbours=None if neighbours is None else Path(neighbours),
            labels=None if labels is None else Path(labels),
            preprocess=preprocess,
            threads=threads,
            progress=progress,
        )

    def archive(self, output: str | Path, *, force: bool = False) -> None:
        """Write one tar in the layout of TVM's Model Library Format.

        Raises ArtifactError when `output` is there already (without `force`) or cannot be written.
        """
        from edgemnv2.firmware.model_library_format import write_model_library

        write_model_library(self.artifact, Path(output), force)

    def runner(self, place: Place | None) -> Runner:
        """What runs it at `place`, by default on this machine or under the target's emulator."""
        place = place or Place()
        return runner_for(self.artifact, place.implied, place.options)


def load(
    source: str | Path,
    *,
    input_shapes: InputShapes | None = None,
    progress: Stage = no_stage,
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
    flash_budget: int | None = None,
    preprocess: str | None = None,
    said: Said = NOTHING_SAID,
    input_shapes: InputShapes | None = None,
    tune_logs: str | Path | None = None,
    use_tune_logs: bool = True,
    keep_source: bool = False,
    force: bool = False,
    progress: Stage = no_stage,
) -> OpenArtifact:
    """Compile `source` for `target` (a name, or a .toml file) into the folder `output`.

    None stands for what suits the target; `CompileOptions` says what each choice is. `said` is
    what is known of the task (`edgemnv2.said` makes it). `tune_logs` is the log to use, else the
    target's own that ships with the package; `use_tune_logs` False uses none. A built-in name
    without an int8 network of its own gets one on a microcontroller.

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
        flash_budget=flash_budget,
        preprocess=preprocess,
        said=said,
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


def opened(artifact: OpenArtifact | str | Path) -> OpenArtifact:
    """An open artefact as it is; a folder opened."""
    return artifact if isinstance(artifact, OpenArtifact) else OpenArtifact(artifact)


def as_network(
    source: Network | str | Path,
    input_shapes: InputShapes | None = None,
    progress: Stage = no_stage,
) -> Network:
    """A network as it is; a file or name loaded."""
    if isinstance(source, Network):
        return source
    return load(source, input_shapes=input_shapes, progress=progress)


def _to_source(
    specs: tuple[TensorSpec, ...], parts: Sequence[Mapping[str, Array]]
) -> dict[str, Array]:
    """`[N, H, W, C]` by name, in portions, as the source has them."""
    return {
        spec.name: to_source(np.concatenate([part[spec.name] for part in parts]), spec)
        for spec in specs
    }
