"""`edgemnv2 analyze`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.cli.progress import Stages
from edgemnv2.cli.shape_arguments import add_shape_argument, input_shapes
from edgemnv2.cli.task_text import HELD, labels_text, task_text

if TYPE_CHECKING:
    from edgemnv2.check.analyze import Analysis, EndFacts, Fit

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 analyze mobilenetv2-0.35-96-int8
edgemnv2 analyze model.tflite --target nucleo-f746zg
edgemnv2 analyze model.tflite --plot memory.svg
edgemnv2 analyze model.onnx --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `analyze`."""
    parser.add_argument("model", help="an .onnx, .tflite, .keras or .h5 file, or a built-in name")
    parser.add_argument(
        "--target", help="whose kernels are planned (a Cortex-M7 for int8, a Pi 4 for float)"
    )
    parser.add_argument(
        "--io",
        choices=("arena", "input", "caller"),
        help="what lives in the arena, as for `compile` (by target)",
    )
    add_shape_argument(parser)
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="OUT.svg",
        help="draw memory over the steps and the work per block; .png needs Chromium",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Analyse and print; 1 when a target was named and the network does not fit it."""
    import edgemnv2
    from edgemnv2.report.picture import check_picture, write_picture

    if args.plot is not None:
        check_picture(args.plot)
    with Stages("analyze") as stages:
        analysis = edgemnv2.analyze(
            args.model,
            args.target,
            input_shapes=input_shapes(args),
            io=args.io,
            progress=stages.enter,
        )
    if args.plot is not None:
        write_picture(args.plot, analysis.plan, analysis.plot_layers())
    print(json.dumps(analysis.to_dict()) if args.json else _text(analysis))
    chosen = [fit for fit in analysis.fits if fit.target == analysis.target]
    return 0 if args.target is None or all(fit.fits for fit in chosen) else 1


def _text(analysis: Analysis) -> str:
    # The board that is planned for comes first.
    fits = sorted(analysis.fits, key=lambda fit: fit.target != analysis.target)
    return "\n".join([*_table(analysis), "", *_summary(analysis), "", *_boards(tuple(fits))])


def _table(analysis: Analysis) -> list[str]:
    width = max(len(layer.name) for layer in analysis.layers)
    lines = [
        f"{'layer':{width}}  {'op':10}  {'output':>14}  {'MACs':>12}  {'weights':>10}  {'RAM':>10}"
    ]
    for layer in analysis.layers:
        shape = "x".join(map(str, layer.shape))
        lines.append(
            f"{layer.name:{width}}  {layer.op:10}  {shape:>14}  {layer.macs:12,}  "
            f"{layer.weight_bytes:10,}  {layer.live_bytes:10,}"
        )
    return lines


def _summary(analysis: Analysis) -> list[str]:
    live = ", ".join(f"{name} {size / 1024:.1f}" for name, size in analysis.peak_live)
    return [
        f"model           {analysis.model}: {analysis.macs / 1e6:.1f} M multiply-accumulates, "
        f"{analysis.params / 1e6:.2f} M parameters",
        *(f"input           {_end_text(end)}{_pixels_text(end)}" for end in analysis.inputs),
        *(f"output          {_end_text(end)}, made by {end.made_by}" for end in analysis.outputs),
        f"task            {task_text(analysis.task)}",
        f"labels          {labels_text(analysis.task)}",
        *(f"note            {note}" for note in analysis.notes),
        f"target          {analysis.target}{_answer(analysis)}",
        f"arena           {analysis.arena_bytes / 1024:.1f} KiB ({HELD[analysis.io]}; "
        f"lower bound {analysis.arena_lower_bound_bytes / 1024:.1f} KiB)",
        f"by rows         {analysis.stream_arena_bytes / 1024:.1f} KiB (the arena where the image "
        "is handed over row by row)",
        f"layer by layer  {analysis.layer_by_layer_bytes / 1024:.1f} KiB (whole tensors, image "
        "included)",
        f"constants       {analysis.constants_bytes / 1024:.1f} KiB",
        *(
            f"{'placed' if not number else '':16}{what} in {memory}"
            + (f" ({macro} moves it)" if macro else "")
            for number, (what, memory, macro) in enumerate(analysis.placed)
        ),
        f"peak            step {analysis.peak_step}, {analysis.peak_at}; live, KiB: {live}",
    ]


def _answer(analysis: Analysis) -> str:
    """Whether it fits the board that is planned for."""
    found = [_verdict(fit) for fit in analysis.fits if fit.target == analysis.target]
    return f": {found[0]}" if found else ""


def _verdict(fit: Fit) -> str:
    return "fits" if fit.fits else "by rows only" if fit.stream_fits else "does not fit"


def _end_text(end: EndFacts) -> str:
    layout = f" {end.layout}" if len(end.shape) == 4 else ""
    return f"{end.name!r} {end.dtype} {list(end.shape)}{layout}"


def _pixels_text(end: EndFacts) -> str:
    """Which pixels it wants, for who has images."""
    if end.pixels is not None:
        low, high = f"{end.pixels.low:g}", f"{end.pixels.high:g}"
        return f": black is {low}, white {high} (told by {end.pixels.told_by})"
    if len(end.shape) == 4 and end.dtype == "float32":
        return ": which pixels it was trained on is not in the file (see --preprocess)"
    return ""


def _boards(fits: tuple[Fit, ...]) -> list[str]:
    lines = []
    for fit in fits:
        about = "" if fit.exact or not fit.arena_bytes else " (about)"
        lines.append(f"{fit.target:14}  {_verdict(fit):13}  {fit.reason}{about}")
        if not fit.fits and fit.flash_bytes and fit.arena_bytes:
            largest = fit.largest_built_in or "none of the paper's"
            lines.append(f"{'':31}largest built-in network that fits: {largest}")
    return lines
