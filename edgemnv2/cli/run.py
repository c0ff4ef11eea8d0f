"""`edgemnv2 run`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.progress import Bar
from edgemnv2.cli.runner_arguments import add_runner_arguments, place_of
from edgemnv2.cli.task_text import answer_lines
from edgemnv2.cli.verify import add_sample_arguments, sample_choice

if TYPE_CHECKING:
    from edgemnv2 import OpenArtifact, Place

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 run net photo.jpg --draw answer.png
edgemnv2 run net photos --draw answers
edgemnv2 run net --inputs x.npz --outputs y.npz
edgemnv2 run net --images photos --top 3 --labels labels.txt
edgemnv2 run net --inputs x.npz --outputs y.npz --runner qemu-system
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    parser.add_argument("artifact", type=Path, help="the folder that `compile` made")
    parser.add_argument(
        "pictures",
        type=Path,
        nargs="?",
        metavar="PICTURE",
        help="a photograph, or a folder of them, to be answered in words: classes, boxes, a mask",
    )
    answers = parser.add_argument_group("answers", "What is said of PICTURE.")
    answers.add_argument(
        "--draw",
        type=Path,
        metavar="OUT",
        help="draw the answer: a .png, .jpg or .webp, a folder where PICTURE is one",
    )
    answers.add_argument(
        "--threshold",
        type=float,
        action=Bounded,
        metavar="P",
        help="least score that counts (the network's own, mostly 0.5; of a classifier 0)",
    )
    answers.add_argument(
        "--neighbours",
        type=Path,
        metavar="DIR",
        help="a folder of pictures, of which an embedding's nearest ones are told",
    )
    add_sample_arguments(parser)
    parser.add_argument(
        "--outputs", type=Path, help="the .npz to write, in the model's own names and layouts"
    )
    parser.add_argument(
        "--top",
        type=int,
        action=Bounded,
        least=1,
        default=5,
        metavar="N",
        help="best classes shown (5)",
    )
    parser.add_argument(
        "--labels", type=Path, help="a label a line, or a .csv (as recorded in the artefact)"
    )
    parser.add_argument(
        "--threads", type=int, action=Bounded, least=1, default=1, metavar="N", help="threads (1)"
    )
    add_runner_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Run and print the best classes; exit code 0."""
    import edgemnv2

    _check_together(args)
    samples, place = sample_choice(args), place_of(args)
    artifact = edgemnv2.open_artifact(args.artifact)
    if args.pictures is not None:
        return _answer(args, artifact, place)
    task = artifact.task_with(args.labels)
    result = artifact.predict(
        samples,
        outputs=args.outputs,
        top=args.top,
        place=place,
        threads=args.threads,
    )
    if args.json:
        facts = {
            "samples": result.samples,
            "runner": result.runner,
            "outputs": str(args.outputs) if args.outputs else None,
            "shapes": {name: list(array.shape) for name, array in result.outputs.items()},
            "scores": result.scores or None,
            "predictions": [
                {"sample": p.sample, "classes": p.classes, "scores": p.scores}
                for p in result.predictions
            ],
        }
        print(json.dumps(facts))
        return 0
    if len(result.outputs) > 1 or not result.scores:
        for name, array in result.outputs.items():
            note = "  shown below" if name == result.scores else ""
            print(f"output     {name}: {array.dtype} {list(array.shape)}{note}")
    for prediction in result.predictions:
        print(prediction.sample)
        for index, score, (row, column) in zip(
            prediction.classes, prediction.scores, prediction.positions, strict=True
        ):
            at = f"  row {row} column {column}" if result.grid else ""
            label = f"  {task.labels[index]}" if index < len(task.labels) else ""
            print(f"{score:12.4f}  {index:5d}{label}{at}")
    if args.outputs:
        print(f"written    {args.outputs}")
    return 0


def _check_together(args: argparse.Namespace) -> None:
    """UsageError for flags about a PICTURE without one, and for others with one."""
    from edgemnv2.errors import UsageError

    flags: tuple[str, ...]
    if args.pictures is None:
        flags = ("draw", "threshold", "neighbours")
        what = "is about a PICTURE (give one behind the artefact)"
    else:
        flags = ("images", "inputs", "random", "outputs", "limit")
        what = "does not go with a PICTURE (leave one of them out)"
    for flag in flags:
        if getattr(args, flag) is not None:
            raise UsageError(f"--{flag}: {what}")


def _answer(args: argparse.Namespace, artifact: OpenArtifact, place: Place) -> int:
    """What the network says of photographs."""
    with Bar("run", "picture") as bar:
        answers = artifact.answer(
            args.pictures,
            draw=args.draw,
            threshold=args.threshold,
            neighbours=args.neighbours,
            labels=args.labels,
            preprocess=args.preprocess,
            place=place,
            threads=args.threads,
            progress=bar.update,
        )
    if args.json:
        facts = {"artifact": str(args.artifact), "pictures": [x.to_dict() for x in answers]}
        print(json.dumps(facts))
        return 0
    for answer in answers:
        print("\n".join(answer_lines(answer, args.top)))
    if args.draw is not None:
        print(f"drawn      {args.draw}")
    return 0
