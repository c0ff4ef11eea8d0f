"""Float network and sample inputs -> int8 network as ONNX QDQ, with what it cost in accuracy."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.accuracy import Accuracy, accuracy, agreement
from edgemnv2.errors import InputError, UsageError
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.quantizer.cache import CalibrationCache, cache_key
from edgemnv2.quantizer.convert import convert
from edgemnv2.quantizer.equalize import equalize_activations, equalize_weights
from edgemnv2.quantizer.export_onnx import export_onnx
from edgemnv2.quantizer.float_graph import (
    check_float_graph,
    class_scores_tensor,
    expected_peaks,
    image_peaks,
)
from edgemnv2.quantizer.quality import LayerQuality, signal_to_noise
from edgemnv2.quantizer.ranges import METHODS
from edgemnv2.quantizer.statistics import batches
from edgemnv2.samples.images import Samples

__all__ = ["HEADS", "Calibrated", "Quantized", "calibrate", "quantize", "split"]

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

MOST_CALIBRATION_SAMPLES = 100
"""More do not improve MobileNetV2, and each costs about 3 MB at 224 x 224."""
FEWEST_TO_SPLIT = 10
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
    agreement: float
    """Same class first."""
    output_snr_db: float
    """Of the outputs on the evaluation samples."""
    outputs: Array
    """Of the int8 network on the evaluation samples, `[N, H, W, C]`."""
    from_cache: bool
    layers: tuple[LayerQuality, ...]
    """In the order of the network."""

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
    samples: Samples,
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
    _check_inputs(samples)
    chosen, others = split(len(samples), every)
    x = np.ascontiguousarray(samples.x[chosen])
    found = calibrate(
        graph,
        x,
        per_channel=per_channel,
        method=method,
        head=head,
        cache=cache,
        progress=progress,
    )
    integer = _read_back(found.onnx, graph.name)
    before = _outputs(graph, samples, others, "evaluate float", progress)
    after = _outputs(integer, samples, others, "evaluate int8", progress)
    labels = None if samples.labels is None else samples.labels[others]
    noise = float(((after - before).astype(np.float64) ** 2).sum())
    power = float((before.astype(np.float64) ** 2).sum())
    return Quantized(
        model=graph.source or graph.name,
        onnx=found.onnx,
        graph=integer,
        scheme=found.scheme,
        calibration_samples=len(chosen),
        evaluation_samples=len(others),
        held_out=chosen != others,
        preprocess=samples.preset,
        float_accuracy=None if labels is None else accuracy(before, labels),
        int8_accuracy=None if labels is None else accuracy(after, labels),
        agreement=agreement(before, after),
        output_snr_db=signal_to_noise(power, noise),
        outputs=after,
        from_cache=found.from_cache,
        layers=found.layers,
    )


def calibrate(
    graph: Graph,
    x: Array,
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
    scheme = _scheme(per_channel, method, scores is not None)
    kept = CalibrationCache(cache)
    key = cache_key(graph.sha256, x, scheme)
    found = kept.load(key)
    if found is not None:
        return Calibrated(*found, scheme, from_cache=True)
    peaks = image_peaks(graph, _watched(x, "measure ranges", progress))
    if per_channel:
        equal = equalize_activations(graph, expected_peaks(graph, peaks))
    else:
        equal = equalize_weights(graph, {name: seen.max(axis=0) for name, seen in peaks.items()})
    converted = convert(
        equal, x, per_channel=per_channel, method=method, scores=scores, progress=progress
    )
    onnx = export_onnx(converted, equal)
    kept.store(key, onnx, converted.quality)
    return Calibrated(onnx, converted.quality, scheme, from_cache=False)


def _scores(graph: Graph, head: str) -> str | None:
    """The tensor whose range suits class scores; labels, which may be there or not, have no say."""
    if head not in HEADS:
        raise UsageError(f"head {head!r} is unknown; give one of {', '.join(HEADS)}")
    found = None if head == "values" else class_scores_tensor(graph)
    if head == "scores" and found is None:
        raise UsageError(
            f"head=scores: {graph.source or graph.name} does not end in class scores (expected "
            "a vector from a dense layer without activation, with or without Softmax); give "
            "head=values"
        )
    return found


def _check_inputs(samples: Samples) -> None:
    finite = np.array([np.isfinite(x).all() for x in samples.x])
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InputError(
            f"{len(bad)} of {len(samples)} inputs hold NaN or infinite values (must be finite); "
            f"the first is {samples.names[bad[0]]}"
        )


def _scheme(per_channel: bool, method: str, scores: bool) -> str:
    weights = "channel" if per_channel else "layer"
    output = ", output range for class scores" if scores else ""
    return f"int8, one weight scale per {weights}, ranges by {method}{output}"


def _watched(x: Array, stage: str, progress: Progress) -> Iterator[Array]:
    done = 0
    for batch in batches(x):
        yield batch
        done += len(batch)
        progress(stage, done, len(x))


def _outputs(
    graph: Graph, samples: Samples, chosen: Sequence[int], stage: str, progress: Progress
) -> Array:
    """The network's outputs for some of the samples, of which only a few are copied at a time."""
    (name,) = graph.outputs
    indices = _watched(np.asarray(chosen), stage, progress)
    return np.concatenate([run(graph, samples.x[i], keep=False)[name] for i in indices])


def _read_back(onnx: bytes, name: str) -> Graph:
    """The network as the compiler will see it: from the file, through the front end."""
    from edgemnv2.frontend import load_model
    from edgemnv2.passes import lower

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        path.write_bytes(onnx)
        return lower(load_model(path))
