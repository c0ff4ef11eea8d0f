"""`edgemnv2 quantize`: a float model and images -> an int8 ONNX file, and what it costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.shape_arguments import add_shape_argument, input_shapes
from edgemnv2.cli.verify import sample_choice

if TYPE_CHECKING:
    from edgemnv2.quantizer.quantize import Quantized

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 quantize model.onnx --images photos -o model-int8.onnx
edgemnv2 quantize model.onnx --images photos -o q.onnx --report q.html --json
edgemnv2 quantize model.onnx --images photos --calibrate-every 5 -o q.onnx
edgemnv2 quantize mobilenetv2-0.35-96 --random 20 --target mps2-an500 -o q.onnx
"""

HINT = (
    "hint         for a microcontroller give --target or --io int8: a float image alone takes four "
    "times the memory"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `quantize`."""
    parser.add_argument(
        "model", help="a float .onnx, .tflite, .keras or .h5 file, or a built-in name"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.onnx", help="the int8 model"
    )
    inputs = parser.add_argument_group("calibration inputs (one of these)")
    source = inputs.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", type=Path, help="a folder of images, with labels.csv or not")
    source.add_argument("--inputs", type=Path, help="a .npz in the model's own names and layout")
    source.add_argument(
        "--random", type=int, action=Bounded, least=1, metavar="N", help="seeded random inputs"
    )
    inputs.add_argument(
        "--seed", type=int, action=Bounded, least=0, default=0, help="of the random inputs (0)"
    )
    inputs.add_argument(
        "--limit", type=int, action=Bounded, least=1, metavar="N", help="the first N inputs only"
    )
    inputs.add_argument(
        "--preprocess",
        choices=("torchvision", "keras", "raw"),
        help="how images become inputs (torchvision for NCHW models, keras for NHWC ones)",
    )
    inputs.add_argument(
        "--calibrate-every",
        type=int,
        action=Bounded,
        least=1,
        metavar="K",
        help="inputs 0, K, 2K... calibrate and the others evaluate; 1: all do both (default: at "
        "most 100 and at most half calibrate)",
    )
    parser.add_argument(
        "--target",
        help="the device that the file is for (a name that `targets` lists, or a .toml): a "
        "microcontroller's file gets int8 ends",
    )
    parser.add_argument(
        "--io",
        choices=("float32", "int8"),
        help="type of the file's input and output (int8 for a --target that is a microcontroller, "
        "else float32)",
    )
    parser.add_argument(
        "--head",
        choices=("auto", "scores", "values"),
        default="auto",
        help="what the output means: class scores, of which the best must stay apart, or values "
        "that all count alike (auto: scores where the network ends as classifiers do)",
    )
    parser.add_argument(
        "--per-tensor", action="store_true", help="one weight scale per layer, not per channel"
    )
    parser.add_argument(
        "--range",
        choices=("error", "min-max", "percentile"),
        default="error",
        help="how the range of an activation is chosen (error: least squared error)",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="per layer: .html, .svg (the picture) or .json"
    )
    add_shape_argument(parser)
    parser.add_argument("--no-cache", action="store_true", help="calibrate again, and keep nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Quantise, write the file and the report, print what it cost; exit code 0."""
    _check_files(args)
    import edgemnv2
    from edgemnv2.api import cache_folder, ends_for, write_whole
    from edgemnv2.cli.progress import Bar
    from edgemnv2.report.quantization import summary_text

    io = args.io or ends_for(args.target)
    bars: dict[str, Bar] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            for bar in bars.values():
                bar.__exit__(None, None, None)
            bars[stage] = Bar(
                f"quantize: {stage}", "layer" if stage == "calibrate layers" else "sample"
            )
        bars[stage].update(done, total)

    try:
        result = edgemnv2.quantize(
            args.model,
            sample_choice(args),
            io=io,
            per_channel=not args.per_tensor,
            method=args.range,
            head=args.head,
            every=args.calibrate_every,
            cache=None if args.no_cache else cache_folder(),
            input_shapes=input_shapes(args),
            progress=progress,
        )
    finally:
        for bar in bars.values():
            bar.__exit__(None, None, None)
    content = result.to_dict()
    if args.report is not None:
        write_whole(args.report, _report(result, args.report.suffix), "report")
    write_whole(args.output, result.onnx, "output")
    if args.json:
        print(json.dumps({"output": str(args.output), "io": io, **content}))
    else:
        print(summary_text(content))
        why = "" if args.io is not None or args.target is None else f" (suits {args.target})"
        print(f"ends         {io}{why}")
        print(f"written      {args.output}")
        if args.io is None and args.target is None:
            print(HINT)
    return 0


def _check_files(args: argparse.Namespace) -> None:
    from edgemnv2.api import check_writable
    from edgemnv2.errors import UsageError

    output, report = args.output, args.report
    if output.suffix != ".onnx":
        raise UsageError(f"--output: {output}: expected a name that ends in .onnx")
    if report is not None and report.suffix not in (".html", ".svg", ".json"):
        raise UsageError(f"--report: {report}: expected a name that ends in .html, .svg or .json")
    for argument, path in (("output", output), ("report", report)):
        if path is None:
            continue
        if not path.resolve().parent.is_dir():
            raise UsageError(f"--{argument}: {path.parent}: no such folder; make it first")
        read = [Path(args.model), *sample_choice(args).files()]
        check_writable(path, argument, read)


def _report(result: Quantized, suffix: str) -> bytes:
    from edgemnv2.report.quantization import errors_svg, report_html

    if suffix == ".json":
        text = json.dumps(result.to_dict(), indent=2) + "\n"
    elif suffix == ".svg":
        text = errors_svg(result.layers, f"{result.model} in int8: error by layer") + "\n"
    else:
        text = report_html(result.to_dict(), result.layers)
    return text.encode()
