"""`edgemnv2 report`: artefacts and their results as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = (
    "edgemnv2 report build/digits -o report.html\n"
    "edgemnv2 report build/a build/b --results verify.json bench.json -o report.html\n"
    "edgemnv2 report build/digits --format model-explorer -o digits.json"
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
        help="what verify, bench, tune, quantize or run (of pictures) printed under --json",
    )
    parser.add_argument(
        "--format",
        choices=("html", "model-explorer"),
        default="html",
        help="a page, or graphs for Google's Model Explorer with a file a figure to colour them "
        "by (html)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="report.html, or model.json"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the page or the graphs and prints their paths; exit code 0."""
    from edgemnv2.api import check_writable, write_whole
    from edgemnv2.report.document import report
    from edgemnv2.report.load import files_read
    from edgemnv2.report.model_explorer import explorer_files

    page = args.format == "html"
    output = args.output or Path("report.html" if page else "model.json")
    read = files_read(args.artifacts, args.results)
    check_writable(output, "output", read)
    if page:
        files = {output.name: report(args.artifacts, args.results)}
    else:
        files = explorer_files(args.artifacts, args.results, output.stem)
    paths = {output.with_name(name): content for name, content in files.items()}
    for path in paths:
        check_writable(path, "output", read)
    for path, content in paths.items():
        write_whole(path, content.encode(), "output")
        print(path)
    return 0
