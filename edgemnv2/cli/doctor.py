"""`edgemnv2 doctor`."""

from __future__ import annotations

import argparse
import json

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = "edgemnv2 doctor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print every tool; 0 when all that is required is there, else 1."""
    from edgemnv2.api import doctor

    checks = doctor()
    broken = any(check.required and check.problem for check in checks)
    if args.json:
        print(json.dumps({"good": not broken, "checks": [check.to_dict() for check in checks]}))
        return int(broken)
    width = max(len(check.name) for check in checks)
    for check in checks:
        if not check.problem:
            print(f"ok       {check.name:{width}}  {check.version:14}  {check.purpose}")
        else:
            mark = "BROKEN " if check.required or check.found else "missing"
            print(
                f"{mark}  {check.name:{width}}  {check.problem}; needed for {check.purpose}: "
                f"{check.remedy}"
            )
    return int(broken)
