"""`edgemnv2 report`: artefacts and their results as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = (
    "edgemnv2 report build/digits -o report.html\n"
    "edgemnv2 report build/a build/b --results verify.json bench.json -o report.html"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `report`."""
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="ART", help="artefact folders")
    parser.add_argument(
        "--results",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="FILE",
        help="what verify, bench, tune or run (of pictures) printed under --json",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE.html"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the page and prints its path; exit code 0."""
    from edgemnv2.api import write_whole
    from edgemnv2.report import report

    content = report(args.artifacts, args.results)
    write_whole(args.output, content.encode("utf-8"), "output")
    print(args.output)
    return 0
