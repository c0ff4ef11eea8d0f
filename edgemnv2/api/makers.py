"""What is made of a network or an artefact besides code: integers, tuning logs, bundles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.api.network import Network, OpenArtifact, as_network, opened
from edgemnv2.errors import UsageError
from edgemnv2.export.whole_file import check_writable, write_whole
from edgemnv2.frontend.ends import InputShapes
from edgemnv2.meaning.infer import task_of
from edgemnv2.runners import Runner, make_runner
from edgemnv2.runners.place import Place
from edgemnv2.samples.images import default_preset
from edgemnv2.samples.inputs import SampleChoice, choose_inputs
from edgemnv2.target import Target, load_target, missing_local_features

if TYPE_CHECKING:
    from edgemnv2.firmware.bundle import Bundle
    from edgemnv2.quantizer.quantize import Quantized
    from edgemnv2.tuner.tuner import Progress, TuneResult

__all__ = [
    "bundle",
    "check_archive",
    "check_tuning",
    "ends_for",
    "quantize",
    "tune",
]


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
    if output is not None:
        given = [] if isinstance(source, Network) else [Path(source)]
        check_writable(Path(output), "output", [*given, *samples.files()])
    graph = as_network(source, input_shapes).graph
    check_float_graph(graph)
    classes = graph.tensors[graph.outputs[0]].channels
    preset = graph.said.preprocess or default_preset(graph)
    inputs = choose_inputs(graph, samples, preset, classes, fit=task_of(graph).fit)
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
    metric: str | None = None,
    flash_budget: int | None = None,
    input_shapes: InputShapes | None = None,
    progress: Callable[[Progress], None] = lambda state: None,
) -> TuneResult:
    """Search for better schedules; what is measured is kept in the log `log_dir`.

    At most `trials` candidates for each task; what the log has is not measured again. `metric`
    "cycles" estimates them in the emulator; None measures what `place` does. `flash_budget` is what
    constants may take on a microcontroller, None: of each layer no more than by default. Raises
    UsageError, TuneLogError (the log is of another target or metric), RunnerError.
    """
    from edgemnv2.tuner import tuner

    options = tuner.TuneOptions(trials, seed, strategy, flash_budget)
    options.check()
    hardware = load_target(target)
    runners = _runners_for(place or Place(), hardware, metric)
    graph = as_network(source, input_shapes).graph
    return tuner.tune_graph(graph, hardware, runners, Path(log_dir), options, progress)


def check_tuning(trials: int, seed: int, strategy: str | None) -> None:
    """UsageError for what `tune` refuses before it has looked at anything."""
    from edgemnv2.tuner.tuner import TuneOptions

    TuneOptions(trials, seed, strategy).check()


def bundle(
    artifact: OpenArtifact | str | Path,
    format: str,
    output: str | Path,
    *,
    single_file: bool = False,
) -> Bundle:
    """Write the firmware bundle of an artefact, or its page, into the new folder `output`.

    `format` is "arduino", "cmake", "cmsis-pack", "esp-idf", "linux", "platformio", "web", "zephyr"
    or "all"; `single_file`: of "web" the page alone, which a double click opens. Raises
    UsageError for a format that does not suit the target, DoesNotFit, ArtifactError.
    """
    from edgemnv2.firmware import bundle as firmware

    return firmware.bundle(opened(artifact).artifact, format, Path(output), single_file=single_file)


def check_archive(output: str | Path, *, force: bool = False) -> None:
    """ArtifactError where `OpenArtifact.archive` could not write to `output`."""
    from edgemnv2.firmware.model_library_format import check_output

    check_output(Path(output), force)


def ends_for(target: str | Path | None) -> str:
    """The type of inputs and outputs that suits a target: "int8" on a microcontroller."""
    bare_metal = target is not None and load_target(target).is_bare_metal
    return "int8" if bare_metal else "float32"


def _runners_for(place: Place, target: Target, metric: str | None) -> list[Runner]:
    """Runners for code of `target`: as many as there are boards behind a tracker, else one."""
    if metric is not None:
        from edgemnv2.benchmark.cycle_runner import CycleRunner

        if metric != "cycles" or place.implied:
            raise UsageError(
                f"metric={metric}: only cycles are estimated, and in the emulator (leave metric= "
                "out to measure what the runner does)"
            )
        return [CycleRunner(target)]
    local = not target.is_bare_metal and not missing_local_features(target)
    name = place.implied or ("local" if local else target.runner)
    boards = 1
    if name == "rpc" and place.rpc_tracker and place.rpc_key:
        from edgemnv2.tuner.boards import board_count

        boards = board_count(place.rpc_tracker, place.rpc_key)
    return [make_runner(name, place.options) for _ in range(boards)]
