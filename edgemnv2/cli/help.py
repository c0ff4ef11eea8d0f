"""`edgemnv2 help`: the pages in `edgemnv2/help`, and the options of a verb."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path

__all__ = ["EXAMPLES", "FOLDER", "add_arguments", "run", "topics"]

EXAMPLES = """
edgemnv2 help
edgemnv2 help words
edgemnv2 help compile
"""
FOLDER = Path(__file__).resolve().parent.parent / "help"


def topics() -> dict[str, str]:
    """The heading of every page, by topic."""
    found = {}
    for path in sorted(FOLDER.glob("*.md")):
        with path.open(encoding="utf-8") as page:
            found[path.stem] = page.readline().removeprefix("#").strip()
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `help`."""
    parser.add_argument("topic", nargs="?", help="a topic, or a verb (left out: the list)")


def run(args: argparse.Namespace) -> int:
    """Print a page, a verb's help, or the list of topics; exit code 0."""
    from edgemnv2.cli.main import VERBS, make_parser
    from edgemnv2.errors import UsageError

    known = topics()
    if args.topic is None:
        width = max(map(len, known))
        for topic, heading in known.items():
            print(f"{topic:{width}}  {heading}")
        print(f"\nand every verb: {', '.join(VERBS)}")
    elif args.topic in known:
        print((FOLDER / f"{args.topic}.md").read_text(encoding="utf-8"), end="")
    elif args.topic in VERBS:
        make_parser([args.topic]).parse_args([args.topic, "--help"])
    else:
        near = difflib.get_close_matches(args.topic, [*known, *VERBS], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"no topic {args.topic!r} (there are {', '.join(known)}, and the verbs){hint}"
        )
    return 0
