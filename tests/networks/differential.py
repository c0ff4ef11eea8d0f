"""Random networks under their own framework and under our reference: `python -m
tests.networks.differential [--onnx] [--count N] [--start SEED] [--compile TARGET --every K]`.

Prints what became of them, and how many *accepted* networks held each cell of the vocabulary
(operator, attribute, type). A cell that no accepted network held is a failure, as a wrong value, a
crash or too many refusals are, so that refusing is no way to pass. Needs LiteRT.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.errors import DoesNotFit, EdgeError
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from edgemnv2.samples.images import to_nhwc
from edgemnv2.target import load_target
from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.random_builder import RandomNet
from tests.networks.random_onnx import random_onnx
from tests.networks.random_tflite import random_network

__all__ = ["Outcome", "Summary", "compare_network", "compile_network", "main"]

SAMPLES = 2
FLOAT_TOLERANCE = 1e-4
MOST_SECONDS = 20
MOST_REFUSED = 0.01


@dataclass(frozen=True)
class Outcome:
    """`kind` "ok", "wrong", "refused", "crash", "hang", "theirs" where their framework refuses it.

    Or "range" where they differ since values left the range of float32: LiteRT's ADD makes the
    largest float of infinity, and neither is right.
    """

    kind: str
    text: str = ""


@dataclass
class Summary:
    """Counts by kind, texts of what went wrong, accepted networks by cell, all cells seen."""

    kinds: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    cells: set[str] = field(default_factory=set)

    def add(self, seed: int, net: RandomNet, outcome: Outcome) -> None:
        """Count one network."""
        self.kinds[outcome.kind] += 1
        if outcome.kind in ("theirs", "range"):
            return
        self.cells |= net.used
        if outcome.kind == "ok":
            self.accepted.update(net.used)
        elif outcome.kind == "refused":
            self.texts[re.sub(r"'[^']*'|\d+", "#", outcome.text)[:160]] += 1
        else:
            self.texts[f"{outcome.kind}, seed {seed}: {outcome.text} {sorted(net.used)}"] += 1

    @property
    def empty(self) -> list[str]:
        """Cells that no accepted network held."""
        return sorted(cell for cell in self.cells if not self.accepted[cell])

    @property
    def passed(self) -> bool:
        """Nothing wrong, few refusals, no cell empty."""
        tried = sum(n for kind, n in self.kinds.items() if kind not in ("theirs", "range"))
        bad = self.kinds["wrong"] + self.kinds["crash"] + self.kinds["hang"]
        return not bad and not self.empty and self.kinds["refused"] <= MOST_REFUSED * tried


@contextmanager
def _limit(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def compare_network(net: RandomNet, seed: int, folder: Path) -> Outcome:
    """The outcome of one network."""
    samples = random_samples(net.shape, net.dtype, SAMPLES, seed)
    try:
        framework = litert if net.suffix == ".tflite" else onnxruntime_outputs
        theirs = framework(net.blob, samples)[0]
    except Exception as error:  # each has its own
        return Outcome("theirs", str(error).splitlines()[-1])
    try:
        with _limit(MOST_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph, ours = reference(net.blob, net.suffix, samples, folder)
    except EdgeError as error:
        return Outcome("refused", str(error))
    except TimeoutError:
        return Outcome("hang")
    except Exception as error:  # that is what is looked for
        return Outcome("crash", f"{type(error).__name__}: {error}"[:200])
    if ours.dtype != theirs.dtype or ours.size != theirs.size:
        return Outcome("wrong", f"{ours.dtype} {ours.shape}, theirs {theirs.dtype} {theirs.shape}")
    theirs = theirs.reshape(ours.shape)
    if net.dtype != "float32":
        different = int((ours != theirs).sum())
        return Outcome("wrong", f"{different} of {ours.size}") if different else Outcome("ok")
    finite = np.isfinite(theirs)
    gap = np.abs(ours[finite].astype(np.float64) - theirs[finite])
    allowed = FLOAT_TOLERANCE * max(float(np.abs(theirs[finite]).max(initial=0.0)), 1e-6)
    bad = not (gap <= allowed).all() or not np.array_equal(np.isfinite(ours), finite)
    if not bad:
        return Outcome("ok")
    if not np.isfinite(ours).all() and not _stays_finite(graph, samples):
        return Outcome("range")
    return Outcome("wrong", f"by {gap.max(initial=0.0):.3g}")


def _stays_finite(graph: Graph, samples: list[Any]) -> bool:
    """Whether no inner value is infinite or no number."""
    values = run(graph, to_nhwc(np.concatenate(samples), graph.input_specs[0]))
    inner = [x for name, x in values.items() if name not in graph.outputs]
    return all(np.isfinite(x).all() for x in inner if x.dtype.kind == "f")


def compile_network(net: RandomNet, seed: int, target: str, folder: Path) -> Outcome:
    """The outcome of compiling one network that our reference accepts, and of running it."""
    if net.dtype == "float32" and load_target(target).is_bare_metal:
        return Outcome("ok")  # Cortex-M runs integers
    source, output = folder / f"net{seed}{net.suffix}", folder / f"net{seed}"
    source.write_bytes(net.blob)
    try:
        artifact = compile_model(source, target, output)
        found = verify(artifact, runner_for(artifact), SampleChoice(random=SAMPLES))
    except DoesNotFit:
        return Outcome("theirs", "does not fit the board")
    except Exception as error:  # that is what is looked for
        return Outcome("crash", f"{target}: {type(error).__name__}: {error}"[:300])
    finally:
        shutil.rmtree(output, ignore_errors=True)
        source.unlink()
    passed = found.passed and (found.exact or net.dtype == "float32")
    return Outcome("ok") if passed else Outcome("wrong", f"{target}: {found.first_divergence}")


def main(arguments: list[str] | None = None) -> int:
    """Compare networks and print the summary; exit code 1 unless it passes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.networks.differential", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--start", type=int, default=0, metavar="SEED")
    parser.add_argument("--onnx", action="store_true", help="ONNX instead of TFLite")
    parser.add_argument("--compile", metavar="TARGET", help="also compile and run networks")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="one network of K")
    args = parser.parse_args(arguments)
    summary = Summary()
    with tempfile.TemporaryDirectory() as name:
        for seed in range(args.start, args.start + args.count):
            net = random_onnx(seed) if args.onnx else random_network(seed)
            outcome = compare_network(net, seed, Path(name))
            if args.compile and outcome.kind == "ok" and seed % args.every == 0:
                outcome = compile_network(net, seed, args.compile, Path(name))
            summary.add(seed, net, outcome)
            if sys.stderr.isatty() and seed % 50 == 0:
                print(f"\r{seed} {dict(summary.kinds)}", end="", file=sys.stderr)
    print(dict(sorted(summary.kinds.items())))
    for text, count in summary.texts.most_common(40):
        print(f"{count:6} {text}")
    for cell in sorted(summary.cells):
        print(f"{summary.accepted[cell]:6} {cell}")
    for cell in summary.empty:
        print(f"no accepted network holds {cell}")
    print("PASSED" if summary.passed else "FAILED")
    return int(not summary.passed)


if __name__ == "__main__":
    sys.exit(main())
