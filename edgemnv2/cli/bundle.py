"""`edgemnv2 bundle`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 bundle net --format cmake -o firmware
edgemnv2 bundle net --format arduino -o ~/Arduino/libraries/net
edgemnv2 bundle net-rpi4 --format linux -o pi
edgemnv2 bundle net-wasm --format web --single-file -o page
"""
# Spelled here and not imported, so that --help needs no NumPy; a test compares them.
FORMATS = (
    "arduino",
    "cmake",
    "cmsis-pack",
    "esp-idf",
    "linux",
    "platformio",
    "zephyr",
    "web",
    "all",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bundle`."""
    parser.add_argument("artifact", type=Path, help="the folder that `compile` made")
    parser.add_argument(
        "--format",
        required=True,
        choices=FORMATS,
        metavar="F",
        help=f"{', '.join(FORMATS)} (every one that suits the target)",
    )
    parser.add_argument("-o", "--output", type=Path, help="the new folder (NAME-FORMAT)")
    parser.add_argument(
        "--single-file", action="store_true", help="web: one page that a double click opens"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Write the bundle, and say what is in it."""
    import edgemnv2
    from edgemnv2.errors import UsageError

    if args.single_file and args.format not in ("web", "all"):
        raise UsageError("--single-file: is for --format web (leave it out)")
    artifact = edgemnv2.open_artifact(args.artifact)
    output = args.output or Path(f"{artifact.name}-{args.format}")
    made = edgemnv2.bundle(artifact, args.format, output, single_file=args.single_file)
    if args.json:
        print(
            json.dumps({"bundle": str(made.path), "format": made.format, "files": list(made.files)})
        )
        return 0
    print(f"bundle     {made.path}")
    print(f"format     {made.format}")
    if made.files == ("index.html",):
        print("files      1; open index.html")
        return 0
    whose = "each folder's README.md" if args.format == "all" else "README.md"
    print(f"files      {len(made.files)}; {whose} has the lines that build and run it")
    return 0
