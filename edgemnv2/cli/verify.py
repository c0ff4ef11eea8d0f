"""`edgemnv2 verify`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.progress import Bar
from edgemnv2.cli.runner_arguments import add_runner_arguments, place_of
from edgemnv2.cli.shape_arguments import add_shape_argument, input_shapes
from edgemnv2.cli.words import as_flags

if TYPE_CHECKING:
    from edgemnv2 import SampleChoice
    from edgemnv2.check.source import SourceCheck
    from edgemnv2.check.verify import VerifyResult

__all__ = ["EXAMPLES", "add_arguments", "add_sample_arguments", "run", "sample_choice"]

EXAMPLES = """
edgemnv2 verify net
edgemnv2 verify net --images photos --limit 50
edgemnv2 verify net --inputs x.npz --runner qemu-user
edgemnv2 verify net --random 3 --serial /dev/ttyACM0
edgemnv2 verify net model.tflite --random 20 --seed 7
edgemnv2 verify net --against-source model.tflite
"""


def add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    """Where inputs come from."""
    group = parser.add_argument_group(
        "inputs",
        "One of --images, --inputs and --random. Without: for the built-in digits their 360 "
        "held-out images with labels, else a few random inputs.",
    )
    group.add_argument("--images", type=Path, help="a folder of images, with labels.csv or not")
    group.add_argument("--inputs", type=Path, help="a .npz in the model's own names and layout")
    group.add_argument(
        "--random", type=int, action=Bounded, least=1, metavar="N", help="seeded random inputs"
    )
    group.add_argument(
        "--seed", type=int, action=Bounded, least=0, default=0, help="of the random inputs (0)"
    )
    group.add_argument(
        "--limit", type=int, action=Bounded, least=1, metavar="N", help="the first N inputs only"
    )
    group.add_argument(
        "--preprocess",
        choices=("torchvision", "keras", "raw"),
        help="how images become inputs (as recorded in the artefact)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `verify`."""
    parser.add_argument("artifact", type=Path, help="the folder that `compile` made")
    parser.add_argument(
        "model",
        nargs="?",
        help="the source model, imported again as the reference (the graph in the artefact)",
    )
    add_shape_argument(parser)
    add_sample_arguments(parser)
    against = parser.add_mutually_exclusive_group()
    against.add_argument(
        "--against-source",
        default="auto",
        metavar="FILE",
        help="the file that was compiled, or its folder: the reference is checked against the "
        "file's own framework, LiteRT or onnxruntime (auto: where both are at hand)",
    )
    against.add_argument(
        "--no-against-source",
        action="store_const",
        const=None,
        dest="against_source",
        help="leave that check out",
    )
    parser.add_argument(
        "--threads", type=int, action=Bounded, least=1, default=1, metavar="N", help="threads (1)"
    )
    add_runner_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def sample_choice(args: argparse.Namespace) -> SampleChoice:
    """The `SampleChoice` that the arguments describe; UsageError for one that is none."""
    from edgemnv2 import SampleChoice

    choice = SampleChoice(
        args.images, args.inputs, args.random, args.seed, args.limit, args.preprocess
    )
    choice.check()
    return choice


