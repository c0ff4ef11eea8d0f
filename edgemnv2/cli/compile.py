"""`edgemnv2 compile`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.progress import Stages
from edgemnv2.cli.shape_arguments import add_shape_argument, input_shapes
from edgemnv2.cli.sizes import size_bytes
from edgemnv2.cli.words import as_flags

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgemnv2 import OpenArtifact
    from edgemnv2.manifest import Manifest

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 compile --target rpi4
edgemnv2 compile model.tflite --target rpi4 -o net
edgemnv2 compile mobilenetv2-0.35-96-int8 --target mps2-an500 -o net
edgemnv2 compile digits --target mps2-an500 -o net
edgemnv2 compile model.onnx --target ./myboard.toml --io caller -o net
edgemnv2 compile model.tflite --target mps2-an500 --format mlf -o net.tar
"""
DEFAULT_MODEL = "digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `compile`."""
    parser.add_argument(
        "model",
        nargs="?",
        help="an .onnx, .tflite, .keras or .h5 file, or a built-in name such as "
        "mobilenetv2-0.35-96-int8 (the paper's, seeded weights) or digits (trained; int8 where the "
        f"target runs nothing else); left out: {DEFAULT_MODEL}",
    )
    parser.add_argument("--target", required=True, help="a name that `targets` lists, or a .toml")
    parser.add_argument("-o", "--output", type=Path, help="the artefact's folder")
    parser.add_argument(
        "--format",
        choices=("folder", "mlf"),
        default="folder",
        help="a folder, or one tar in the layout of TVM's Model Library Format (folder)",
    )
    parser.add_argument("--name", help="prefix of all C names (from the model's name)")
    parser.add_argument(
        "--io",
        choices=("arena", "input", "caller"),
        help="what lives in the arena: image and result, the image alone (the result is the "
        "caller's), or neither (by target)",
    )
    parser.add_argument(
        "--chains",
        choices=("memory", "blocks", "layers"),
        help="cut the row program for the least arena, after every block, or after every layer, "
        "where nothing is streamed (by target)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        action=Bounded,
        least=1,
        metavar="N",
        help="plan for N threads besides one (Linux: 2 and 4, as far as the target has cores; on a "
        "microcontroller with two cores: none, 2 can be had)",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16"),
        help="what a float network computes in (float32; float16 where the core has it)",
    )
    parser.add_argument(
        "--code-size-budget",
        type=int,
        action=Bounded,
        least=1,
        metavar="N",
        help="most bytes of machine code on Cortex-M (no limit, which is the fastest)",
    )
    parser.add_argument(
        "--flash-budget",
        type=size_bytes,
        action=Bounded,
        least=1,
        metavar="SIZE",
        help="most bytes of constants on Cortex-M, whose faster forms take more: 2M, 1800K (what "
        "the board has)",
    )
    parser.add_argument(
        "--preprocess",
        choices=("torchvision", "keras", "raw"),
        help="how images become inputs; recorded for verify and run.py",
    )
    task = parser.add_argument_group(
        "task",
        "What the outputs mean follows from the network and its file; this goes before it.",
    )
    task.add_argument(
        "--task",
        choices=("classifier", "detector", "segmenter", "grid", "embedding", "unknown"),
        help="what the network is for (as its outputs look; `help words` has what one channel is)",
    )
    task.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="a label a line, or a .csv with class_index and name (in the model's file, or "
        "NAME.labels.txt, labels.txt or labels.csv beside it)",
    )
    task.add_argument(
        "--anchors",
        type=Path,
        metavar="FILE",
        help="anchors of a detector's boxes: .npy, .csv or .txt with centre y, centre x, height "
        "and width of each as shares of the picture, or .json (those of the usual feature maps)",
    )
    task.add_argument(
        "--fit",
        choices=("crop", "letterbox", "stretch"),
        help="how pictures of another shape become the network's (crop for classes and embeddings, "
        "else letterbox)",
    )
    parser.add_argument(
        "--tune-logs",
        metavar="DIR",
        help="the tuning log to use, or `none` (the target's own that ships with the package)",
    )
    add_shape_argument(parser)
    parser.add_argument(
        "--keep-source",
        action="store_true",
        help="put the model's file into the artefact, for `verify` to check against its framework",
    )
    parser.add_argument("--force", action="store_true", help="replace an artefact that is there")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Compile, and say what came out."""
    from edgemnv2.api import check_archive, more_capable_local_target
    from edgemnv2.errors import UsageError

    model = args.model or DEFAULT_MODEL
    stem = Path(model).stem if Path(model).suffix in (".onnx", ".tflite") else model
    archive = args.format == "mlf"
    if archive and args.keep_source:
        raise UsageError("--keep-source: an archive holds no source (leave it out, or --format)")
    suffix = ".tar" if archive else ""
    output = args.output or Path(f"{stem}-{Path(args.target).stem}{suffix}")
    with Stages("compile") as stages:
        if archive:
            check_archive(output, force=args.force)
            with tempfile.TemporaryDirectory() as folder:
                artifact = _compiled(args, model, Path(folder) / "net", stages.enter)
                artifact.archive(output, force=args.force)
        else:
            artifact = _compiled(args, model, output, stages.enter)
    facts = summary(artifact.manifest, output)
    for note in (*artifact.manifest.notes, *artifact.manifest.tuning_notes):
        print(f"edgemnv2 compile: {as_flags(note)}", file=sys.stderr)
    better = more_capable_local_target(artifact.target)
    if better is not None and artifact.inputs[0].dtype != "float32":
        print(
            f"edgemnv2 compile: this computer also runs --target {better.name} "
            f"({better.description}), which is faster in int8",
            file=sys.stderr,
        )
    if args.json:
        print(json.dumps(facts))
        return 0
    print(f"model      {_model_text(args.model, artifact.manifest)}")
    print(_text(artifact.manifest, facts))
    return 0


def _compiled(
    args: argparse.Namespace, model: str, output: Path, progress: Callable[[str], None]
) -> OpenArtifact:
    import edgemnv2

    return edgemnv2.compile(
        model,
        args.target,
        output,
        name=args.name,
        io=args.io,
        chains=args.chains,
        preprocess=args.preprocess,
        said=edgemnv2.said(task=args.task, labels=args.labels, anchors=args.anchors, fit=args.fit),
        threads=args.threads,
        dtype=args.dtype,
        code_size_budget=args.code_size_budget,
        flash_budget=args.flash_budget,
        input_shapes=input_shapes(args),
        force=args.force,
        keep_source=args.keep_source,
        tune_logs=None if args.tune_logs in (None, "none") else Path(args.tune_logs),
        use_tune_logs=args.tune_logs != "none",
        progress=progress,
    )


def _model_text(wanted: str | None, manifest: Manifest) -> str:
    from edgemnv2.api import integer_twin

    taken = manifest.model.source
    if wanted is None:
        return f"{taken} (a small MobileNetV2, trained on handwritten digits; it comes along)"
    if taken != wanted and taken == integer_twin(wanted):
        return f"{taken} (the int8 network of {wanted!r}: {manifest.target} runs int8 only)"
    return wanted


def summary(manifest: Manifest, output: Path) -> dict[str, Any]:
    """The JSON of `compile`."""
    return {
        "artifact": str(output),
        "name": manifest.name,
        "model": manifest.model.source,
        "target": manifest.target,
        "arena_bytes": manifest.arena_bytes,
        "arena_lower_bound_bytes": manifest.arena_lower_bound_bytes,
        "stream_arena_bytes": manifest.stream_arena_bytes,
        "constants_bytes": manifest.constants_bytes,
        "code_bytes": manifest.code_bytes,
        "macs": manifest.macs,
        "io": manifest.io,
        "task": manifest.task.kind,
        "threads": manifest.threads,
        "threads_arena_bytes": manifest.threads_arena_bytes,
        "kernels": [
            {key: getattr(kernel, key) for key in ("name", "op", "shape", "schedule")}
            for kernel in manifest.kernels
        ],
    }


def _task_lines(manifest: Manifest) -> list[str]:
    from edgemnv2.cli.task_text import labels_text, pixels_text, task_text

    return [
        f"task       {task_text(manifest.task)}",
        f"pixels     {pixels_text(manifest.task)}",
        f"labels     {labels_text(manifest.task)}",
    ]


def _thread_lines(facts: dict[str, Any]) -> list[str]:
    arenas = facts["threads_arena_bytes"]
    if not arenas:
        return []
    sizes = ", ".join(f"{count} {size / 1024:.1f} KiB" for count, size in arenas.items())
    return [f"threads    arena for {sizes}"]


_UNTUNED = {"default": "by default", "fallback": "plain loops"}
"""Schedules of a manifest that are no tuning record's, in words."""


