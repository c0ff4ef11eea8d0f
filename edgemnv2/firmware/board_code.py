"""The start code and console of a board: C by chip family, with the board's own facts beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edgemnv2.codegen.emit import runtime_file
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.errors import TargetError
from edgemnv2.firmware.fit import firmware_places
from edgemnv2.firmware.parts import Files, Parts
from edgemnv2.firmware.templates import read_template

__all__ = ["CHIPS", "board_facts_header", "board_files", "chip_sources", "flash_commands"]

CHIPS = ("cmsdk", "nrf52840", "stm32f4", "stm32f7", "stm32h7", "stm32l4")
_INCLUDE = re.compile(r'^#include "(.+)"$', re.MULTILINE)
FACTS = "board_facts.h"


def board_files(parts: Parts, folder: str) -> Files:
    """All that makes a program of the network on a bare Cortex-M, into `folder`.

    Linker script, start code, main program; the board's own driver where we know its chip, and the
    debugger's console for whoever asks for it.
    """
    names = ["board.h", "semihosting.c"]
    chip = parts.board.get("chip")
    if chip is not None:
        names += chip_sources(str(chip))
    files = {name: read_template(f"board/{name}").encode() for name in sorted(set(names))}
    if chip is not None:
        files[FACTS] = board_facts_header(parts.artifact.target.description, parts.board).encode()
    files["board.ld"] = linker_script(
        parts.artifact.target, firmware_places(parts.artifact)
    ).encode()
    files["startup.c"] = runtime_file("startup.c").read_bytes()
    files["main_board.c"] = parts.c("board/main_board.c")
    return {f"{folder}/{name}": content for name, content in files.items()}


def chip_sources(chip: str) -> list[str]:
    """The templates that the driver of `chip` consists of, but for the board's facts."""
    if chip not in CHIPS:
        raise TargetError(f"boards.toml: chip {chip!r} (must be one of {', '.join(CHIPS)})")
    found: list[str] = []
    waiting = [f"{chip}.c"]
    while waiting:
        name = waiting.pop()
        if name in found or name == FACTS:
            continue
        found.append(name)
        waiting += _INCLUDE.findall(read_template(f"board/{name}"))
    return sorted(found)


def board_facts_header(description: str, board: Mapping[str, Any]) -> str:
    """`board_facts.h`: BOARD_KEY for each fact of boards.toml."""
    lines = [f"/* {description}.", f" * {board['manual']}. */"]
    lines += ["#ifndef EDGEMNV2_BOARD_FACTS_H", "#define EDGEMNV2_BOARD_FACTS_H", ""]
    for key, value in sorted(board["facts"].items()):
        spelled = f"{value:#x}u" if key == "uart" else f"{value}u"
        lines.append(f"#define BOARD_{key.upper()} {spelled}")
    return "\n".join([*lines, "", "#endif", ""])


def flash_commands(parts: Parts, program: str) -> list[str]:
    """Commands that put `program` (without its ending) on the board, each sufficient by itself."""
    return [
        command.format(elf=f"{program}.elf", bin=f"{program}.bin")
        for command in parts.board.get("flash", ())
    ]
