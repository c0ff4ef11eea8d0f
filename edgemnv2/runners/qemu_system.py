"""Bare-metal artefacts on an emulated board (qemu-system-arm): built, booted, measured.

The program is the artefact's C source with `runtime/board_main.c` and a linker script made from the
target's memories. Samples and results pass through semihosting files, many a boot. The arena lies
between fences; the stack that one inference used is measured on a painted stack. The metric is
executed instructions of one inference in steady state.

A board that no emulator has runs, for who asks for it, on the emulated board of the same core: the
same objects, linked by that board's memories.
"""

from __future__ import annotations

import math
import re
import shutil
import struct
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.codegen.toolchain import compile_object, link_executable
from edgemnv2.errors import DoesNotFit, RunnerError, ToolchainError, UsageError
from edgemnv2.memory.report import kib
from edgemnv2.runners.base import (
    Job,
    Runner,
    RunResult,
    Sample,
    Watch,
    pack_inputs,
    parse_facts,
    parse_trace,
    sum_steps,
    unpack_outputs,
)
from edgemnv2.runners.bench_program import execute
from edgemnv2.runners.insn_plugin import InstructionCounter, qemu_version
from edgemnv2.runners.local import RUNTIME, artifact_flags
from edgemnv2.target import Target, load_target, target_names

__all__ = ["QemuSystemRunner", "build_board_program", "emulated_board", "find_qemu_system"]

_EMULATORS = {
    "thumb": ("qemu-system-arm", "qemu-system-arm"),
    "riscv32": ("qemu-system-riscv32", "qemu-system-misc"),
}
"""By instruction set: the program, and Debian's package."""
_START = {"thumb": "startup.c", "riscv32": "startup_riscv.c"}
_OTHER_CORE = {"musca-b1": "cores_sse200.c"}
"""By QEMU's board: what starts its second core."""
_FULL = re.compile(r"will not fit in region `([^']+)'")
"""What GNU ld says."""
_SECONDS_PER_INFERENCE = 60.0
# As the artefact's README tells users to compile: what the figures hold for.
KERNEL_FLAGS = ("-O3", "-fno-math-errno")


def find_qemu_system(isa: str = "thumb") -> str:
    """Path of the emulator for an instruction set; RunnerError names the package."""
    program, package = _EMULATORS[isa]
    path = shutil.which(program)
    if path is None:
        raise RunnerError(f"qemu-system: {program} is not installed (apt install {package})")
    return path


def emulated_board(target: Target, cores: int = 1) -> Target | None:
    """The target whose QEMU board runs `target`'s code: itself, else a shipped one; None: no such.

    One with the same core, where a core of QEMU's has every unit that such a core may have; any
    RISC-V for a RISC-V, which QEMU's has all the extensions of; and a RISC-V for plain C. For a
    program on two `cores`, a board that has them; code without any feature of Arm's runs on every
    Cortex-M.
    """
    if target.machine and target.cpu.cores >= cores:
        return target
    boards = [b for b in map(load_target, target_names()) if b.runner == "qemu-system"]
    boards = [b for b in boards if b.cpu.cores >= cores]
    isa = "riscv32" if target.cpu.isa == "c99" else target.cpu.isa
    is_any = isa == "riscv32" or (cores > 1 and not target.cpu.features)
    fitting = [b for b in boards if b.cpu.isa == isa and (is_any or b.cpu.core == target.cpu.core)]
    return min(fitting, key=lambda b: (b.cpu.cores, b.name), default=None)


def build_board_program(artifact: Artifact, folder: Path, board: Target | None = None) -> Path:
    """`board.elf` in `folder`, with symbols: artefact, test program and start code.

    It is compiled for the artefact's target, and linked for the memories of `board`, if given;
    plain C, whose compiler is the user's, is compiled for `board`.
    Raises ToolchainError when the compiler is missing, DoesNotFit when the memories are too small.
    """
    board = board or artifact.target
    target = board if artifact.target.cpu.isa == "c99" else artifact.target
    script = folder / "board.ld"
    script.write_text(linker_script(board), encoding="ascii", newline="\n")
    own = artifact.files("src", ".c")
    sources = [*own, RUNTIME / "board_main.c", RUNTIME / _START[target.cpu.isa]]
    if board.machine in _OTHER_CORE:
        sources.append(RUNTIME / _OTHER_CORE[board.machine])
    objects = [folder / f"{number}.o" for number in range(len(sources))]
    flags = artifact_flags(artifact)
    flags += ["-DEDGEMNV2_THREADS"] if max(artifact.manifest.threads) > 1 else []

    def build(job: tuple[Path, Path]) -> None:
        source, output = job
        kernel = KERNEL_FLAGS if source in own else ()
        compile_object(target, source, output, [*flags, *kernel])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(build, zip(sources, objects, strict=True)))
    program = folder / "board.elf"
    try:
        link_executable(target, objects, program, linker_script=script)
    except ToolchainError as error:
        full = _FULL.search(str(error))
        if full is None:
            raise
        raise DoesNotFit(_too_large(artifact, board, full[1])) from None
    return program


