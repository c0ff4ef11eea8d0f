"""`python -m tests.interruptions [--moments N] [--verb V] [--fault F]`: verbs that are stopped.

Every verb that writes is stopped at N of its file operations, drawn at random: killed,
interrupted, out of room, in a folder that becomes read-only. What is left must be the old or the
new, whole; logs must load; the next run must work. Exit code 1 where it is not so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.interruptions.stopping import FAULTS, Stand
from tests.interruptions.verbs import VERBS


def main(arguments: list[str] | None = None) -> int:
    """Stop them all, and print what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.interruptions", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--moments", type=int, default=50, metavar="N", help="of each verb (50)")
    parser.add_argument("--verb", choices=tuple(VERBS), action="append")
    parser.add_argument("--fault", choices=FAULTS, action="append")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    random = np.random.default_rng(args.seed)
    problems = []
    with tempfile.TemporaryDirectory(prefix="edgemnv2-stop-") as name:
        stand = Stand(Path(name))
        for verb in args.verb or VERBS:
            count = stand.operations(verb)
            faults = args.fault or FAULTS
            for number in range(args.moments):
                at = int(random.integers(1, count + 1))
                problem = stand.fault_of(verb, faults[number % len(faults)], at)
                if problem:
                    problems.append(problem)
                    print(problem, file=sys.stderr, flush=True)
            print(f"{verb}: {count} operations, stopped at {args.moments}", flush=True)
    print(f"{len(problems)} problems: {'FAILED' if problems else 'PASSED'}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
