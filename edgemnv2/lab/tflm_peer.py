"""TFLM's reference kernels on an emulated board: instructions of one inference, and its result.

TFLM has no kernels of its own for cores without SIMD: there it runs the reference kernels. They are
called here layer by layer with the network's own numbers, without the interpreter around them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import quantize_multiplier
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.codegen.toolchain import compile_object, cpu_flags, find_compiler, link_executable
from edgemnv2.errors import RunnerError, ToolchainError
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.runners.bench_program import execute
from edgemnv2.runners.insn_plugin import InstructionCounter
from edgemnv2.runners.local import RUNTIME
from edgemnv2.runners.qemu_system import find_qemu_system
from edgemnv2.target import Target

__all__ = ["Sources", "run_reference_kernels"]

Array = NDArray[Any]
SOURCE = RUNTIME / "tflm_reference.cc"
COMMON = "tensorflow/lite/kernels/internal/common.cc"
START = {"thumb": "startup.c", "riscv32": "startup_riscv.c"}
FLAGS = (
    *("-std=c++17", "-O2", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"),
    *("-ffunction-sections", "-fdata-sections", "-DTF_LITE_STATIC_MEMORY", "-DNDEBUG"),
)
# Debian has the C++ headers of GCC for Arm alone; what the kernels take of them is no machine's.
HEADERS = Path("/usr/include/newlib/c++")
SECONDS = 900
CALLS = {
    "conv2d": "convolve",
    "pointwise": "convolve",
    "depthwise": "convolve_depthwise",
    "add": "add",
    "pool": "mean",
}
"""What of the program each operator is."""


@dataclass(frozen=True)
class Sources:
    """Checkouts of github.com/tensorflow/tflite-micro, google/gemmlowp and google/ruy."""

    tflm: Path
    gemmlowp: Path
    ruy: Path


def run_reference_kernels(
    graph: Graph, target: Target, sample: Array, sources: Sources, folder: Path
) -> tuple[int, Array]:
    """Executed instructions of one inference of `sample`, and its output, on `target`'s board.

    `graph` is an int8 network of convolutions, residuals and a mean; anything else raises
    RunnerError with the layer's name. `folder` is for the program.
    """
    maps = [_map(name, tensor) for name, tensor in graph.tensors.items()]
    data = _Data()
    lines = [data.line(graph, layer) for layer in graph.layers]
    first, last = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    text = [
        *maps,
        f"const Map &IN = {_name(graph.inputs[0])}, &OUT = {_name(graph.outputs[0])};",
        f"enum {{ IN_BYTES = {first.size_bytes}, OUT_BYTES = {last.size_bytes} }};",
        "void infer() {",
        *lines,
        "}",
    ]
    (folder / "net.inc").write_text("\n".join(text) + "\n", encoding="ascii", newline="\n")
    (folder / "learned.bin").write_bytes(bytes(data.content))
    (folder / "data.s").write_text(
        '.section .rodata\n.balign 8\n.global learned\nlearned: .incbin "learned.bin"\n',
        encoding="ascii",
        newline="\n",
    )
    program = _build(target, sources, folder)
    (folder / "in.bin").write_bytes(np.ascontiguousarray(sample, np.int8).tobytes())
    emulator = find_qemu_system(target.cpu.isa)
    counter = InstructionCounter.prepare(emulator, program, folder, 1)
    command = [emulator, "-M", target.machine, "-nographic", "-monitor", "none"]
    command += ["-bios", "none"] if target.cpu.isa == "riscv32" else []
    command += ["-serial", "none", "-kernel", str(program), "-chardev", "stdio,id=console"]
    command += ["-semihosting-config", "enable=on,target=native,chardev=console"]
    execute([*command, *counter.arguments], folder, "TFLM's reference kernels", SECONDS)
    output = np.frombuffer((folder / "out.bin").read_bytes(), np.int8).reshape(last.shape)
    return int(counter.read(1)[0][0]), output


def _build(target: Target, sources: Sources, folder: Path) -> Path:
    """The program; ToolchainError with the compiler's first words."""
    compiler = find_compiler(target)
    cxx = compiler.command[0].removesuffix("gcc") + "g++"
    versions = sorted(HEADERS.glob("*"))
    if not versions:
        raise ToolchainError(f"{HEADERS}: no C++ headers (apt install libstdc++-arm-none-eabi-dev)")
    include = [f"-I{path}" for path in (sources.tflm, sources.gemmlowp, sources.ruy, RUNTIME)]
    include += ["-nostdinc++", f"-isystem{versions[-1]}", f"-isystem{versions[-1]}/arm-none-eabi"]
    objects = [folder / name for name in ("peer.o", "common.o", "data.o", "start.o")]
    flags = [*cpu_flags(target, compiler), *FLAGS, *include, f"-I{folder}"]
    for source, output in zip((SOURCE, sources.tflm / COMMON), objects, strict=False):
        _call([cxx, *flags, "-c", str(source), "-o", str(output)], folder)
    assemble = [*compiler.command, *cpu_flags(target, compiler), "-c", "data.s"]
    _call([*assemble, "-o", str(objects[2])], folder)
    compile_object(target, RUNTIME / START[target.cpu.isa], objects[3])
    script, program = folder / "board.ld", folder / "peer.elf"
    script.write_text(linker_script(target), encoding="ascii", newline="\n")
    link_executable(target, objects, program, linker_script=script)
    return program


