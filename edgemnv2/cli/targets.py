"""`edgemnv2 targets`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgemnv2.cli.sizes import size_bytes

if TYPE_CHECKING:
    from edgemnv2.target import Target

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 targets
edgemnv2 targets --ram 256K --flash 1M
edgemnv2 targets rpi4 --json
edgemnv2 targets ./myboard.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `targets`."""
    parser.add_argument("target", nargs="*", help="names or .toml files to check and show (all)")
    for memory in ("ram", "flash"):
        parser.add_argument(
            f"--{memory}",
            type=size_bytes,
            default=0,
            metavar="SIZE",
            help=f"those with at least so much {memory if memory == 'flash' else 'RAM'}: 256K, 1M",
        )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print a table, or everything under --json; exit code 0. Each file is checked."""
    from edgemnv2.api import load_target, target_names

    known = [load_target(name) for name in args.target or target_names()]
    found = [target for target in known if _holds(target, args.ram, args.flash)]
    if args.json:
        print(json.dumps({target.name: target.to_dict() for target in found}))
        return 0
    rows = [("name", "core", "features", "RAM", "flash", "runner", "what")]
    for target in found:
        features = " ".join(sorted(target.cpu.features)) or "-"
        flash = _size(target.flash_bytes) if target.flash_bytes else "-"
        facts = target.cpu.core, features, _size(target.ram_bytes), flash, target.runner
        rows.append((target.name, *facts, target.description))
    print("\n".join(_lines(rows, shutil.get_terminal_size().columns if _is_screen() else None)))
    return 0


def _is_screen() -> bool:
    return sys.stdout.isatty()


def _lines(rows: Sequence[tuple[str, ...]], columns: int | None) -> list[str]:
    """The table; on a screen of so many `columns` that is too narrow, the last one wrapped.

    Where that would have no room, the columns of the processor and the runner are left out.
    """

    def laid(kept: Sequence[int]) -> list[str]:
        widths = [max(len(row[i]) for row in rows) for i in kept]
        return [
            "  ".join(
                row[i].rjust(width) if i in _NUMBERS else row[i].ljust(width)
                for i, width in zip(kept, widths, strict=True)
            )
            for row in rows
        ]

    last = len(rows[0]) - 1
    for left in ((*range(last),), (0, 1, *_NUMBERS), (0, *_NUMBERS)):
        heads = laid(left)
        room = None if columns is None else columns - len(heads[0]) - 2
        if room is None or room >= _LEAST:
            break
    lines: list[str] = []
    for head, row in zip(heads, rows, strict=True):
        first, *more = [row[last]] if room is None else textwrap.wrap(row[last], max(room, _LEAST))
        lines.append(f"{head}  {first}".rstrip())
        lines += [" " * (len(head) + 2) + text for text in more]
    return lines


_LEAST = 32
"""Columns that a description has, to be read."""
_NUMBERS = (3, 4)


def _holds(target: Target, ram: int, flash: int) -> bool:
    """Whether it has so much of both; Linux boards have files instead of flash."""
    enough = target.flash_bytes >= flash or not target.is_bare_metal
    return target.ram_bytes >= ram and enough


def _size(size_bytes: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if size_bytes >= unit and size_bytes % unit == 0:
            return f"{size_bytes // unit} {name}"
    return f"{size_bytes // 1024} KiB"
