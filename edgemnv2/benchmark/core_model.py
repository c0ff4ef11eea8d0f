"""How many cycles a core needs for a run of instructions, repeated: LLVM's `llvm-mca`.

It knows pipes, latencies and dependencies. It knows no caches and no branch misses, and to it
instructions always arrive in time: a bound that a real core comes near to and does not beat.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.llvm_tools import LlvmTools, find_llvm_tools
from edgemnv2.target import Target

__all__ = ["DEPENDENCY", "ISSUE", "CoreModel", "Steady"]

DEPENDENCY = "dependency"
ISSUE = "issue"
"""What limits a run of instructions, where it is no pipe: results that others wait for; how many
instructions the core can begin in a cycle."""

# Of a pipe's bound; within it the pipe is what limits.
_NEAR = 1.15
# Instructions that two simulations of one run differ by, so that its beginning and end cancel out.
_SIMULATED = 400
_SHORTEST_REPEATS = 4
_ENCODED = re.compile(r"\s*(.*?)\s+(?://|@|#|;)\s*encoding: \[([0-9a-fxA-FX,]*)\]")
# The first half of a Thumb instruction of 32 bits, its upper byte: from here on.
_WIDE = 0xE8
# x86-64: behind each piece of code, `movl $0x7e57c0de, %eax`. LLVM writes many instructions in
# other bytes than those that it read, so bytes do not say where a piece ends. The `nop` before it
# complete what a page cuts: no instruction has more than 15 bytes.
_MARK = bytes.fromhex("b8dec0577e")
_NOPS = 15
# A call is 100 cycles to the models of Cortex-M, since they do not know what is called; a jump is
# what it takes. The assembler refuses `.w` where the offset is negative, and makes the same code.
_CALLS = {"bl": "b", "blx": "bx", "blr": "br"}


@dataclass(frozen=True)
class Steady:
    """One run of instructions in steady state: cycles of a pass, the bound of the busiest pipe (as
    if order did not matter), what limits it, and how many instructions the model left out."""

    cycles: float
    bound: float
    limit: str
    skipped: int


@dataclass(frozen=True)
class CoreModel:
    """One core in LLVM's words."""

    tools: LlvmTools
    triple: str
    core: str
    _known: dict[tuple[str, ...], Steady | None] = field(
        default_factory=dict, repr=False, compare=False
    )
    """What was asked before."""

    @classmethod
    def of(cls, target: Target, core: str = "") -> CoreModel:
        """The model of a target's core, or of another one that LLVM calls `core`.

        Raises UsageError where the target names none, RunnerError without a usable LLVM.
        """
        chosen = core or (target.cycles.core if target.cycles else "")
        if not chosen:
            raise UsageError(
                f"target {target.name}: its file names no core whose cycles LLVM can estimate "
                "(cycles.core; LLVM has none for every core)"
            )
        return cls(find_llvm_tools(), target.toolchain.triple, chosen)

    def disassemble(self, codes: Sequence[bytes]) -> list[list[str]]:
        """The instructions of each piece of code as text, without those that LLVM does not know."""
        if self.triple.startswith("thumb"):
            codes = [_whole(code) for code in codes]
        marked = self.triple.startswith("x86_64")
        pieces = [code + b"\x90" * _NOPS + _MARK for code in codes] if marked else codes
        lines = (" ".join(f"0x{byte:02x}" for byte in code) for code in pieces)
        features = ["-mattr=+all"] if self.triple.startswith("aarch64") else []
        command = [self.tools.mc, "--disassemble", "-show-encoding", f"-triple={self.triple}"]
        text = _run([*command, f"-mcpu={self.core}", *features], "\n".join(lines) + "\n")
        read = []
        for line in text.splitlines():
            match = _ENCODED.match(line)
            if match:
                encoding = bytes(int(word, 16) for word in match[2].split(","))
                read.append((_plain(match[1]), encoding))
        return _between_marks(read) if marked else _align(codes, read)

    def steady(self, runs: Sequence[Sequence[str]]) -> list[Steady | None]:
        """Each run, as if it were repeated for ever; None where the model knows none of it."""
        order = {tuple(run): None for run in runs if tuple(run) not in self._known}
        by_repeats: dict[int, list[tuple[str, ...]]] = {}
        for run in order:
            if run:
                repeats = max(_SHORTEST_REPEATS, _SIMULATED // len(run))
                # Few sizes, since each is a program to start.
                by_repeats.setdefault(1 << repeats.bit_length() - 1, []).append(run)
        for repeats, same in sorted(by_repeats.items()):
            once, twice = (self._simulate(same, count) for count in (repeats, 2 * repeats))
            for run, short, long in zip(same, once, twice, strict=True):
                self._known[run] = _steady(run, short, long, repeats)
        return [self._known.get(tuple(run)) for run in runs]

    def _simulate(self, runs: Sequence[Sequence[str]], repeats: int) -> list[Mapping[str, Any]]:
        """What llvm-mca says of each run."""
        # A file of which nothing is known would be an error.
        text = "# LLVM-MCA-BEGIN known\nnop\n# LLVM-MCA-END\n" + "".join(
            f"# LLVM-MCA-BEGIN r{number}\n" + "\n".join(run) + "\n# LLVM-MCA-END\n"
            for number, run in enumerate(runs)
        )
        command = [self.tools.mca, f"-mtriple={self.triple}", f"-mcpu={self.core}", "-json"]
        command += [f"-iterations={repeats}", "-skip-unsupported-instructions=any"]
        if not self.triple.startswith(("aarch64", "x86_64")):
            command += ["-arm-implicit-it=always"]  # a run may begin behind its `it`
        try:
            found = json.loads(_run(command, text))
        except json.JSONDecodeError as error:
            raise RunnerError(f"llvm-mca: {self.core}: answered no JSON ({error})") from error
        names = found["TargetInfo"]["Resources"]
        regions = {region["Name"]: region for region in found["CodeRegions"]}
        return [{**regions.get(f"r{number}", {}), "Pipes": names} for number in range(len(runs))]


def _steady(
    run: Sequence[str], short: Mapping[str, Any], long: Mapping[str, Any], repeats: int
) -> Steady | None:
    """Of two simulations, the second twice as long."""
    known = len(long.get("Instructions", ()))
    if not known or "SummaryView" not in long:
        return None
    summary = long["SummaryView"]
    cycles = (summary["TotalCycles"] - short["SummaryView"]["TotalCycles"]) / repeats
    bound = float(summary["BlockRThroughput"])
    return Steady(cycles, bound, _limit(long, known, cycles, bound), len(run) - known)


def _limit(region: Mapping[str, Any], known: int, cycles: float, bound: float) -> str:
    if cycles > _NEAR * bound:
        return DEPENDENCY
    # The rows behind the last instruction are sums.
    usage = {
        entry["ResourceIndex"]: entry["ResourceUsage"]
        for entry in region["ResourcePressureView"]["ResourcePressureInfo"]
        if entry["InstructionIndex"] == known
    }
    busiest = max(usage, key=lambda index: (usage[index], -index), default=None)
    if busiest is None or usage[busiest] * _NEAR < bound:
        return ISSUE
    # Units of one kind have the same name and a number behind a byte 0.
    return "pipe " + re.split(r"[.\x00]", region["Pipes"][busiest])[0]


def _plain(instruction: str) -> str:
    """The instruction as llvm-mca is to read it."""
    name, _, rest = " ".join(instruction.split()).partition(" ")
    name = _CALLS.get(name.removesuffix(".w"), name.removesuffix(".w"))
    return f"{name} {rest}".strip()


def _whole(code: bytes) -> bytes:
    """Thumb code without the first half of an instruction that the next page begins with.

    QEMU looks at it to find out that the block has to end. The disassembler would read it together
    with the next piece of code, and lose its place.
    """
    at = 0
    while at + 1 < len(code):
        length = 4 if code[at + 1] >= _WIDE else 2
        if at + length > len(code):
            break
        at += length
    return code[:at]


def _align(codes: Sequence[bytes], read: Sequence[tuple[str, bytes]]) -> list[list[str]]:
    """Which of the instructions `read` belong to which code, by their bytes.

    What the disassembler does not know is missing among them.
    """
    found: list[list[str]] = []
    at = 0
    for code in codes:
        texts, offset = [], 0
        while offset < len(code):
            text, encoding = read[at] if at < len(read) else ("", b"")
            if encoding and code.startswith(encoding, offset):
                texts.append(text)
                offset, at = offset + len(encoding), at + 1
            else:
                offset += 1
        found.append(texts)
    return found


def _between_marks(read: Sequence[tuple[str, bytes]]) -> list[list[str]]:
    """The instructions in front of each `_MARK`."""
    found: list[list[str]] = [[]]
    for text, encoding in read:
        if encoding == _MARK:
            for _ in range(_NOPS):
                if found[-1][-1:] == ["nop"]:
                    found[-1].pop()
            found.append([])
        else:
            found[-1].append(text)
    return found[:-1]


def _run(command: Sequence[str], text: str) -> str:
    """Standard output; RunnerError with the last line of what went wrong."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace")
    if done.returncode or not done.stdout:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunnerError(f"{command[0]}: {last}")
    return done.stdout