def run(args: argparse.Namespace) -> int:
    """Verify; 0 when every output matches, else 1."""
    import edgemnv2
    from edgemnv2.errors import UsageError

    samples, place = sample_choice(args), place_of(args)
    if args.input_shape and args.model is None:
        raise UsageError("--input-shape: is of a model (give MODEL behind the artefact)")
    artifact = edgemnv2.open_artifact(args.artifact)
    with Bar("verify", "sample") as bar:
        result = edgemnv2.verify(
            artifact,
            samples,
            model=args.model,
            input_shapes=input_shapes(args),
            place=place,
            threads=args.threads,
            progress=bar.update,
            against_source=args.against_source,
        )
    if args.json:
        ends = {
            "artifact": str(args.artifact),
            "name": artifact.name,
            "target": artifact.target.name,
        }
        facts = result.to_dict()
        why = facts["not_against_source"]
        facts["not_against_source"] = None if why is None else as_flags(why)
        print(json.dumps({**ends, **facts}))
        return 0 if result.passed else 1
    verdict = "exact" if result.exact else f"max |error| {result.max_abs_error:.3g}"
    near_ties = sum(end.near_ties for end in result.outputs)
    if near_ties:
        values = sum(end.elements for end in result.outputs)
        verdict += f", near ties {near_ties:,} of {values:,} values"
    print(f"runner     {result.runner}")
    print(f"reference  {result.reference}")
    print("\n".join(_source_lines(result)))
    print(f"samples    {result.samples}, {_samples_text(result)}")
    for end in result.outputs if len(result.outputs) > 1 else ():
        says = "exact" if end.exact else f"max |error| {end.max_abs_error:.3g}"
        says += f", near ties {end.near_ties:,}" if end.near_ties else ""
        print(f"output     {end.name}: {'passed' if end.passed else 'FAILED'}, {says}")
    if not result.exact:
        print(f"tolerance  {result.tolerance:.3g}")
    if result.top1_agreement is not None:
        sides = artifact.task.kind == "segmenter" and artifact.task.least is not None
        what = "on the same side of the threshold" if sides else "same first class"
        print(f"agreement  {result.top1_agreement:.1f} % {what}")
    if result.top1 is not None:
        print(f"top-1      {result.top1:.1f} %   top-5 {result.top5:.1f} %")
    if result.stack_bytes is not None:
        print(f"stack      {result.stack_bytes} bytes")
    print(f"{'PASSED' if result.passed else 'FAILED'}     {verdict}")
    if result.against_source is not None and not result.against_source.passed:
        print(_fault_text(result.against_source))
    if result.first_divergence:
        print(_divergence_text(result.first_divergence))
    return 0 if result.passed else 1


def _samples_text(result: VerifyResult) -> str:
    """How the samples' outputs are, in the words of the verdict."""
    if result.exact:
        return "every output equal to the bit"
    near_ties = sum(end.near_ties for end in result.outputs)
    if near_ties and all(end.passed for end in result.outputs):
        return f"in {result.different_samples} the last bits of floats decide otherwise"
    # Against the source file it may have failed all the same.
    if all(end.passed for end in result.outputs):
        return "every output within the tolerance"
    return f"{result.different_samples} with another output"


def _source_lines(result: VerifyResult) -> list[str]:
    """What the framework of the source says."""
    found = result.against_source
    if found is None:
        why = result.not_against_source
        return [f"source     not checked: {as_flags(why)}"] if why else []
    verdict = "equal" if not found.different else f"{found.different} differ"
    if found.different and found.passed:
        verdict += f" (by {found.max_abs_error:.3g} at most)"
    lines = [
        f"source     {found.framework}: {found.samples} samples, {found.elements:,} values, "
        f"{verdict}"
    ]
    if found.reason is not None:
        lines += [
            f"           {found.reason}",
            f"           layer by layer {found.layer_different:,} of {found.layer_elements:,} "
            f"values differ; same first class {found.same_class:.1f} %",
        ]
    return lines


def _fault_text(found: SourceCheck) -> str:
    where = ""
    if found.layer is not None:
        where = f"first at layer {found.layer} (in the file {found.tensor!r}); "
    return (
        f"edgemnv2's reference is not what {found.framework} computes: {where}this is a fault of "
        "edgemnv2's import, please report it"
    )


def _divergence_text(found: dict[str, object]) -> str:
    if found["layer"] is None:
        return f"the layer could not be found: {as_flags(str(found['reason']))}"
    return (
        f"first layer that differs: {found['layer']} ({found['op']}), "
        f"{found['different']} of {found['elements']} elements, first at {found['position']}: "
        f"expected {found['expected']}, got {found['actual']}"
    )
