"""Toy networks compiled as they ship, and run by the programs that ship: bench, or a board's."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.codegen.constants import pack_constants
from edgemnv2.codegen.emit import emit_code, runtime_file
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.entry import EntryParts
from edgemnv2.codegen.interface import Interface, field_names
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.codegen.threads import ThreadParts
from edgemnv2.codegen.toolchain import compile_object, link_executable
from edgemnv2.memory.thread_plan import plan_threads
from edgemnv2.memory.variants import arena_align, plan_graph, thread_chains
from edgemnv2.ops.kernel import constant_offsets
from edgemnv2.streaming.bands import make_bands
from edgemnv2.streaming.parts import PartKernel, part_key, scratch_of
from edgemnv2.target import Target
from tests.streaming.toys import Toy

NAME = "toy"


@dataclass(frozen=True)
class Built:
    """A toy compiled for a target; `program` runs samples."""

    toy: Toy
    target: Target
    parts: EntryParts
    folder: Path


def entry_parts(toy: Toy, target: Target, io: str, chains: str) -> EntryParts:
    """Plans and ends, without a graph of layers."""
    whole, stream = plan_graph(toy.rows, io, chains, arena_align(target))

    def ends(names: tuple[str, ...], kind: str) -> tuple[InterfaceEnd, ...]:
        return tuple(
            InterfaceEnd(
                field,
                name,
                *toy.shapes[name],
                toy.dtypes.get(name, "int8"),
                offset_bytes=0
                if name in whole.program.external
                else whole.plan.placements[name].offset(0),
            )
            for name, field in zip(names, field_names(names, kind), strict=True)
        )

    interface = Interface(
        NAME,
        io,
        toy.name,
        len(toy.rows.ops),
        ends(toy.rows.inputs, "input"),
        ends(toy.rows.outputs, "output"),
        max(whole.plan.arena_bytes, 1),
        arena_align(target),
        max(stream.plan.arena_bytes, 1),
        len(whole.program.steps),
    )
    return EntryParts(toy.kernels, whole, stream, pack_constants(toy.kernels), interface)


def thread_parts(toy: Toy, target: Target, counts: Sequence[int]) -> tuple[ThreadParts, ...]:
    """Plans for several threads, of rows only."""
    found = []
    for count in counts:
        program = make_bands(toy.rows, thread_chains(toy.rows, "blocks"), {}, count)
        kernels = {}
        for op in program.ops:
            kernel = toy.kernels[op.name]
            offsets = tuple(constant_offsets(kernel)[:-1])
            kernels[op.name, "rows", 0, 0] = PartKernel(kernel, offsets)
        for stage in program.stages:
            for step in (step for steps in stage.steps for step in steps):
                assert part_key(program.ops[step.op].name, step) in kernels
        plan = plan_threads(program, partial(scratch_of, program, kernels), arena_align(target))
        found.append(ThreadParts(program, plan, kernels))
    return tuple(found)


def build(
    toy: Toy,
    target: Target,
    folder: Path,
    io: str,
    chains: str = "memory",
    threads: Sequence[int] = (),
) -> Built:
    """Code and the program that runs it, in `folder`."""
    parts = entry_parts(toy, target, io, chains)
    planned = thread_parts(toy, target, threads)
    if planned:
        most = max(parts.interface.arena_bytes, *(one.plan.arena_bytes for one in planned))
        interface = replace(parts.interface, threads=tuple(threads), threads_arena_bytes=most)
        parts = replace(parts, interface=interface)
    emit_code(parts, target, folder, planned)
    if target.is_bare_metal:
        _build_board(target, folder)
    return Built(toy, target, parts, folder)


def _build_board(target: Target, folder: Path) -> None:
    script = folder / "board.ld"
    script.write_text(linker_script(target), encoding="ascii")
    sources = [*sorted((folder / "src").glob("*.c")), runtime_file("board_main.c")]
    sources.append(runtime_file("startup.c"))
    flags = [f"-I{folder / 'include'}", f"-I{runtime_file('')}", f"-DEDGEMNV2_NAME={NAME}"]
    flags += [f"-DEDGEMNV2_UPPER={NAME.upper()}", f'-DEDGEMNV2_HEADER="{NAME}.h"']
    objects = [folder / f"{number}.o" for number in range(len(sources))]
    for source, output in zip(sources, objects, strict=True):
        compile_object(target, source, output, [*flags, "-Wall", "-Wextra", "-Werror"])
    link_executable(target, objects, folder / "board.elf", linker_script=script)


def run(
    built: Built,
    samples: Sequence[Mapping[str, Any]],
    emulator: Sequence[str] = (),
    *,
    threads: int = 1,
    rows: bool = False,
) -> list[dict[str, Any]]:
    """All outputs of every sample."""
    toy, folder = built.toy, built.folder
    data = b"".join(x[name].tobytes() for x in samples for name in toy.rows.inputs)
    (folder / "in.bin").write_bytes(data)
    if built.target.is_bare_metal:
        job = (len(samples), 0, 0, int(rows), 0, 0, threads)
        (folder / "job.bin").write_bytes(struct.pack("<7i", *job))
        command = [*emulator, "-M", built.target.machine, "-nographic", "-monitor", "none"]
        command += ["-serial", "none", "-kernel", str(folder / "board.elf")]
        command += ["-chardev", "stdio,id=console", "-semihosting-config"]
        command += ["enable=on,target=native,chardev=console"]
    else:
        command = [*emulator, str(folder / "bench"), "--inputs", "in.bin", "--outputs", "out.bin"]
        command += ["--rows", str(int(rows)), "--threads", str(threads)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    assert "edgemnv2 done 1" in done.stdout, done.stdout[-1000:]
    out = (folder / "out.bin").read_bytes()
    results, at = [], 0
    for _ in samples:
        result = {}
        for name in toy.rows.outputs:
            dtype = np.dtype(toy.dtypes.get(name, "int8"))
            count = int(np.prod(toy.shapes[name]))
            array = np.frombuffer(out, dtype, count, at)
            result[name] = array.reshape(toy.shapes[name])
            at += array.nbytes
        results.append(result)
    assert at == len(out)
    return results
