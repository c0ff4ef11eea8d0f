"""How good the built-in detector and segmenter are on the held-out canvases.

    python -m edgemnv2.lab.canvas_results [--count 200] [--model FILE]

prints F1 of the boxes (intersection over union of at least 0.5, the right digit) and the mean
intersection over union of the masks, beside what a mask of background alone has.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from edgemnv2.lab.canvas_scores import box_scores, mask_iou
from edgemnv2.meaning.infer import task_of
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.pipeline import lower_source
from edgemnv2.runtime.vision.decode import Answer, decode
from edgemnv2.samples.canvases import heldout_canvases
from edgemnv2.samples.digit_samples import CANVASES, heldout_samples

__all__ = ["answers_of"]

BATCH = 8


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
    parser = argparse.ArgumentParser(
        prog="python -m edgemnv2.lab.canvas_results", description=main.__doc__
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    names: list[Path | str] = list(CANVASES)
    for name in [options.model] if options.model else names:
        print(f"{name}: {_described(lower_source(name), options.count)}")


if __name__ == "__main__":
    main()
