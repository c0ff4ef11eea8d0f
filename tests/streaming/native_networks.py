"""Many networks in one shared library: their entry sources and tables as they ship, with kernels
of one family that all of them share, so that one compiler call builds hundreds.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.codegen.c_source import kernel_source
from edgemnv2.codegen.constants import pack_constants
from edgemnv2.codegen.emit import runtime_file
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.entry import EntryParts, constants_source, entry_source
from edgemnv2.codegen.interface import Interface, header
from edgemnv2.codegen.llvm import build_objects
from edgemnv2.memory.planner import Planned
from edgemnv2.memory.variants import plan_graph
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.streaming.lower import lower_to_rows
from edgemnv2.target import Target

FENCE = 64
FENCE_VALUE = 0xA5
NAME = "net"


@dataclass(frozen=True)
class Variant:
    """How one network is compiled."""

    target: Target
    options: ScheduleOptions
    io: str
    chains: str
    align: int = 8


@dataclass(frozen=True)
class Prepared:
    """One network before it is compiled."""

    graph: Graph
    parts: EntryParts

    @property
    def whole(self) -> Planned:
        return self.parts.whole

    @property
    def stream(self) -> Planned:
        return self.parts.stream


def prepare(graph: Graph, variant: Variant) -> Prepared:
    """Schedule and plan, as the pipeline does."""
    schedule = schedule_graph(graph, variant.target, variant.options)
    rows = lower_to_rows(graph, schedule.kernels, schedule.layouts)
    whole, stream = plan_graph(rows, variant.io, variant.chains, variant.align)
    interface = interface_of(graph, variant, whole, stream)
    constants = pack_constants(schedule.kernels)
    return Prepared(graph, EntryParts(schedule.kernels, whole, stream, constants, interface))


def interface_of(graph: Graph, variant: Variant, whole: Planned, stream: Planned) -> Interface:
    """What the header of a network with one input and one output says."""
    placements = whole.plan.placements
    ends = []
    for names, rows, kind in (
        (graph.inputs, whole.program.inputs, "input"),
        (graph.outputs, whole.program.outputs, "output"),
    ):
        at = placements[rows[0]].offset(0) if variant.io == "arena" else 0
        ends.append((InterfaceEnd.of(graph.tensors[names[0]], kind, rows[0], at),))
    return Interface(
        NAME,
        variant.io,
        graph.name,
        len(graph.layers),
        *ends,
        max(whole.plan.arena_bytes, 1),
        variant.align,
        max(stream.plan.arena_bytes, 1),
        len(whole.program.steps),
    )


def build(networks: Sequence[Prepared], folder: Path, llvm: Target | None = None) -> ctypes.CDLL:
    """One library with `net<i>_run`, `_run_hooked`, `_run_rows` of each network.

    Kernels come as C, or with `llvm` as an object for that target.
    """
    objects = write_sources(networks, folder, llvm)
    library = folder / "networks.so"
    flags = ["-std=c99", "-O0", "-Wall", "-Wextra", "-Werror", "-fwrapv", "-fPIC", "-shared"]
    # kernels of many networks in one file: some serve none of a subset.
    command = ["gcc", *flags, "-Wno-unused-function", *include_flags(folder)]
    command += [*sorted(str(path) for path in folder.glob("*.c")), *objects]
    done = subprocess.run([*command, "-o", str(library)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return ctypes.CDLL(str(library))


def include_flags(folder: Path) -> list[str]:
    """Where the sources of `write_sources` find their headers."""
    return [f"-I{runtime_file('')}", f"-I{runtime_file('kernels')}", f"-I{folder}"]


def write_sources(
    networks: Sequence[Prepared], folder: Path, llvm: Target | None = None
) -> list[str]:
    """The C files and headers of `build`; gives the objects that belong to them."""
    kernels: dict[str, RowKernel] = {}
    for network in networks:
        for kernel in network.parts.kernels.values():
            kernels.setdefault(kernel.symbol, kernel)
    objects: list[str] = []
    text = ["#include <stdbool.h>", "#include <stdint.h>"]
    if llvm is None:
        headers = sorted({h for kernel in kernels.values() for h in kernel.c_requires})
        text += [f'#include "{name}"' for name in headers]
        text += kernel_source(kernels, NAME).values()
    else:
        objects += map(str, build_objects(kernels, llvm, NAME, folder / "kernels.o"))
    (folder / "kernels.c").write_text("\n".join(text) + "\n")
    for index, network in enumerate(networks):
        parts = network.parts
        (folder / f"net{index}.h").write_text(header(parts.interface))
        source = entry_source(parts, incbin=False)
        body = constants_source(NAME, parts.constants) if parts.constants.data else ""
        renamed = "".join(
            f"#define {NAME}_{symbol} {NAME}{index}_{symbol}\n"
            for symbol in (
                "begin",
                "step",
                "run",
                "run_hooked",
                "run_rows",
                "run_sized",
                "constants",
            )
        )
        included = source.replace(f'#include "{NAME}.h"', f'#include "net{index}.h"')
        (folder / f"net{index}.c").write_text(renamed + included + body)
    return objects


class _Pointer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p)]


NEXT_ROW = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)


class Arena:
    """Aligned memory between two fences."""

    def __init__(self, size_bytes: int, align: int = 64) -> None:
        self.memory = np.full(size_bytes + 2 * FENCE + align, FENCE_VALUE, np.uint8)
        self.start = -(self.memory.ctypes.data + FENCE) % align + FENCE
        self.size_bytes = size_bytes

    @property
    def address(self) -> int:
        return int(self.memory.ctypes.data) + self.start

    def fences_stand(self) -> bool:
        before = self.memory[: self.start]
        after = self.memory[self.start + self.size_bytes :]
        return bool((before == FENCE_VALUE).all() and (after == FENCE_VALUE).all())


def run_whole(library: ctypes.CDLL, index: int, network: Prepared, x: Any) -> Any:
    """The output `[H, W, C]` of one call; checks the status, the fences and the input."""
    graph = network.graph
    out = graph.tensors[graph.outputs[0]]
    arena = Arena(network.parts.interface.arena_bytes)
    image, result = np.ascontiguousarray(x), np.zeros(out.shape, out.dtype)
    function = library[f"{NAME}{index}_run"]
    status = function(
        ctypes.byref(_Pointer(image.ctypes.data)),
        ctypes.byref(_Pointer(result.ctypes.data)),
        ctypes.c_void_p(arena.address),
    )
    assert status == 0
    assert arena.fences_stand()
    assert (image == x).all()
    return result


def run_fed(library: ctypes.CDLL, index: int, network: Prepared, x: Any) -> Any:
    """The same through rows that a callback gives."""
    graph = network.graph
    out = graph.tensors[graph.outputs[0]]
    arena = Arena(network.parts.interface.stream_arena_bytes)
    result = np.zeros(out.shape, out.dtype)
    asked: list[int] = []

    def give(context: Any, row: int, destination: int | None) -> int:
        asked.append(row)
        if row >= len(x):
            return 1
        data = np.ascontiguousarray(x[row])
        ctypes.memmove(destination, data.ctypes.data, data.nbytes)
        return 0

    function = library[f"{NAME}{index}_run_rows"]
    callback = NEXT_ROW(give)
    status = function(
        callback,
        None,
        ctypes.byref(_Pointer(result.ctypes.data)),
        ctypes.c_void_p(arena.address),
    )
    assert status == 0
    assert asked == list(range(len(x) + 1))
    assert arena.fences_stand()
    return result
