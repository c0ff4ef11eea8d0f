"""This project's own figures against those of its last release, by its own `compare`.

    python -m tests.safeguards.figures           measure and compare; exit code 1 where it is worse
    python -m tests.safeguards.figures --write   make release.jsonl anew, at a release

`--only TARGET` (as often as wanted) takes a part of the list. `release.jsonl` has what `bench
--per-layer --json` printed then, a line a network and target. Instructions are counted in the
emulator, so they are the same on every machine; what the C compiler adds of its own is within the
limit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.safeguards.hashes import REPOSITORY

RELEASE = Path(__file__).with_name("release.jsonl")
RUNS = (
    ("digits-int8", "mps2-an386"),
    ("digits-int8", "mps2-an500"),
    ("digits-int8", "mps3-an547"),
    ("digits-int8", "rpi4"),
    ("digits", "rpi4"),
)
"""Network and target: one of each family of kernels that an emulator here counts."""
LIMITS = ("--max-arena", "+0", "--max-stack", "+64", "--max-flash", "+1%")
COUNTS = ("--max-instructions", "+1%")
# Layers take a few thousand instructions, so that a compiler's whim shows.
LAYERS = ("--max-layer", "+5%")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """This checkout's command line."""
    return subprocess.run(
        [sys.executable, "-m", "edgemnv2.cli.main", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def measure(targets: Sequence[str] = ()) -> list[str]:
    """A line of JSON a run; RuntimeError where the command fails."""
    lines = []
    for network, target in RUNS:
        if targets and target not in targets:
            continue
        with tempfile.TemporaryDirectory() as folder:
            compiled = command("compile", network, "--target", target, "-o", f"{folder}/net")
            done = command("bench", f"{folder}/net", "--per-layer", "--json")
        if compiled.returncode or done.returncode:
            raise RuntimeError(f"{network} for {target}: {compiled.stderr}{done.stderr}")
        content = json.loads(done.stdout)
        # Functions are many, and their names change with every kernel.
        content.pop("functions")
        # The folder was a temporary one.
        content["artifact"] = content.pop("name")
        lines.append(json.dumps(content))
    return lines


def compare(now: Sequence[str], targets: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """What `compare` says of the release and of `now`, within the limits above."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "release.jsonl", Path(folder) / "now.jsonl"
        stored = RELEASE.read_text(encoding="utf-8").splitlines()
        kept = [x for x in stored if not targets or json.loads(x)["target"] in targets]
        before.write_text("\n".join(kept), encoding="utf-8")
        after.write_text("\n".join(now), encoding="utf-8")
        # No stack is measured on Linux.
        bare = all(json.loads(line)["stack_bytes"] is not None for line in kept)
        limits = [*(LIMITS if bare else (*LIMITS[:2], *LIMITS[4:])), *COUNTS, *LAYERS]
        return command("compare", str(before), str(after), *limits)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.safeguards.figures", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--write", action="store_true", help="make release.jsonl anew")
    parser.add_argument("--only", action="append", default=[], metavar="TARGET")
    args = parser.parse_args(arguments)
    now = measure(args.only)
    if args.write:
        RELEASE.write_text("\n".join(now) + "\n", encoding="utf-8", newline="\n")
        return 0
    done = compare(now, args.only)
    print(done.stdout, done.stderr, sep="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
