"""Which blocks of code ran how often, and in what order: the QEMU plugin `runtime/trace_plugin.c`.

A block is what the emulator translates at once: a run of instructions that ends with a branch, or
where a page ends. The same code may be translated several times; here it is one block again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.codegen.elf import read_elf
from edgemnv2.errors import RunnerError, reason
from edgemnv2.runners.insn_plugin import built_plugin, mark_address

__all__ = ["Block", "BlockTrace", "Section", "foreign_trace_arguments", "trace_arguments"]

SOURCE = Path(__file__).resolve().parent.parent / "runtime" / "trace_plugin.c"
_OUTPUT = "blocks.txt"


@dataclass(frozen=True)
class Block:
    """So many instructions at an address, as the core reads them."""

    address: int
    instructions: int
    code: bytes


@dataclass(frozen=True)
class Section:
    """What ran between two marks: executions of each block, and of each pair in a row, by index."""

    executions: Mapping[int, int]
    edges: Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class BlockTrace:
    """All blocks of a run, and its sections; the first ends at the first mark."""

    blocks: tuple[Block, ...]
    sections: tuple[Section, ...]

    @classmethod
    def read(cls, folder: Path) -> BlockTrace:
        """What the plugin wrote into `folder`; RunnerError where it is no such file."""
        found: dict[Block, int] = {}
        names: dict[str, int] = {}
        sections: list[Section] = []
        executions: dict[int, int] = {}
        pairs: list[tuple[str, str, int]] = []
        try:
            with (folder / _OUTPUT).open(encoding="ascii") as lines:
                for line in lines:
                    kind, *words = line.split()
                    if kind == "D":
                        block = Block(int(words[1], 16), int(words[2]), bytes.fromhex(words[3]))
                        names[words[0]] = found.setdefault(block, len(found))
                    elif kind == "B":
                        index = names[words[0]]
                        executions[index] = executions.get(index, 0) + int(words[1])
                    elif kind == "E":
                        pairs.append((words[0], words[1], int(words[2])))
                    else:
                        sections.append(Section(executions, _edges(pairs, names)))
                        executions, pairs = {}, []
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise RunnerError(
                f"QEMU: the plugin that traces blocks wrote no trace ({reason(error)})"
            ) from (error)
        return cls(tuple(found), tuple(sections))


def _edges(
    pairs: list[tuple[str, str, int]], names: Mapping[str, int]
) -> dict[tuple[int, int], int]:
    edges: dict[tuple[int, int], int] = {}
    for start, end, count in pairs:
        pair = names[start], names[end]
        edges[pair] = edges.get(pair, 0) + count
    return edges


def trace_arguments(emulator: str, program: Path, folder: Path) -> tuple[str, ...]:
    """QEMU's arguments for the plugin with a program of ours; its file will lie in `folder`."""
    mark = mark_address(read_elf(program), program)
    return _arguments(emulator, f"mark={mark:x}", folder)


def foreign_trace_arguments(emulator: str, call: int, folder: Path) -> tuple[str, ...]:
    """The same for another program, which marks by the system call number `call`."""
    return _arguments(emulator, f"syscall={call}", folder)


def _arguments(emulator: str, mark: str, folder: Path) -> tuple[str, ...]:
    return "-plugin", f"{built_plugin(emulator, SOURCE)},{mark},out={folder / _OUTPUT}"
