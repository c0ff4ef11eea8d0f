"""`edgemnv2 tune`."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.progress import Bar
from edgemnv2.cli.runner_arguments import add_runner_arguments, place_of
from edgemnv2.cli.shape_arguments import add_shape_argument, input_shapes
from edgemnv2.cli.sizes import size_bytes

if TYPE_CHECKING:
    from edgemnv2.tuner.tuner import Progress, TuneResult

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 tune mobilenetv2-1.0-224-int8 --target mps2-an500 --trials 16
edgemnv2 tune model.tflite --target rpi4 --ssh pi@raspberrypi --log-dir rpi4-seconds
edgemnv2 tune model.tflite --target rpi4 --metric cycles
edgemnv2 tune model.onnx --target rpi4 --rpc-tracker farm:9190 --rpc-key rpi4
"""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it; what was measured is in the log."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tune`."""
    parser.add_argument("model", help="an .onnx, .tflite, .keras or .h5 file, or a built-in name")
    parser.add_argument("--target", required=True, help="a name that `targets` lists, or a .toml")
    parser.add_argument(
        "--trials",
        type=int,
        action=Bounded,
        least=1,
        default=64,
        metavar="N",
        help="candidates for each task (64)",
    )
    parser.add_argument(
        "--seed", type=int, action=Bounded, least=0, default=0, help="of the candidates' order (0)"
    )
    parser.add_argument(
        "--strategy",
        metavar="S",
        help="evolutionary, replay-trace or neighbours (evolutionary for counts, "
        "neighbours for seconds)",
    )
    parser.add_argument(
        "--metric",
        choices=("cycles",),
        help="an estimate of the core's cycles, in the emulator (what the runner measures)",
    )
    parser.add_argument(
        "--flash-budget",
        type=size_bytes,
        action=Bounded,
        least=1,
        metavar="SIZE",
        help="what constants may take on Cortex-M: candidates with larger ones are tried, too (of "
        "each layer no more than by default)",
    )
    parser.add_argument(
        "--log-dir",
        type=Path,
        metavar="DIR",
        help="the log's folder (tune_logs/<target>, with -cycles for cycles); what it has is not "
        "measured again",
    )
    add_shape_argument(parser)
    add_runner_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Tune and print what was found; exit code 0, or 130 after Ctrl-C."""
    import edgemnv2
    from edgemnv2.api import check_tuning, load_target

    check_tuning(args.trials, args.seed, args.strategy)
    place = place_of(args)
    own = load_target(args.target).name + ("-cycles" if args.metric else "")
    folder = args.log_dir or Path("tune_logs") / own
    with _log_folder(folder), _Bar() as bar:
        bar.stage("import, and measure the default")
        result = edgemnv2.tune(
            args.model,
            args.target,
            folder,
            trials=args.trials,
            seed=args.seed,
            strategy=args.strategy,
            place=place,
            metric=args.metric,
            flash_budget=args.flash_budget,
            input_shapes=input_shapes(args),
            progress=bar.report,
        )
    print(json.dumps(result.to_dict()) if args.json else _text(result))
    if result.interrupted:
        print("edgemnv2 tune: interrupted; run it again to go on", file=sys.stderr)
        return INTERRUPTED
    return 0


@contextmanager
def _log_folder(folder: Path) -> Iterator[None]:
    """Makes `folder`; what was made and is still empty at the end, after an error, is removed.

    Raises UsageError, before anything is measured, if no log can be kept in it.
    """
    from edgemnv2.errors import UsageError

    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UsageError(
                f"--log-dir: {folder}: {error.strerror}, expected a folder that can be written"
            ) from error
        yield
    finally:
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()


class _Bar(Bar):
    """Rounds, task, best so far, rejected, time left."""

    def __init__(self) -> None:
        super().__init__("tune", "round")

    def report(self, state: Progress) -> None:
        """A round is done."""
        self.note(f"best {_figure(state.best, state.metric)}, rejected {state.rejected}")
        self.update(state.round, state.rounds, state.task)


def _figure(value: float, metric: str) -> str:
    """A figure with its unit; an instruction count never looks like a time."""
    if metric == "seconds":
        return f"{value * 1e3:.3f} ms"
    return f"{value / 1e6:.3f} M {metric}"


def _text(result: TuneResult) -> str:
    ratio = result.best_after / result.best_before if result.best_before else 1.0
    lines = [
        f"target     {result.target}, runner {result.runner}",
        f"tasks      {result.tasks}",
        f"trials     {result.trials}, rejected {result.rejected}",
        f"before     {_figure(result.best_before, result.metric)} (defaults)",
        f"after      {_figure(result.best_after, result.metric)} ({ratio:.3f} of it)",
        f"log        {result.log}: {result.records} records",
    ]
    lines += [f"lost       board {text}" for text in result.lost_boards]
    for rejection in result.rejections[:10]:
        lines.append(
            f"rejected   {rejection['task']} {rejection['decisions']}: {rejection['reason']}"
        )
    return "\n".join(lines)