def _too_large(artifact: Artifact, board: Target, region: str) -> str:
    """What the board program takes, and what makes it smaller."""
    memory = next((m for m in board.memories if m.name == region), None)
    has = f", {kib(memory.length)}," if memory else ""
    ends = sum(
        math.prod(x.nhwc) * np.dtype(x.dtype).itemsize
        for x in (*artifact.inputs, *artifact.outputs)
    )
    remedy = "a board with more memory, or a smaller network"
    if artifact.manifest.io != "caller":
        remedy = "compile --io caller keeps image and results out of the arena"
    fixed = artifact.manifest.code_bytes + artifact.manifest.constants_bytes
    return (
        f"{artifact.path}: the test program does not fit {region}{has} of {board.name}: the arena "
        f"takes {kib(artifact.arena_bytes)}, a sample and its results {kib(ends)} beside it, code "
        f"and constants {kib(fixed)} ({remedy})"
    )


class QemuSystemRunner(Runner):
    """Boots the target's emulated board; the built program is kept for the next call.

    One boot runs all samples. With `emulate`, a board that has none itself runs on that of the same
    core. `watch`: what else looks on while instructions are counted.
    """

    name = "qemu-system"

    def __init__(self, emulate: bool = False, watch: Sequence[Watch] = ()) -> None:
        self._emulate = emulate
        self._watch = tuple(watch)
        self._programs: dict[str, tuple[tempfile.TemporaryDirectory[str], Path]] = {}

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        target = artifact.target
        if not target.is_bare_metal:
            raise UsageError(
                f"{artifact.path}: qemu-system runs bare-metal code, and {target.name} is a Linux "
                "target (use runner=qemu-user)"
            )
        board = self._board(artifact)
        emulator = find_qemu_system(board.cpu.isa)
        packed = pack_inputs(artifact, inputs)
        with tempfile.TemporaryDirectory(prefix="edgemnv2-") as name:
            folder = Path(name)
            program = self._program(artifact, board)
            (folder / "in.bin").write_bytes(packed)
            # Traces, fed rows, pieces and steps are one core's.
            alone = job.trace or job.rows or job.layers or job.budget
            threads = 1 if alone else job.threads
            words = (len(inputs), job.repeat, job.trace, job.rows, job.layers, job.budget, threads)
            (folder / "job.bin").write_bytes(struct.pack("<7i", *words))
            command = [emulator, "-M", board.machine, "-nographic", "-monitor", "none"]
            # A board with a firmware of its own starts ours instead.
            command += ["-bios", "none"] if board.cpu.isa == "riscv32" else []
            # Cores take turns: one that waits gives way at once, and takes no other program's time.
            command += ["-accel", "tcg,thread=single"] if board.cpu.cores > 1 else []
            command += ["-serial", "none", "-kernel", str(program)]
            command += ["-chardev", "stdio,id=console", "-semihosting-config"]
            command += ["enable=on,target=native,chardev=console"]
            counter = None
            if job.measures:
                counter = InstructionCounter.prepare(emulator, program, folder, threads)
                command += counter.arguments
                for watch in self._watch:
                    command += watch(emulator, program)
            timeout_seconds = 60 + _SECONDS_PER_INFERENCE * (len(inputs) + job.repeat + 2)
            text = execute(command, folder, str(artifact.path), timeout_seconds)
            facts = parse_facts(text, str(artifact.path))
            data = (folder / "out.bin").read_bytes() if inputs else b""
            outputs = unpack_outputs(artifact, data, len(inputs))
            traced = parse_trace((folder / "trace.bin").read_bytes()) if job.trace else ()
            values, functions = counter.read(job.repeat) if counter else ((), {})
            steps = counter.read_steps(job.repeat) if counter and job.layers else ()
        notes: tuple[str, ...] = ()
        if counter:
            version = ".".join(map(str, qemu_version(emulator)))
            notes = (
                f"instructions executed in QEMU {version} on {board.machine}: exact, not time",
            )
        if counter and threads > 1:
            notes = (*notes, f"of {threads} cores the busier one's; waiting is not counted")
        if target.cpu.isa == "c99":
            own = f"compiled for {board.cpu.core}, since {target.name}'s compiler is not ours"
            notes = (*notes, own)
        return RunResult(
            outputs,
            metric="instructions" if counter else None,
            values=values,
            trace=traced,
            stack_bytes=facts.integer("stack_bytes"),
            functions=functions,
            layers=sum_steps(facts, steps),
            step_layers=facts.step_layers(),
            step_values=steps,
            notes=notes,
        )

    def _board(self, artifact: Artifact) -> Target:
        """Whose emulated board runs the artefact."""
        target = artifact.target
        board = emulated_board(target, max(artifact.manifest.threads))
        if board is None:
            raise UsageError(
                f"{artifact.path}: no emulator has the board {target.name}, and none that we know "
                f"has its core, {target.cpu.core} (use runner=serial with the board itself)"
            )
        if not (target.machine or self._emulate):
            raise UsageError(
                f"{artifact.path}: no emulator has the board {target.name} (run.machine is empty "
                f"in its target file); emulate=True runs the same code on {board.machine}, which "
                f"has a {target.cpu.core} too"
            )
        return board

    def _program(self, artifact: Artifact, board: Target) -> Path:
        """The board program, built at the first call for this artefact."""
        key = artifact.manifest.seal
        if key not in self._programs:
            folder = tempfile.TemporaryDirectory(prefix="edgemnv2-")
            self._programs[key] = folder, build_board_program(artifact, Path(folder.name), board)
        return self._programs[key][1]
