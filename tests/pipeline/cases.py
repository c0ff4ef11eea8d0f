"""Every shared case (../shared/cases) compiled, timed, verified against its own framework:
`python -m tests.pipeline.cases [--target NAME]... [FILE]...`.

Without names all recipes, reports and Keras files on the host, and those of integers on the boards.
One line a file and target: the seconds that `compile_model` took, by the clock and of the
processor (on a machine that has nothing else to do they are one), what the network's own framework
says of our reference, and whether the compiled code is the reference. The Keras files are held
against what Keras's `predict` gave (stored beside them). Exit code 1 where one is wrong, refused
though it should not be, or takes `MOST_SECONDS` of one processor or longer to compile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemnv2.check.source import check_source
from edgemnv2.check.verify import verify
from edgemnv2.errors import DoesNotFit, EdgeError, InputError
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner, runner_for
from edgemnv2.samples.images import to_nhwc, to_source
from edgemnv2.samples.inputs import SampleChoice, random_set
from tests.frontend.test_cases import CASES, REFUSED
from tests.networks.compiled import TARGETS

__all__ = ["Found", "main", "try_case"]

MOST_SECONDS = 60.0
KERAS = (".h5", ".keras")
CANCELLING = ("k2_tutorial_sigmoid.h5", "k3_tutorial_sigmoid.keras")
"""Their logits are differences of numbers of 1e7: `verify` says that such outputs cannot be
compared, `tests/frontend/test_keras.py` of what size their noise is."""


@dataclass(frozen=True)
class Found:
    """What became of one file on one target."""

    file: str
    target: str
    passed: bool
    text: str
    seconds: float = 0.0
    worked: float = 0.0

    def __str__(self) -> str:
        took = f"{self.seconds:.1f} s, {self.worked:.1f} s" if self.seconds else "-"
        return f"| {self.file} | {self.target} | {took} | {self.text} |"


def try_case(path: Path, target: str, folder: Path) -> Found | None:
    """Compile and verify one file; None where the target does not run such networks."""
    try:
        graph = lower(load_model(path))
    except EdgeError as error:
        expected = path.name in REFUSED
        return Found(path.name, target, expected, f"refused: {str(error).splitlines()[0]}")
    integer = graph.is_integer and any(x.quant for x in graph.tensors.values())
    if target != "host" and not integer:
        return None
    started, before = time.perf_counter(), _processor_seconds()
    try:
        artifact = compile_model(path, target, folder / "net")
    except DoesNotFit as error:
        return Found(path.name, target, True, f"does not fit: {str(error).splitlines()[0]}")
    except EdgeError as error:
        return Found(path.name, target, False, str(error).splitlines()[0])
    seconds, worked = time.perf_counter() - started, _processor_seconds() - before
    board = target.startswith("mps")
    runner = make_runner("qemu-system") if board else runner_for(artifact)
    try:
        compiled = verify(artifact, runner, SampleChoice(random=1))
    except InputError as error:
        cancelling = path.name in CANCELLING and "cancel to" in str(error)
        return Found(path.name, target, cancelling, str(error).splitlines()[0], seconds, worked)
    finally:
        shutil.rmtree(folder / "net")
    exact = "to the bit" if compiled.exact else f"within {compiled.max_abs_error:.2g}"
    # The reference is one for all targets: it is held against the framework where it is its own.
    right, source = (True, "as on the host") if target != "host" else _source(graph, path)
    # What a machine with other work to do takes longer for is no work of ours.
    passed = compiled.passed and right and worked < MOST_SECONDS
    said = f"code {exact if compiled.passed else f'WRONG: {compiled.first_divergence}'}; {source}"
    return Found(path.name, target, passed, said, seconds, worked)


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for, on all cores."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _source(graph: Graph, path: Path) -> tuple[bool, str]:
    """What the file's own framework says of our reference."""
    if path.suffix in KERAS:
        gap = _keras_gap(graph, path)
        return path.name in CANCELLING or gap <= 1e-4, f"predict within {gap:.2g} of the largest"
    found = check_source(graph, path, random_set(graph, 1, 0).arrays)
    if not found.passed:
        return False, f"{found.framework} WRONG: {found}"
    if found.judged_by == "layers":
        return True, f"{found.framework} layer by layer ({found.reason})"
    return True, f"{found.framework} within {found.max_abs_error:.2g}"


def _keras_gap(graph: Graph, path: Path) -> float:
    """The largest gap to the stored outputs, as a share of the largest of them."""
    stored = np.load(path.with_suffix(".npz"))
    values = run(graph, to_nhwc(stored["x"], graph.input_specs[0]))
    gaps = []
    for index, (name, spec) in enumerate(zip(graph.outputs, graph.output_specs, strict=True)):
        theirs = stored[f"y{index}"]
        ours = to_source(values[name], spec).reshape(theirs.shape)
        gaps.append(float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
    return max(gaps)


def main(arguments: list[str] | None = None) -> int:
    """Try the cases and print a table; exit code 1 unless all are right."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.pipeline.cases", description=__doc__.splitlines()[0]
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="names of files; all without")
    parser.add_argument("--target", action="append", choices=TARGETS)
    args = parser.parse_args(arguments)
    kinds = (".tflite", ".onnx", *KERAS)
    paths = sorted(x for x in CASES.rglob("*") if x.suffix in kinds)
    wanted = [x for x in paths if not args.files or x.name in args.files]
    failed, slowest, count = [], 0.0, 0
    print("| file | target | compiled in, of the processor's time | verified |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for target in args.target or TARGETS:
            for path in wanted:
                found = try_case(path, target, Path(name))
                if found is None:
                    continue
                print(found, flush=True)
                count, slowest = count + 1, max(slowest, found.worked)
                failed += [] if found.passed else [f"{found.file} on {found.target}"]
    print(f"\n{count} tried, slowest compilation {slowest:.1f} s of the processor")
    print(f"{len(failed)} failed {failed}")
    return int(bool(failed) or not count)


if __name__ == "__main__":
    sys.exit(main())
