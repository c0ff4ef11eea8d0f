"""`python -m tests.fuzz [--count N] [--start SEED] [--shared]`: damaged files, and what they did.

Every seed is one damaged ONNX, TFLite, HDF5, Keras, TOML, tuning log, artefact, npz or image file.
It goes through import, lowering and planning; a network that is accepted is compiled and run. A
fault is a traceback, a crash, more than 2 GiB, more than 10 seconds (compile: 60), a wrong value, a
message that does not name the file, or anything left behind. Exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.originals import KINDS
from tests.fuzz.pool import Outcome, run_seeds

__all__ = ["main", "summary"]


def summary(outcomes: list[Outcome]) -> str:
    """A table of kinds and words, and every fault with its seed."""
    counts = Counter((x.kind, x.word) for x in outcomes)
    words = sorted({x.word for x in outcomes})
    lines = ["".join(f"{x:>10}" for x in ("", *words))]
    for kind in sorted({x.kind for x in outcomes}):
        lines.append("".join(f"{x:>10}" for x in (kind, *(counts[kind, w] for w in words))))
    faults = [x for x in outcomes if x.is_fault]
    lines += [f"seed {x.seed} {x.kind}: {x.word}: {x.text}" for x in faults]
    verdict = "FAILED" if faults else "PASSED"
    return "\n".join([*lines, f"{len(outcomes)} files, {len(faults)} faults: {verdict}"])


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds and print the summary."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0, metavar="SEED")
    parser.add_argument("--step", type=int, default=1, help="every how many seeds")
    parser.add_argument("--kind", choices=sorted(set(KINDS)), help="this kind alone")
    parser.add_argument("--shared", action="store_true", help="also damage ../shared/cases")
    parser.add_argument(
        "--compile-every", type=int, default=1, metavar="K", help="compile one network of K (1)"
    )
    args = parser.parse_args(arguments)
    seeds = range(args.start, args.start + args.count * args.step, args.step)
    chosen = [x for x in seeds if args.kind in (None, KINDS[x % len(KINDS)])]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="edgemnv2-fuzz-") as folder:
        for outcome in run_seeds(
            chosen, Path(folder), shared=args.shared, compile_every=args.compile_every
        ):
            outcomes.append(outcome)
            if outcome.is_fault or len(outcomes) % 500 == 0:
                last = f"seed {outcome.seed} {outcome.kind}: {outcome.word} {outcome.text}"
                print(f"{len(outcomes)} of {len(chosen)}; {last}", file=sys.stderr, flush=True)
    print(summary(outcomes))
    return int(any(x.is_fault for x in outcomes))


if __name__ == "__main__":
    sys.exit(main())