def _call(command: Sequence[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise ToolchainError(f"{command[0]}: {result.stderr.strip()[:400]}")


def _name(tensor: str) -> str:
    return "t_" + "".join(letter if letter.isalnum() else "_" for letter in tensor)


def _map(name: str, tensor: Tensor) -> str:
    if tensor.dtype != "int8" or tensor.quant is None:
        raise RunnerError(f"{name!r} is {tensor.dtype}, and the reference kernels here are int8's")
    memory = '__attribute__((section(".arena"), aligned(8)))'
    sizes = ", ".join(map(str, (*tensor.shape, tensor.quant.zero_point)))
    return (
        f"{memory} int8_t {_name(name)}_data[{tensor.size_bytes}];\n"
        f"const Map {_name(name)} = {{{_name(name)}_data, {sizes}}};"
    )


def _clamp(layer: Layer) -> str:
    return ", ".join(str(int(end)) for end in layer.clamp_ends)


class _Data:
    """What was learned, one piece behind the other, and the calls that name it."""

    def __init__(self) -> None:
        self.content = bytearray()

    def line(self, graph: Graph, layer: Layer) -> str:
        """The call of one layer."""
        ends = ", ".join(map(_name, (*layer.inputs, layer.output)))
        kernel = CALLS.get(layer.op, "") if layer.is_plain else ""
        of = {"add": self._sum, "mean": self._mean}.get(kernel, self._convolution)
        facts = of(graph, layer) if kernel else None
        if facts is None:
            raise RunnerError(f"layer {layer.name!r}: no reference kernel is called for {layer.op}")
        return f"    {kernel}({ends}, {facts});"

    def _convolution(self, graph: Graph, layer: Layer) -> str:
        assert isinstance(layer, Convolution)
        return f"{{{self._learned(layer)}, {_clamp(layer)}}}"

    def _sum(self, graph: Graph, layer: Layer) -> str | None:
        assert isinstance(layer, Add)
        if layer.rescale is None or layer.is_real:
            return None
        multipliers = ", ".join(str(int(x.multiplier[0])) for x in layer.rescale)
        shifts = ", ".join(str(int(x.shift[0])) for x in layer.rescale)
        return f"{{{layer.left_shift}, {{{multipliers}}}, {{{shifts}}}, {_clamp(layer)}}}"

    def _mean(self, graph: Graph, layer: Layer) -> str | None:
        source, out = graph.tensor_in(layer).quant, graph.tensor_out(layer).quant
        assert isinstance(layer, GlobalAveragePool) and source and out
        if layer.requantize is None or layer.requantize.rounding == "even":
            return None
        multiplier, shift = quantize_multiplier(source.scale / out.scale)
        return f"{multiplier}, {shift}"

    def _learned(self, layer: Convolution) -> str:
        factor = layer.requantize
        assert factor is not None
        weight = layer.weight
        if weight.ndim == 4:
            weight = weight.transpose(3, 0, 1, 2)
        channels = len(layer.bias)
        offsets = [
            self._add(weight.astype(np.int8)),
            self._add(layer.bias.astype(np.int32)),
            self._add(np.broadcast_to(factor.multiplier, channels).astype(np.int32)),
            self._add(np.broadcast_to(factor.shift, channels).astype(np.int32)),
        ]
        top, left = layer.padding[:2]
        return ", ".join(map(str, (*offsets, *layer.kernel, *layer.stride, top, left)))

    def _add(self, values: Array) -> int:
        """Its offset, a multiple of 8."""
        self.content += bytes(-len(self.content) % 8)
        start = len(self.content)
        self.content += np.ascontiguousarray(values).tobytes()
        return start
