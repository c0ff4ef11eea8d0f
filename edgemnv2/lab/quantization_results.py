"""Accuracy of the quantiser's torchvision network beside onnxruntime's: the README's table.

Every row calibrates both quantisers on the same inputs made from every 5th photograph of
`imagenet224` (all 100 of them, every 5th of these, or one random crop of each), and evaluates both
files on the other 400 photographs, in onnxruntime without graph optimisation: what a file says, not
what a kernel makes of it. Every 10th of them also runs through our own reference, whose bytes must
be the same. The folder is calibrated on twice, with its `labels.csv` and without.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgemnv2.check.accuracy import accuracy, agreement
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import outputs
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.quantizer.quantize import calibrate, split
from edgemnv2.samples.images import Samples, load_images, preprocess, to_nhwc, to_source

__all__ = [
    "measure_quantization",
    "onnxruntime_outputs",
    "peer_file",
    "quantization_table",
    "random_crops",
]

Array = NDArray[Any]
DATA = Path("../shared/data")
MODEL, IMAGES = "models/mobilenet_v2_torchvision.onnx", "imagenet224"
PRESET = "torchvision"
EVERY = 5
COMPARED_EVERY = 10
"""Of the evaluated photographs, those that our own reference computes too."""
SEED = 0
LEAST_AREA, WIDEST_ASPECT = 0.25, 4 / 3
"""Of a random crop: its share of the picture, and width over height or height over width."""


def measure_quantization(
    say: Callable[[str], None], data: Path | None = None
) -> list[dict[str, Any]]:
    """A row for each choice of calibration inputs and weight scales; `data` has model and images.

    Raises AssertionError where `labels.csv` changes the file or our reference disagrees with it.
    """
    data = data or DATA
    graph = lower(load_model(data / MODEL))
    samples = load_images(data / IMAGES, graph.tensors[graph.inputs[0]], PRESET)
    chosen, evaluated = split(len(samples), EVERY)
    held_out = samples.select(evaluated)
    assert held_out.labels is not None
    say("float network")
    real = onnxruntime_outputs((data / MODEL).read_bytes(), graph, held_out)
    rows = []
    for name, x, unlabelled in _calibrations(graph, data / IMAGES, samples, chosen):
        for weights in ("channel", "layer"):
            per_channel = weights == "channel"
            say(f"{name}, one weight scale per {weights}")
            ours = calibrate(graph, x, per_channel=per_channel).onnx
            # The inputs decide the file; where they are the same it needs no second calibration.
            same = np.array_equal(x, unlabelled) or (
                calibrate(graph, unlabelled, per_channel=per_channel).onnx == ours
            )
            if not same:
                raise AssertionError(f"{name}: labels.csv changes the file")
            found = onnxruntime_outputs(ours, graph, held_out)
            _compare(ours, graph, held_out, found)
            theirs = onnxruntime_outputs(
                peer_file(data / MODEL, graph, x, per_channel), graph, held_out
            )
            rows.append(
                {
                    "calibration": name,
                    "calibration_samples": len(x),
                    "evaluation_samples": len(held_out),
                    "weights": weights,
                    "top1_float": accuracy(real, held_out.labels).top1,
                    "ours": _figures(real, found, held_out.labels),
                    "onnxruntime": _figures(real, theirs, held_out.labels),
                    "same_without_labels": same,
                }
            )
            say(quantization_table(rows)[-1])
    return rows


def _figures(real: Array, found: Array, labels: Array) -> dict[str, float]:
    reached = accuracy(found, labels)
    agreed = agreement(real, found)
    assert agreed is not None, "scores of one class"
    return {"top1": reached.top1, "top5": reached.top5, "agreement": agreed}


def _calibrations(
    graph: Graph, folder: Path, samples: Samples, chosen: Sequence[int]
) -> Iterator[tuple[str, Array, Array]]:
    """Names of the choices, the inputs, and the same from a folder without `labels.csv`."""
    tensor = graph.tensors[graph.inputs[0]]
    with tempfile.TemporaryDirectory() as bare:
        for name in samples.names:
            (Path(bare) / name).symlink_to((folder / name).resolve())
        unlabelled = load_images(bare, tensor, PRESET)
    assert unlabelled.labels is None
    few = list(chosen)[::EVERY]
    for indices in (list(chosen), few):
        yield f"{len(indices)} photographs", samples.x[indices], unlabelled.x[indices]
    crops = random_crops(folder, [samples.names[i] for i in chosen], graph, PRESET, SEED)
    bare_names = [unlabelled.names[i] for i in chosen]
    yield f"{len(crops)} crops", crops, random_crops(folder, bare_names, graph, PRESET, SEED)


def random_crops(folder: Path, names: Sequence[str], graph: Graph, preset: str, seed: int) -> Array:
    """One crop of each picture, somewhere, of any size from `LEAST_AREA` up, as an input."""
    tensor = graph.tensors[graph.inputs[0]]
    generator = np.random.default_rng(seed)
    found = []
    for name in names:
        with Image.open(folder / name) as image:
            area = float(generator.uniform(LEAST_AREA, 1.0)) * image.width * image.height
            aspect = float(generator.uniform(1 / WIDEST_ASPECT, WIDEST_ASPECT))
            width = min(image.width, max(1, round((area * aspect) ** 0.5)))
            height = min(image.height, max(1, round((area / aspect) ** 0.5)))
            left = int(generator.integers(image.width - width + 1))
            top = int(generator.integers(image.height - height + 1))
            part = image.convert("RGB").crop((left, top, left + width, top + height))
            part = part.resize((tensor.width, tensor.height), Image.Resampling.BILINEAR)
            found.append(preprocess(part, tensor, preset))
    return np.stack(found)


def _compare(onnx: bytes, graph: Graph, samples: Samples, found: Array) -> None:
    """Our reference on some of the samples, held against what onnxruntime made of the file."""
    some = range(0, len(samples), COMPARED_EVERY)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        path.write_bytes(onnx)
        ours = outputs(lower(load_model(path)), samples.x[list(some)], batch=2)
    different = int((ours != found[list(some)]).any(axis=(1, 2, 3)).sum())
    if different:
        raise AssertionError(f"{different} of {len(some)} outputs differ from onnxruntime's")


def onnxruntime_outputs(onnx: bytes, graph: Graph, samples: Samples) -> Array:
    """What onnxruntime makes of the samples without graph optimisation, `[N, H, W, C]`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Warnings of constants that nothing reads; errors stay.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    source, result = graph.input_specs[0], graph.output_specs[0]
    found = [
        session.run(None, {source.name: to_source(x[np.newaxis], source)})[0] for x in samples.x
    ]
    return to_nhwc(np.concatenate(found), result)


def peer_file(model: Path, graph: Graph, x: Array, per_channel: bool) -> bytes:
    """onnxruntime's own static quantisation: QDQ, int8, min-max, as it is by default."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    source = graph.input_specs[0]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(x)

        def get_next(self) -> dict[str, Array] | None:
            image = next(self.left, None)
            return None if image is None else {source.name: to_source(image[np.newaxis], source)}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peer.onnx"
        quantize_static(
            model, path, Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel
        )
        return path.read_bytes()


def quantization_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ours beside onnxruntime's, a line for each calibration and scheme."""
    lines = [
        "| calibrated on | int8 weights, one scale per | top-1, float | top-1, int8, with and "
        "without `labels.csv` | same class as float | onnxruntime's quantiser: top-1, same class |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs = row["ours"], row["onnxruntime"]
        assert row["same_without_labels"]
        lines.append(
            f"| {row['calibration']} | {row['weights']} | {row['top1_float']:.2f} % "
            f"| **{ours['top1']:.2f} %**, the same file | {ours['agreement']:.2f} % "
            f"| {theirs['top1']:.2f} %, {theirs['agreement']:.2f} % |"
        )
    return lines
