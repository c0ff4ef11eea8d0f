"""Plain kernels of single layers, built for this machine and called from Python row by row.

What rows a kernel gets is read off the layer's row operations here, in as plain a way as
`program.Read` and `program.Write` say it; no memory is shared, nothing is streamed.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from edgemnv2.codegen.llvm import named
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.plain_kernels import plain_kernels
from edgemnv2.program import Read, RowOp, RowOps
from edgemnv2.streaming.lower import lower_to_rows
from edgemnv2.tir.builder import build_module

__all__ = ["Built", "build", "single"]

FENCE, FENCE_VALUE = 64, 0xA5
PREFIX = "k"


@dataclass(frozen=True)
class Built:
    """One layer as a network of its own, ready to be run."""

    graph: Graph
    kernels: Mapping[str, RowKernel]
    rows: RowOps
    library: ctypes.CDLL

    def run(self, inputs: Sequence[Any]) -> Any:
        """The layer's output `[H, W, C]`; checks that nothing beside the tensors is written."""
        memory = {name: Memory(tensor.size_bytes) for name, tensor in self.rows.tensors.items()}
        for name, array in zip(self.rows.inputs, inputs, strict=True):
            memory[name].bytes[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for op in self.rows.ops:
            for step in range(op.steps):
                self._step(op, step, memory)
        assert all(x.fences_stand() for x in memory.values())
        (output,) = self.rows.outputs
        tensor = self.graph.tensors[self.graph.outputs[0]]
        return memory[output].bytes.view(tensor.dtype).reshape(tensor.shape).copy()

    def _step(self, op: RowOp, step: int, memory: Mapping[str, Memory]) -> None:
        kernel = self.kernels[op.name]
        kept: list[Memory] = []
        pointers = [x for read in op.reads for x in self._pointers(op, read, step, memory, kept)]
        for write in op.writes:
            tensor = self.rows.tensors[write.tensor]
            each = 0 if op.accumulates else step * op.rows_per_step * write.rows
            row = (write.first_row + each) * tensor.row_bytes
            if op.accumulates and step == 0:
                memory[write.tensor].bytes[row : row + tensor.row_bytes] = 0
            pointers.append(memory[write.tensor].address + row + write.offset_bytes)
        arguments: list[Any] = [ctypes.c_void_p(x) for x in pointers]
        if kernel.takes_row_number:
            arguments.append(ctypes.c_int32(step))
        if kernel.scratch_bytes:
            kept.append(Memory(kernel.scratch_bytes))
            arguments.append(ctypes.c_void_p(kept[-1].address))
        for value in kernel.constants:
            kept.append(Memory(value.nbytes))
            kept[-1].bytes[:] = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
            arguments.append(ctypes.c_void_p(kept[-1].address))
        function = self.library[f"{PREFIX}_{kernel.symbol}"]
        function.restype = None
        function(*arguments)
        assert all(x.fences_stand() for x in kept)

    def _pointers(
        self, op: RowOp, read: Read, step: int, memory: Mapping[str, Memory], kept: list[Memory]
    ) -> list[int]:
        tensor = self.rows.tensors[read.tensor]
        first = read.first(step * op.rows_per_step)
        pointers = []
        for index in range(0, 1 if read.contiguous else read.window, read.spacing):
            row = first + index
            if not 0 <= row < tensor.height and not read.edge:
                assert read.fill is not None and not read.contiguous
                outside = Memory(tensor.row_bytes)
                outside.bytes[:] = np.frombuffer(
                    read.fill * (tensor.row_bytes // len(read.fill)), np.uint8
                )
                kept.append(outside)
                pointers.append(outside.address)
                continue
            row = min(max(row, 0), tensor.height - 1)
            pointers.append(memory[read.tensor].address + row * tensor.row_bytes)
        return pointers


class Memory:
    """Bytes between two fences, aligned as constants are."""

    def __init__(self, size_bytes: int) -> None:
        self._all = np.full(size_bytes + 3 * FENCE, FENCE_VALUE, np.uint8)
        start = -(self._all.ctypes.data + FENCE) % FENCE + FENCE
        self._ends = start, start + size_bytes
        self.bytes = self._all[start : start + size_bytes]
        self.address = int(self._all.ctypes.data) + start

    def fences_stand(self) -> bool:
        before, behind = self._all[: self._ends[0]], self._all[self._ends[1] :]
        return bool((before == FENCE_VALUE).all() and (behind == FENCE_VALUE).all())


def single(graph: Graph, layer: Layer) -> Graph:
    """A network of one layer of `graph`, whose inputs are the network's."""
    inputs = tuple(dict.fromkeys(layer.inputs))
    names = {*inputs, layer.output}
    return replace(
        graph,
        layers=(layer,),
        tensors={name: graph.tensors[name] for name in sorted(names)},
        inputs=inputs,
        outputs=(layer.output,),
    )


def build(graphs: Sequence[Graph], folder: Path) -> list[Built]:
    """The plain kernels of networks of one layer, in one library."""
    kernels = [plain_kernels(graph, graph.layers[0]) for graph in graphs]
    functions: dict[str, Any] = {}
    for each in kernels:
        functions |= named(each, PREFIX)
    module = build_module(functions, tvm.target.Target("llvm"))
    module.write_to_file(str(folder / "kernels.o"), "o")
    command = ["gcc", "-shared", "-o", "kernels.so", "kernels.o", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "kernels.so"))
    return [
        Built(graph, each, lower_to_rows(graph, each, {}), library)
        for graph, each in zip(graphs, kernels, strict=True)
    ]
