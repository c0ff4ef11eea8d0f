"""Executed guest instructions, exact and repeatable: builds the QEMU plugin and reads its counts.

The plugin's source ships with the package (`runtime/insn_plugin.c`); it is compiled once per QEMU
version, with this machine's compiler, into the user's cache folder.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.cache import cache_folder
from edgemnv2.codegen.elf import Elf, read_elf
from edgemnv2.codegen.toolchain import host_compiler
from edgemnv2.errors import RunnerError, ToolchainError

__all__ = ["MARK", "InstructionCounter", "built_plugin", "mark_address", "qemu_version"]

SOURCE = Path(__file__).resolve().parent.parent / "runtime" / "insn_plugin.c"
MARK = "edgemnv2_mark"
WAITING = ("edgemnv2_await_core", "edgemnv2_core_wait")
"""Functions in which a core waits for the other one: no work."""
_OLDEST_QEMU = (7, 0)


def qemu_version(emulator: str) -> tuple[int, int]:
    """(major, minor) of a QEMU program."""
    result = subprocess.run([emulator, "--version"], capture_output=True, text=True)
    match = re.search(r"version (\d+)\.(\d+)", result.stdout)
    if not match:
        raise RunnerError(f"{emulator}: does not tell its version (is it QEMU?)")
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class InstructionCounter:
    """One counted run: `arguments` go to QEMU, `read` afterwards gives the figures."""

    arguments: tuple[str, ...]
    functions: tuple[str, ...]
    output: Path
    cores: int = 1

    @classmethod
    def prepare(
        cls, emulator: str, program: Path, folder: Path, cores: int = 1
    ) -> InstructionCounter:
        """A counter for `program` (with symbols) on `cores` cores, its files in `folder`."""
        elf = read_elf(program)
        mark = mark_address(elf, program)
        names, ranges = _functions(elf)
        ranges_file = folder / "ranges.txt"
        ranges_file.write_text(
            "".join(f"{a:x} {b:x}\n" for a, b in ranges), encoding="ascii", newline="\n"
        )
        output = folder / "counts.txt"
        plugin = built_plugin(emulator, SOURCE)
        options = f"{plugin},mark={mark:x},ranges={ranges_file},out={output}"
        options += f",cores={cores}" if cores > 1 else ""
        return cls(("-plugin", options), names, output, cores)

    def read_steps(self, repeat: int) -> tuple[float, ...]:
        """Instructions of each step of the inference that was measured step by step.

        It follows `repeat` whole ones. Every step has a mark at its end and one when the hook
        returns, so that the hook is not counted.
        """
        lines = self.output.read_text(encoding="ascii").splitlines()[2 * repeat + 1 :]
        return tuple(float(line.split()[0]) for line in lines[::2])

    def read(self, repeat: int) -> tuple[tuple[float, ...], dict[str, int]]:
        """Instructions of each of `repeat` inferences, and the last one's split by function.

        Of several cores: those of the busiest, without what it waits; by function, of all of them.
        """
        lines = self.output.read_text(encoding="ascii").splitlines()[: 2 * repeat]
        # Marks come in pairs, before and after: every second line is an inference.
        inferences = [[int(word) for word in line.split()] for line in lines][1::2]
        if len(inferences) != repeat:
            raise RunnerError("QEMU: the counting plugin did not see every inference")
        by_function: dict[str, int] = {}
        if not inferences:
            return (), {}
        size = 1 + len(self.functions)
        for core in range(self.cores):
            counts = inferences[-1][core * size : (core + 1) * size]
            for name, count in zip(self.functions, counts[1:], strict=True):
                if count and name not in WAITING:
                    by_function[name] = by_function.get(name, 0) + count
        ordered = dict(sorted(by_function.items(), key=lambda item: (-item[1], item[0])))
        return tuple(float(max(self._work(counts))) for counts in inferences), ordered

    def _work(self, counts: Sequence[int]) -> list[int]:
        """Instructions of each core that were no waiting."""
        size = 1 + len(self.functions)
        work = []
        for core in range(self.cores):
            own = counts[core * size : (core + 1) * size]
            waited = sum(
                count
                for name, count in zip(self.functions, own[1:], strict=True)
                if name in WAITING
            )
            work.append(own[0] - waited)
        return work


def mark_address(elf: Elf, program: Path) -> int:
    """Where the mark of a program of ours lies; RunnerError where it has none."""
    marks = [s.address & ~1 for s in elf.symbols if s.name == MARK and s.is_defined]
    if not marks:
        raise RunnerError(f"{program.name}: has no symbol {MARK}, so nothing can be counted")
    return marks[0]


def _functions(elf: Elf) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Names and address ranges of all functions, sorted, without overlap (aliases are dropped)."""
    found = sorted(
        (s.address & ~1, s.address - (s.address & 1) + s.size_bytes, s.name)
        for s in elf.symbols
        if s.kind == "function" and s.is_defined and s.size_bytes and not s.is_dynamic
    )
    names: list[str] = []
    ranges: list[tuple[int, int]] = []
    for start, end, name in found:
        if not ranges or start >= ranges[-1][1]:
            names.append(name)
            ranges.append((start, end))
    return tuple(names), ranges


def built_plugin(emulator: str, source: Path) -> Path:
    """The plugin made of `source` for this QEMU, from the cache or built now."""
    version = qemu_version(emulator)
    if version < _OLDEST_QEMU:
        raise RunnerError(
            f"{emulator}: version {version[0]}.{version[1]} has no usable plugin interface "
            f"(counting instructions needs {_OLDEST_QEMU[0]}.{_OLDEST_QEMU[1]} or newer)"
        )
    # QEMU 9.0 dropped version 1 of the interface; the calls that we use are the same in both.
    api = 1 if version < (9, 0) else 2
    header = source.with_name("qemu_plugin.h")
    digest = hashlib.sha256(source.read_bytes() + header.read_bytes()).hexdigest()[:16]
    plugin = cache_folder() / f"{source.stem}-{digest}-api{api}.so"
    if plugin.exists():
        return plugin
    compiler = host_compiler()
    command = [*compiler.command, *(["cc"] if compiler.kind == "zig" else [])]
    with tempfile.NamedTemporaryFile(dir=plugin.parent, suffix=".so", delete=False) as file:
        draft = Path(file.name)
    command += ["-shared", "-fPIC", "-O2", f"-DEDGEMNV2_PLUGIN_API={api}", str(source)]
    result = subprocess.run([*command, "-o", str(draft)], capture_output=True, text=True)
    if result.returncode:
        draft.unlink(missing_ok=True)
        raise ToolchainError(f"{source.name}: {result.stderr.strip().splitlines()[-1:]}")
    draft.replace(plugin)  # atomic: two processes may build at once
    return plugin