def _by_rows(manifest: Manifest) -> list[str]:
    """The arena of who hands the image over row by row, where that is another one."""
    if manifest.stream_arena_bytes == manifest.arena_bytes:
        return []
    return [
        f"by rows    {manifest.stream_arena_bytes / 1024:.1f} KiB (the arena where the image is "
        "handed over row by row)"
    ]


def _text(manifest: Manifest, facts: dict[str, Any]) -> str:
    from edgemnv2.cli.task_text import HELD

    schedules = dict.fromkeys(("tuned", *_UNTUNED), 0)
    for kernel in facts["kernels"]:
        schedules[kernel["schedule"] if kernel["schedule"] in _UNTUNED else "tuned"] += 1
    kinds = ", ".join(
        f"{count} {_UNTUNED.get(kind, kind)}" for kind, count in schedules.items() if count
    )
    code = f"{facts['code_bytes'] / 1024:.1f} KiB" if facts["code_bytes"] else "not measured"
    return "\n".join(
        [
            f"target     {facts['target']}: {manifest.target_file['description']}",
            f"network    {facts['macs'] / 1e6:.1f} M multiply-accumulates, "
            f"{len(manifest.layers)} layers",
            *_task_lines(manifest),
            f"arena      {facts['arena_bytes'] / 1024:.1f} KiB ({HELD[manifest.io]}; "
            f"lower bound {facts['arena_lower_bound_bytes'] / 1024:.1f} KiB)",
            *_by_rows(manifest),
            *_thread_lines(facts),
            f"constants  {facts['constants_bytes'] / 1024:.1f} KiB",
            f"code       {code}",
            f"kernels    {len(facts['kernels'])}: {kinds}",
            f"artefact   {facts['artifact']}",
        ]
    )
