"""How good the built-in detector and segmenter are on the held-out canvases.

    python -m edgemnv2.lab.canvas_results [--count 200] [--model FILE]

prints F1 of the boxes (intersection over union of at least 0.5, the right digit) and the mean
intersection over union of the masks, beside what a mask of background alone has.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.meaning.infer import task_of
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.pipeline import lower_source
from edgemnv2.runtime.vision.decode import Answer, Detection, decode
from edgemnv2.samples.canvases import Canvas, heldout_canvases
from edgemnv2.samples.digit_samples import heldout_samples

__all__ = ["answers_of", "box_scores", "mask_iou"]

Array = NDArray[Any]
LEAST_IOU = 0.5
BATCH = 8
CLASSES = 11


def answers_of(graph: Graph, count: int) -> list[Answer]:
    """What a network of canvases says of the first `count` held-out ones, in the reference."""
    task = task_of(graph)
    tensor = graph.tensors[graph.inputs[0]]
    preset = "raw" if tensor.quant is not None else "keras"
    x = heldout_samples("digits-detector", tensor, preset, limit=count).x
    records = [
        {
            **asdict(spec),
            "scale": None if spec.quant is None else spec.quant.scale,
            "zero_point": None if spec.quant is None else spec.quant.zero_point,
        }
        for spec in graph.output_specs
    ]
    found: list[Answer] = []
    for start in range(0, count, BATCH):
        made = by_source(graph, run(graph, x[start : start + BATCH], keep=False))
        for index in range(len(next(iter(made.values())))):
            one = {name: array[index : index + 1] for name, array in made.items()}
            found.append(decode(task.to_dict(), records, one))
    return found


def box_scores(
    answers: Sequence[Sequence[Detection]], canvases: Sequence[Canvas]
) -> tuple[float, float, float]:
    """Precision, recall and F1; a digit is found once, by the surest box of its class on it."""
    right = said = there = 0
    for found, canvas in zip(answers, canvases, strict=True):
        free = list(range(len(canvas.classes)))
        said += len(found)
        there += len(free)
        for one in sorted(found, key=lambda x: -x.score):
            box = (one.top, one.left, one.bottom, one.right)
            near = [(_iou(box, canvas.boxes[i]), i) for i in free if canvas.classes[i] == one.index]
            best = max(near, default=(0.0, -1))
            if best[0] >= LEAST_IOU:
                right += 1
                free.remove(best[1])
    precision, recall = right / max(said, 1), right / max(there, 1)
    return precision, recall, 2 * right / max(said + there, 1)


def _iou(a: Sequence[float], b: Array) -> float:
    high = min(a[2], b[2]) - max(a[0], b[0])
    wide = min(a[3], b[3]) - max(a[1], b[1])
    if high <= 0 or wide <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(high * wide / (areas - high * wide))


def mask_iou(masks: Sequence[Array], canvases: Sequence[Canvas]) -> tuple[float, float]:
    """Mean intersection over union of all classes, and that of masks without a digit."""
    truth = np.stack([canvas.mask for canvas in canvases])
    found = np.stack(masks)
    return _mean_iou(found, truth), _mean_iou(np.zeros_like(truth), truth)


def _mean_iou(found: Array, truth: Array) -> float:
    shares = []
    for index in range(CLASSES):
        union = np.count_nonzero((found == index) | (truth == index))
        both = np.count_nonzero((found == index) & (truth == index))
        if union:
            shares.append(both / union)
    return float(np.mean(shares))


def _described(graph: Graph, count: int) -> str:
    answers, canvases = answers_of(graph, count), heldout_canvases(count)
    if answers[0].mask is not None:
        masks = [answer.mask for answer in answers if answer.mask is not None]
        share, trivial = mask_iou(masks, canvases)
        return f"mean IoU {share:.3f}, of background alone {trivial:.3f}"
    precision, recall, f1 = box_scores([answer.detections for answer in answers], canvases)
    return f"precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}"


def main() -> None:
    """Prints the figures of the built-in networks, or of a file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    names: list[Path | str] = ["digits-detector", "digits-detector-int8"]
    for name in [options.model] if options.model else names:
        print(f"{name}: {_described(lower_source(name), options.count)}")


if __name__ == "__main__":
    main()
