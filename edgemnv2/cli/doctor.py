"""`edgemnv2 doctor`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemnv2.runners.doctor import Check, Purpose

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = "edgemnv2 doctor\nedgemnv2 doctor --tools"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    parser.add_argument("--tools", action="store_true", help="a line a tool instead of a purpose")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print every purpose, or every tool; 0 when all that is required is there, else 1."""
    from edgemnv2.api import doctor, purposes

    checks = doctor()
    known = purposes(checks)
    broken = any(check.required and check.problem for check in checks)
    if args.json:
        able = {purpose.words: purpose.good for purpose in known}
        facts = {"good": not broken, "checks": [x.to_dict() for x in checks], "purposes": able}
        print(json.dumps(facts))
    elif args.tools:
        print("\n".join(_tool_lines(checks)))
    else:
        print("\n".join(_purpose_lines(known)))
    return int(broken)


def _purpose_lines(known: tuple[Purpose, ...]) -> list[str]:
    width = max(len(f"to {purpose.words}:") for purpose in known)
    lines = []
    for purpose in known:
        head = f"to {purpose.words}:".ljust(width)
        if purpose.good:
            tools = ", ".join(f"{x.name} {x.version}".strip() for x in purpose.tools)
            lines.append(f"ok       {head}  {tools}")
            continue
        # Tools of one package come together.
        remedies = list(dict.fromkeys(x.remedy for x in purpose.lacking))
        problems = "; ".join(f"{x.name} {x.problem}" for x in purpose.lacking)
        mark = "BROKEN " if any(x.required or x.found for x in purpose.lacking) else "missing"
        lines.append(f"{mark}  {head}  {problems}: {_joined(remedies)}")
    return lines


def _joined(remedies: list[str]) -> str:
    """One command for what one program installs."""
    apt = [x.removeprefix("apt install ") for x in remedies if x.startswith("apt install ")]
    others = [x for x in remedies if not x.startswith("apt install ")]
    return " && ".join([*([f"apt install {' '.join(apt)}"] if apt else []), *others])


def _tool_lines(checks: tuple[Check, ...]) -> list[str]:
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        if not check.problem:
            lines.append(f"ok       {check.name:{width}}  {check.version:14}  {check.purpose}")
            continue
        mark = "BROKEN " if check.required or check.found else "missing"
        lines.append(
            f"{mark}  {check.name:{width}}  {check.problem}; needed for {check.purpose}: "
            f"{check.remedy}"
        )
    return lines
