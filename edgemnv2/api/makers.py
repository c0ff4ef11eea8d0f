"""What is made of a network or an artefact besides code: integers, tuning logs, bundles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.api.network import Network, OpenArtifact, as_network, opened
from edgemnv2.errors import UsageError
from edgemnv2.export.whole_file import write_whole
from edgemnv2.frontend.ends import InputShapes
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

if TYPE_CHECKING:
    from edgemnv2.firmware.bundle import Bundle
    from edgemnv2.quantizer.quantize import Quantized
    from edgemnv2.tuner.tuner import Progress, TuneResult

__all__ = [
    "bundle",
    "check_archive",
    "check_tuning",
    "ends_for",
    "faster_target_here",
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
    graph = as_network(source, input_shapes).graph
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

    options = tuner.TuneOptions(trials, seed, strategy)
    options.check()
    hardware = load_target(target)
    graph = as_network(source, input_shapes).graph
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

    return firmware.bundle(opened(artifact).artifact, format, Path(output))


def check_archive(output: str | Path, *, force: bool = False) -> None:
    """ArtifactError where `OpenArtifact.archive` could not write to `output`."""
    from edgemnv2.firmware.model_library_format import check_output

    check_output(Path(output), force)


def ends_for(target: str | Path | None) -> str:
    """The type of inputs and outputs that suits a target: "int8" on a microcontroller."""
    bare_metal = target is not None and load_target(target).is_bare_metal
    return "int8" if bare_metal else "float32"


def faster_target_here(target: Target) -> Target | None:
    """The target that this machine also runs, and faster, if there is one."""
    return more_capable_local_target(target)


def _runners_for(place: Place, target: Target) -> list[Runner]:
    """Runners for code of `target`: as many as there are boards behind a tracker, else one."""
    local = not target.is_bare_metal and not missing_local_features(target)
    name = place.implied or ("local" if local else target.runner)
    boards = 1
    if name == "rpc" and place.rpc_tracker and place.rpc_key:
        from edgemnv2.tuner.boards import board_count

        boards = board_count(place.rpc_tracker, place.rpc_key)
    return [make_runner(name, place.options) for _ in range(boards)]
