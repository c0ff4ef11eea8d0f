"""`edgemnv2 paper`: the MobileNetV2 paper recomputed, on one screen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgemnv2.cli.bounded import Bounded

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = "edgemnv2 paper\nedgemnv2 paper --json\nedgemnv2 paper --plot figure1.svg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `paper`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="also draw figure 1's experiment"
    )
    parser.add_argument(
        "--seed",
        type=int,
        action=Bounded,
        least=0,
        default=2,
        metavar="S",
        help="of figure 1's random matrices",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the tables (or JSON), writes the picture; exit code 0."""
    from edgemnv2.api import check_writable, write_whole
    from edgemnv2.paper.overview import figure_1_svg, paper
    from edgemnv2.paper.text import render

    if args.plot is not None:
        check_writable(args.plot, "plot")
    content = paper(args.seed)
    if args.plot is not None:
        write_whole(args.plot, figure_1_svg(args.seed).encode("utf-8"), "plot")
    print(json.dumps(content, indent=2) if args.json else render(content), end="")
    if args.json:
        print()
    return 0
