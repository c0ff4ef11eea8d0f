"""`edgemnv2 run`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgemnv2.cli.runner_arguments import add_runner_arguments, place_of
from edgemnv2.cli.verify import add_sample_arguments, sample_choice

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 run net --inputs x.npz --outputs y.npz
edgemnv2 run net --images photos --top 3 --labels labels.txt
edgemnv2 run net --inputs x.npz --outputs y.npz --runner qemu-system
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    parser.add_argument("artifact", type=Path, help="the folder that `compile` made")
    add_sample_arguments(parser)
    parser.add_argument(
        "--outputs", type=Path, help="the .npz to write, in the model's own names and layouts"
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="best classes shown (5)")
    parser.add_argument("--labels", type=Path, help="text file, one label a line")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads (1)")
    add_runner_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Run and print the best classes; exit code 0."""
    import edgemnv2
    from edgemnv2.errors import InputError

    try:
        labels = args.labels.read_text(encoding="utf-8").splitlines() if args.labels else []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--labels {args.labels}: cannot be read ({error})") from error
    result = edgemnv2.open_artifact(args.artifact).predict(
        sample_choice(args),
        outputs=args.outputs,
        top=args.top,
        place=place_of(args),
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
            place = f"  row {row} column {column}" if result.grid else ""
            label = f"  {labels[index]}" if index < len(labels) else ""
            print(f"{score:12.4f}  {index:5d}{label}{place}")
    if args.outputs:
        print(f"written    {args.outputs}")
    return 0
