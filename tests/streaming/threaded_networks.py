"""Random networks with plans for several threads, many in one library or in one program."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.codegen.emit import runtime_file
from edgemnv2.codegen.entry import constants_source, entry_source
from edgemnv2.codegen.interface import header
from edgemnv2.codegen.llvm import named
from edgemnv2.codegen.threads import ThreadParts, part_kernels, thread_source
from edgemnv2.codegen.toolchain import cpu_flags, find_compiler
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.pipeline.threads import plan_thread_parts
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.streaming.lower import lower_to_rows
from edgemnv2.target import Target
from edgemnv2.tir.builder import build_module
from tests.streaming.native_networks import NAME, Arena, Prepared, Variant, _Pointer, prepare
from tests.streaming.random_networks import _Maker

FUNCTIONS = ("begin", "step", "run", "run_hooked", "run_rows", "run_sized", "constants")
THREAD_FUNCTIONS = ("pool_start", "pool_stop", "run_threads", "pool_is_large_enough")
CHANNELS = {(2, 8), (1, 9), (1, 12), (2, 11)}
"""The limits between which the maker draws numbers of channels."""


class WideMaker(_Maker):
    """Eight times the channels: enough for vector kernels, which late maps are shared by."""

    def number(self, low: int, high: int) -> int:
        drawn = super().number(low, high)
        return 8 * drawn if (low, high) in CHANNELS else drawn


def wide_graph(seed: int, *, integer: bool) -> Graph:
    """The network of this seed."""
    return WideMaker(seed, integer).network()


@dataclass(frozen=True)
class Threaded:
    """One network with its plans."""

    network: Prepared
    threads: tuple[ThreadParts, ...]

    @property
    def arena_bytes(self) -> int:
        return self.network.parts.interface.threads_arena_bytes


def prepare_threads(
    graph: Graph,
    target: Target,
    counts: Sequence[int],
    whole_rows: int = 14,
    chains: str = "blocks",
):
    """Schedule and plan, as the pipeline does."""
    options = ScheduleOptions(whole_rows_max=whole_rows)
    network = prepare(graph, Variant(target, options, "caller", chains, 64))
    parts = network.parts
    schedule = schedule_graph(graph, target, options)
    rows = lower_to_rows(graph, schedule.kernels, schedule.layouts)
    threads = plan_thread_parts(graph, schedule, target, rows, chains, tuple(counts))
    most = max(parts.interface.arena_bytes, *(one.plan.arena_bytes for one in threads))
    interface = replace(parts.interface, threads=tuple(counts), threads_arena_bytes=most)
    network = replace(network, parts=replace(parts, interface=interface))
    return Threaded(network, threads)


def renamed(index: int) -> str:
    """Macros that give the functions of network `index` names of their own."""
    return "".join(
        f"#define {NAME}_{symbol} {NAME}{index}_{symbol}\n"
        for symbol in (*FUNCTIONS, *THREAD_FUNCTIONS)
    )


def build(
    networks: Sequence[Threaded],
    folder: Path,
    target: Target,
    flags: Sequence[str] = (),
    programs: Mapping[str, str] | None = None,
) -> Path:
    """A library with `net<i>_run_threads` and so on of each network.

    With `programs` (file name -> C source, one has `main`): a program.
    """
    kernels: dict[str, RowKernel] = {}
    for one in networks:
        both = {**one.network.parts.kernels, **part_kernels(one.threads)}
        for kernel in both.values():
            kernels.setdefault(kernel.symbol, kernel)
    build_module(named(kernels, NAME), target.tvm_target()).write_to_file(
        str(folder / "kernels.o"), "o"
    )
    for index, one in enumerate(networks):
        parts = one.network.parts
        (folder / f"net{index}.h").write_text(header(parts.interface))
        source = entry_source(parts, incbin=False, wide=True) + thread_source(parts, one.threads)
        body = constants_source(NAME, parts.constants) if parts.constants.data else ""
        included = source.replace(f'#include "{NAME}.h"', f'#include "net{index}.h"')
        text = "#define _GNU_SOURCE\n" + renamed(index) + included + body
        (folder / f"net{index}.c").write_text(text)
    for name, text in (programs or {}).items():
        (folder / name).write_text(text)
    output = folder / ("program" if programs else "networks.so")
    compiler = find_compiler(target)
    command = [*compiler.command, *cpu_flags(target, compiler), "-std=c99", "-O1", "-fwrapv"]
    command += ["-Wall", "-Wextra", "-Werror", "-pthread", f"-I{runtime_file('')}", f"-I{folder}"]
    command += [] if programs else ["-fPIC", "-shared"]
    command += [*flags, *sorted(str(path) for path in folder.glob("*.c"))]
    command += [str(folder / "kernels.o"), "-lm", "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return output


class Pool:
    """A started pool of one network; memory of the caller's."""

    def __init__(self, library: ctypes.CDLL, index: int, threads: int) -> None:
        self._stop = library[f"{NAME}{index}_pool_stop"]
        self.memory = np.zeros(256, np.uint64)
        self.address = ctypes.c_void_p(self.memory.ctypes.data)
        self.status = int(library[f"{NAME}{index}_pool_start"](self.address, threads))

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop(self.address)


def run_pool(library: ctypes.CDLL, index: int, one: Threaded, pool: Pool, x: Any) -> Any:
    """The output `[H, W, C]` of one call; checks the status, the fences and the input."""
    graph = one.network.graph
    out = graph.tensors[graph.outputs[0]]
    arena = Arena(one.arena_bytes)
    image, result = np.ascontiguousarray(x), np.zeros(out.shape, out.dtype)
    status = library[f"{NAME}{index}_run_threads"](
        ctypes.byref(_Pointer(image.ctypes.data)),
        ctypes.byref(_Pointer(result.ctypes.data)),
        ctypes.c_void_p(arena.address),
        pool.address,
    )
    assert status == 0
    assert arena.fences_stand()
    assert (image == x).all()
    return result
