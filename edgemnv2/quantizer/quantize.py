"""Float network and sample inputs -> int8 network as ONNX QDQ, with what it cost in accuracy."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.accuracy import Accuracy, accuracy, agreement, of_two_classes
from edgemnv2.errors import InputError, UsageError
from edgemnv2.meaning.infer import task_of
from edgemnv2.model import TensorSpec
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.quantizer.cache import CalibrationCache, cache_key
from edgemnv2.quantizer.convert import convert
from edgemnv2.quantizer.equalize import equalize_activations, equalize_weights
from edgemnv2.quantizer.float_graph import (
    check_float_graph,
    class_scores_tensors,
    expected_peaks,
    image_peaks,
)
from edgemnv2.quantizer.float_run import Inputs, by_tensor
from edgemnv2.quantizer.quality import LayerQuality, signal_to_noise
from edgemnv2.quantizer.ranges import METHODS
from edgemnv2.quantizer.statistics import batches, count_of
from edgemnv2.samples.images import Samples, to_nhwc, to_source
from edgemnv2.samples.inputs import InputSet, of_one_input

__all__ = ["HEADS", "Calibrated", "OutputQuality", "Quantized", "calibrate", "quantize", "split"]

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

MOST_CALIBRATION_SAMPLES = 100
"""More do not improve MobileNetV2, and each costs about 3 MB at 224 x 224."""
FEWEST_TO_SPLIT = 10
LEAST_SIDE = 32
"""Of an input of three channels, to be taken for a picture."""
HEADS = ("auto", "scores", "values")
"""`scores`: of classes, of which the best must stay apart; `values`: numbers that all count alike;
`auto`: scores where the network ends in the form of a classifier."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """An int8 network as a file, and how well its layers follow the float ones."""

    onnx: bytes
    layers: tuple[LayerQuality, ...]
    """In the order of the network."""
    scheme: str
    from_cache: bool


@dataclass(frozen=True)
class OutputQuality:
    """How well one output of the int8 network follows the float one's on the evaluation samples."""

    name: str
    """As the source calls it."""
    agreement: float | None
    """Percent, as `accuracy.agreement` counts it."""
    output_snr_db: float | None
    """None of whole numbers."""
    agreement_of: str
    """What agrees: "the same number", "same class first", "same side of the threshold"."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """An int8 network and its accuracy beside the float one's, in percent."""

    model: str
    onnx: bytes
    graph: Graph
    """As our own front end reads `onnx`."""
    scheme: str
    calibration_samples: int
    evaluation_samples: int
    held_out: bool
    """Whether the accuracies are from samples that calibration did not see."""
    preprocess: str | None
    float_accuracy: Accuracy | None
    int8_accuracy: Accuracy | None
    ends: tuple[OutputQuality, ...]
    """A figure for each output."""
    outputs: Array
    """The first of the int8 network's on the evaluation samples, `[N, H, W, C]`."""
    from_cache: bool
    layers: tuple[LayerQuality, ...]
    """In the order of the network."""

    @property
    def agreement(self) -> float | None:
        """Of the first output."""
        return self.ends[0].agreement

    @property
    def output_snr_db(self) -> float | None:
        """Of the first output."""
        return self.ends[0].output_snr_db

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `edgemnv2 quantize`; layers worst first."""
        before, after = self.float_accuracy, self.int8_accuracy
        worst = sorted(self.layers, key=lambda layer: layer.snr_db)
        return {
            "model": self.model,
            "scheme": self.scheme,
            "calibration_samples": self.calibration_samples,
            "evaluation_samples": self.evaluation_samples,
            "held_out": self.held_out,
            "preprocess": self.preprocess,
            "top1_float": before.top1 if before else None,
            "top1_int8": after.top1 if after else None,
            "top5_float": before.top5 if before else None,
            "top5_int8": after.top5 if after else None,
            "agreement": self.agreement,
            "output_snr_db": self.output_snr_db,
            "outputs": [asdict(end) for end in self.ends],
            "stays_float": {x.name: x.stays_float for x in self.layers if x.stays_float},
            "from_cache": self.from_cache,
            "layers": [layer.to_dict() for layer in worst],
        }


def split(count: int, every: int | None = None) -> tuple[list[int], list[int]]:
    """Indices to calibrate on and to evaluate on, from `count` samples.

    Every `every`-th calibrates, the others evaluate; 1: all do both. None: so that at most
    `MOST_CALIBRATION_SAMPLES` and at most half calibrate, and fewer than `FEWEST_TO_SPLIT` do both.

    Raises UsageError where none would be left to evaluate on.
    """
    if every is not None:
        if every < 1 or (every > 1 and count < 2):
            raise UsageError(
                f"every={every}: expected at least 1, and with more than 1 two inputs "
                f"or more (here {count})"
            )
        chosen = list(range(0, count, every))
        return chosen, chosen if every == 1 else [i for i in range(count) if i % every]
    if count < FEWEST_TO_SPLIT:
        return list(range(count)), list(range(count))
    stride = max(2, math.ceil(count / MOST_CALIBRATION_SAMPLES))
    return list(range(0, count, stride)), [i for i in range(count) if i % stride]


def quantize(
    graph: Graph,
    samples: Samples | InputSet,
    *,
    per_channel: bool = True,
    method: str = "error",
    head: str = "auto",
    every: int | None = None,
    cache: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Quantized:
    """`graph` (float32) in int8, calibrated on some of `samples` and evaluated on the others.

    `head` is one of `HEADS`: what the output means, which decides its range.
    `per_channel`: one weight scale per output channel, else one per layer. `every`: which samples
    calibrate, see `split`. `cache` is a folder for
    calibrations; None keeps none.

    Raises ModelError: quantised already, NaN; InputError: NaN inputs; UsageError: unknown method
    or head, class scores asked of a network that has none.
    """
    check_float_graph(graph)
    inputs = of_one_input(graph, samples) if isinstance(samples, Samples) else samples
    _check_inputs(inputs)
    chosen, others = split(len(inputs), every)
    found = calibrate(
        graph,
        inputs.select(chosen).arrays,
        per_channel=per_channel,
        method=method,
        head=head,
        cache=cache,
        progress=progress,
    )
    integer = _read_back(found.onnx, graph.name)
    ends = graph.output_specs
    before = _outputs(graph, ends, inputs, others, "evaluate float", progress)
    after = _outputs(integer, ends, inputs, others, "evaluate int8", progress)
    first = graph.output_specs[0].name
    outputs = after[first]
    least = None
    if len(graph.outputs) == 1:
        task = task_of(graph)
        least = task.least
        if least is not None and task.kind == "classifier":
            before, after = ({first: of_two_classes(x[first], least)} for x in (before, after))
            least = None
    qualities = tuple(_compared(name, before[name], after[name], least) for name in before)
    labels = None if inputs.labels is None else inputs.labels[others]
    return Quantized(
        model=graph.source or graph.name,
        onnx=found.onnx,
        graph=integer,
        scheme=found.scheme,
        calibration_samples=len(chosen),
        evaluation_samples=len(others),
        held_out=chosen != others,
        preprocess=inputs.preset,
        float_accuracy=None if labels is None else accuracy(before[first], labels),
        int8_accuracy=None if labels is None else accuracy(after[first], labels),
        ends=qualities,
        outputs=outputs,
        from_cache=found.from_cache,
        layers=found.layers,
    )


def calibrate(
    graph: Graph,
    x: Inputs,
    *,
    per_channel: bool = True,
    method: str = "error",
    head: str = "auto",
    cache: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Calibrated:
    """`graph` (float32, checked) in int8, calibrated on all of `x` `[N, H, W, C]`, all finite.

    Labels have no part in it. Errors and options are those of `quantize`.
    """
    if method not in METHODS:
        raise UsageError(f"range method {method!r} is unknown; give one of {', '.join(METHODS)}")
    scores = _scores(graph, head)
    scheme = _scheme(per_channel, method, bool(scores))
    kept = CalibrationCache(cache)
    by_name = {k: np.ascontiguousarray(v) for k, v in by_tensor(graph, x).items()}
    key = cache_key(graph.sha256, by_name, scheme)
    found = kept.load(key)
    if found is not None:
        return Calibrated(*found, scheme, from_cache=True)
    x = _with_mirrored(graph, x)
    peaks = image_peaks(graph, _watched(x, "measure ranges", progress))
    if per_channel:
        equal = equalize_activations(graph, expected_peaks(graph, peaks))
    else:
        equal = equalize_weights(graph, {name: seen.max(axis=0) for name, seen in peaks.items()})
    converted = convert(
        equal, x, per_channel=per_channel, method=method, scores=scores, progress=progress
    )
    onnx = converted.file()
    kept.store(key, onnx, converted.quality)
    return Calibrated(onnx, converted.quality, scheme, from_cache=False)


def _with_mirrored(graph: Graph, x: Inputs) -> Inputs:
    """Pictures, and where they are few each of them from the other side, too.

    What a network computes of a mirrored picture is as likely as what it computes of the picture.
    """
    inputs = by_tensor(graph, x)
    few = 2 * count_of(x) <= MOST_CALIBRATION_SAMPLES
    if not few or len(inputs) != 1 or not all(_is_picture(graph, name) for name in inputs):
        return x
    (images,) = inputs.values()
    both = np.concatenate([images, images[:, :, ::-1]])
    return dict.fromkeys(x, both) if isinstance(x, Mapping) else both


def _is_picture(graph: Graph, name: str) -> bool:
    tensor = graph.tensors[name]
    sides = tensor.height, tensor.width
    return tensor.dtype == "float32" and tensor.channels == 3 and min(sides) >= LEAST_SIDE


def _scores(graph: Graph, head: str) -> tuple[str, ...]:
    """The tensors whose range suits class scores; labels, there or not, have no say."""
    if head not in HEADS:
        raise UsageError(f"head {head!r} is unknown; give one of {', '.join(HEADS)}")
    found = () if head == "values" else class_scores_tensors(graph)
    if head == "scores" and not found:
        raise UsageError(
            f"head=scores: {graph.source or graph.name} does not end in class scores (expected "
            "a vector from a dense layer without activation, with or without Softmax); give "
            "head=values"
        )
    return found


def _check_inputs(inputs: InputSet) -> None:
    arrays = [array for array in inputs.arrays.values() if array.dtype.kind == "f"]
    finite = np.array([all(np.isfinite(x[i]).all() for x in arrays) for i in range(len(inputs))])
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InputError(
            f"{len(bad)} of {len(inputs)} inputs hold NaN or infinite values (must be finite); "
            f"the first is {inputs.names[bad[0]]}"
        )


def _compared(name: str, before: Array, after: Array, least: float | None) -> OutputQuality:
    same = agreement(before, after, least)
    if before.dtype != np.float32:
        return OutputQuality(name, same, None, "the same number")
    what = "same class first" if least is None else "same side of the threshold"
    noise = float(((after - before).astype(np.float64) ** 2).sum())
    power = float((before.astype(np.float64) ** 2).sum())
    return OutputQuality(name, same, signal_to_noise(power, noise), what)


def _scheme(per_channel: bool, method: str, scores: bool) -> str:
    weights = "channel" if per_channel else "layer"
    output = ", output range for class scores" if scores else ""
    return f"int8, one weight scale per {weights}, ranges by {method}{output}"


def _watched(x: Inputs, stage: str, progress: Progress) -> Iterator[Any]:
    done, count = 0, count_of(x)
    for batch in batches(x):
        yield batch
        done += count_of(batch)
        progress(stage, done, count)


def _outputs(
    graph: Graph,
    ends: Sequence[TensorSpec],
    inputs: InputSet,
    chosen: Sequence[int],
    stage: str,
    progress: Progress,
) -> dict[str, Array]:
    """The network's outputs for some of the samples, by the source's names, `[N, H, W, C]`.

    As `ends` lay them out, whatever the network's own file does.
    """
    found: dict[str, list[Array]] = {}
    for indices in _watched(np.asarray(chosen), stage, progress):
        made = by_source(graph, run(graph, inputs.select(indices).arrays, keep=False))
        for spec, end in zip(graph.output_specs, ends, strict=True):
            # The same elements may lie as another map in the file that is read back.
            values = to_nhwc(to_source(made[spec.name], spec), end)
            found.setdefault(spec.name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _read_back(onnx: bytes, name: str) -> Graph:
    """The network as the compiler will see it: from the file, through the front end."""
    from edgemnv2.frontend import load_model
    from edgemnv2.passes import lower

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        path.write_bytes(onnx)
        return lower(load_model(path))
