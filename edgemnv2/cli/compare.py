"""`edgemnv2 compare`: two artefacts, benches or reports beside each other."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.words import as_flags

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 compare old new
edgemnv2 compare before.json after.json --max-arena +0 --max-instructions +1%
edgemnv2 compare main.jsonl branch.jsonl --max-flash 512K --max-top1 +0.5 --markdown
"""
# Figure, what the help says of its limit. Spelled here, so that --help imports nothing.
LIMITS = {
    "arena": "RAM that the caller brings",
    "stream-arena": "the same where the caller feeds the image row by row",
    "stack": "stack of one inference",
    "flash": "constants and code",
    "instructions": "instructions of one inference",
    "cycles": "cycles of one inference",
    "seconds": "time of one inference",
    "layer": "cost of every single layer",
    "top1": "points of top-1 that may be lost",
    "agreement": "points of agreement with the reference that may be lost",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `compare`."""
    what = "an artefact, JSON of compile, verify or bench (.json, .jsonl), a report's page, or a "
    parser.add_argument("before", type=Path, help=what + "folder of these")
    parser.add_argument("after", type=Path, help="the same, later")
    group = parser.add_argument_group(
        "limits",
        "A change: +0, +1%, +2K, =-5% (must shrink); or a figure outright: 256K. "
        "Exit code 1 where one is exceeded, or a network is gone.",
    )
    for name, words in LIMITS.items():
        group.add_argument(f"--max-{name}", metavar="LIMIT", help=words)
    parser.add_argument(
        "--layers",
        type=int,
        action=Bounded,
        least=0,
        default=10,
        metavar="N",
        help="changed layers shown (10)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="for a pull request")
    form.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Compare and print; 1 where a limit is exceeded."""
    from edgemnv2.report.comparison import compare
    from edgemnv2.report.comparison_text import as_markdown, as_text

    given = {_dest(name): getattr(args, f"max_{_dest(name)}") for name in LIMITS}
    limits = {name: text for name, text in given.items() if text is not None}
    found = compare(args.before, args.after, limits)
    if args.json:
        print(json.dumps(found.to_dict()))
    else:
        words = as_markdown if args.markdown else as_text
        print(as_flags(words(found, args.layers)).rstrip())
    return int(found.exceeded)


def _dest(name: str) -> str:
    return name.replace("-", "_")
