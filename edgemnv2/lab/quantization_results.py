"""Accuracy of the quantiser's torchvision network: the figures of the README's table.

Calibrated on every 5th image of `imagenet224`, evaluated on the other 400, and the exported file
run by onnxruntime beside ours, with graph optimisation off and as it is by default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.cache import cache_folder
from edgemnv2.check.accuracy import accuracy
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.quantizer.quantize import quantize, split
from edgemnv2.samples.images import Samples, load_images, to_nhwc, to_source

__all__ = ["measure_quantization", "onnxruntime_outputs", "quantization_table"]

Array = NDArray[Any]
DATA = Path("../shared/data")
MODEL, IMAGES = "models/mobilenet_v2_torchvision.onnx", "imagenet224"
EVERY = 5
ONNXRUNTIME_PTQ = {"channel": (82.5, 93.0), "layer": (78.0, None)}
"""Top-1 and agreement of onnxruntime's static quantisation (QDQ, min-max), same images, simulated
with graph optimisation off."""


def measure_quantization(
    say: Callable[[str], None], data: Path | None = None
) -> list[dict[str, Any]]:
    """One weight scale per channel, and one per layer; `data` is where model and images are."""
    data = data or DATA
    graph = lower(load_model(data / MODEL))
    tensor = graph.tensors[graph.inputs[0]]
    samples = load_images(data / IMAGES, tensor, "torchvision")
    _, evaluated = split(len(samples), EVERY)
    held_out = samples.select(evaluated)
    assert held_out.labels is not None
    rows = []
    for weights in ("channel", "layer"):
        say(f"one weight scale per {weights}")
        result = quantize(
            graph,
            samples,
            per_channel=weights == "channel",
            every=EVERY,
            cache=cache_folder(),
            progress=lambda stage, done, total: say(stage) if done == total else None,
        )
        ours = result.outputs
        row = {key: value for key, value in result.to_dict().items() if key != "layers"}
        del row["from_cache"]
        row["weights"] = weights
        for name, optimised in (("unoptimised", False), ("default", True)):
            say(f"onnxruntime, {name}")
            theirs = onnxruntime_outputs(result.onnx, graph, held_out, optimised)
            row[f"onnxruntime_{name}"] = {
                "top1": accuracy(theirs, held_out.labels).top1,
                "same_class": int((ours.argmax(axis=-1) == theirs.argmax(axis=-1)).sum()),
                "same_bytes": int((ours == theirs).all(axis=(1, 2, 3)).sum()),
            }
        rows.append(row)
    return rows


def onnxruntime_outputs(onnx: bytes, graph: Graph, samples: Samples, optimised: bool) -> Array:
    """What onnxruntime makes of the samples, `[N, H, W, C]`, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    source, result = graph.input_specs[0], graph.output_specs[0]
    found = [
        session.run(None, {source.name: to_source(x[np.newaxis], source)})[0] for x in samples.x
    ]
    return to_nhwc(np.concatenate(found), result)


def quantization_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Both schemes beside onnxruntime's."""
    lines = [
        "| int8 weights | top-1, float | top-1, int8 | same class as float | exported file in "
        "onnxruntime: top-1, same output | onnxruntime's own quantiser: top-1, same class |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        theirs = row["onnxruntime_unoptimised"]
        top1, same = ONNXRUNTIME_PTQ[row["weights"]]
        lines.append(
            f"| one scale per {row['weights']} | {row['top1_float']:.2f} % "
            f"| **{row['top1_int8']:.2f} %** | {row['agreement']:.2f} % "
            f"| {theirs['top1']:.2f} %, {theirs['same_bytes']} of {row['evaluation_samples']} "
            f"| {top1:.2f} %{'' if same is None else f', {same:.2f} %'} |"
        )
    return lines
