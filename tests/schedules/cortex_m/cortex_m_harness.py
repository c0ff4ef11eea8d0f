"""Builds row kernels into one bare-metal (or host) program and compares every layer's output.

A program runs each layer of a synthetic graph row by row over whole tensors in the kernels' own
layouts, on the expected input, and counts the output bytes that differ from NumPy's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.arithmetic.fixed_point import make_requantize, multiply_by_quantized_multiplier
from edgemnv2.arithmetic.onnx import add_rescale
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.codegen.c_source import kernel_source
from edgemnv2.model import QuantParams
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel, RowLayout
from tests.schedules.even_rounding import to_even

HEADERS = Path(__file__).resolve().parents[3] / "edgemnv2" / "runtime" / "kernels"
PREFIX = "test"
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class Board:
    """A compiler, and an emulated machine with its memory map (None: this machine)."""

    name: str
    compiler: tuple[str, ...]
    machine: str | None = None
    code: int = 0
    data: int = 0x20000000
    far: int | None = None

    @property
    def tools(self) -> tuple[str, ...]:
        emulator = ("qemu-system-arm",) if self.machine else ()
        return (self.compiler[0], *emulator)


def _thumb(cpu: str, abi: str = "soft") -> tuple[str, ...]:
    return ("arm-none-eabi-gcc", f"-mcpu={cpu}", "-mthumb", f"-mfloat-abi={abi}")


BOARDS = {
    board.name: board
    for board in (
        Board("host", ("gcc", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")),
        # The emulator has no M0+ with enough memory; its instructions are a subset of the M3's.
        Board("m0plus", _thumb("cortex-m0plus"), "mps2-an385"),
        Board("m3", _thumb("cortex-m3"), "mps2-an385"),
        Board("m4", _thumb("cortex-m4"), "mps2-an386"),
        Board("m7", (*_thumb("cortex-m7"), "-DEDGEMNV2_DUAL_ISSUE=1"), "mps2-an500"),
        Board(
            "m55", _thumb("cortex-m55", "hard"), "mps3-an547", 0x10000000, 0x11000000, 0x31000000
        ),
    )
}


_START = r"""
#include <stdint.h>
extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
int main(void);
static void call(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
void put_text(const char *text) { call(4, text); }
__attribute__((noreturn)) static void quit(void)
{
    call(0x18, (const void *)0x20026);
    for (;;) {
    }
}
void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xF << 20; /* CPACR: floating point and MVE */
    __asm__ volatile("dsb\n isb");
    const uint32_t *source = &data_load;
    for (uint32_t *to = &data_start; to < &data_end; ++to) *to = *source++;
    for (uint32_t *to = &bss_start; to < &bss_end; ++to) *to = 0;
    main();
    quit();
}
void fault(void) { put_text("FAULT\n"); quit(); }
__attribute__((section(".vectors"), used)) void *const vectors[16] = {
    &stack_top, reset, fault, fault, fault, fault, fault, fault};
"""

_MAIN = r"""
#include <stdint.h>
extern int32_t run_layer(int32_t layer, int32_t check);
extern const int32_t layer_count;
void put_text(const char *text);
__attribute__((noinline)) void marker(void) { __asm__ volatile("" ::: "memory"); }
static void put_number(uint32_t value)
{
    char text[16];
    int i = 15;
    text[i] = 0;
    do { text[--i] = (char)('0' + value % 10); value /= 10; } while (value);
    put_text(text + i);
}
int main(void)
{
    for (int32_t layer = 0; layer < layer_count; ++layer) {
        put_text("layer ");
        put_number((uint32_t)layer);
        put_text(" differs ");
        put_number((uint32_t)run_layer(layer, 1));
        put_text("\n");
    }
    for (int32_t layer = 0; layer < layer_count; ++layer) {
        marker();
        run_layer(layer, 0);
    }
    marker();
    put_text("done\n");
    return 0;
}
"""

_HOST = r"""
#include <stdio.h>
void put_text(const char *text) { fputs(text, stdout); }
"""


def quant(zero_point: int, scale: float = 0.05) -> QuantParams:
    return QuantParams(scale, zero_point)


def out_extent(size: int, stride: int, kernel: int, before: int, after: int) -> int:
    return (size + before + after - kernel) // stride + 1


def same_padding(size: int, stride: int, kernel: int) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class Network:
    """A chain of layers with random constants, built layer by layer."""

    def __init__(
        self,
        seed: int,
        height: int,
        width: int,
        channels: int,
        zero_point: int = -3,
        dtype: str = "int8",
    ):
        self.rng = np.random.default_rng(seed)
        self.tensors = {"x": Tensor("x", height, width, channels, dtype, quant(zero_point))}
        self.layers: list[Layer] = []
        self.current = "x"

    def _output(self, name: str, height: int, width: int, channels: int, zero_point: int) -> None:
        self.tensors[name] = Tensor(name, height, width, channels, "int8", quant(zero_point))

    def _factors(self, deviation: np.ndarray, spread: float, gain: float) -> Requantize:
        reals = gain * 40 / deviation * self.rng.uniform(1, spread, deviation.shape)
        return make_requantize(reals)

    def convolution(
        self,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        padding: str = "same",
        relu: bool = False,
        depthwise: bool = False,
        zero_point: int | None = None,
        clamp: tuple[int, int] | None = None,
        spread: float = 4.0,
        gain: float = 1.0,
        dead: int | None = None,
        weight_dtype: str = "int8",
        weight_limit: int = 127,
        weight_shift: int = 0,
        heavy: bool = False,
        single_rounding: bool = False,
        nearly_dead: tuple[int, ...] = (),
    ) -> Network:
        source = self.tensors[self.current]
        if padding == "same":
            top, bottom = same_padding(source.height, stride, kernel)
            left, right = same_padding(source.width, stride, kernel)
        else:
            top = bottom = left = right = int(padding)
        if zero_point is None:
            zero_point = -128 if relu else 5
        if clamp is None:
            clamp = (max(-128, zero_point), 127) if relu else (-128, 127)
        if depthwise:
            channels = source.channels
        shape = (kernel, kernel) + (() if depthwise else (source.channels,)) + (channels,)
        weight = self.rng.normal(0, weight_limit / 3, shape)
        weight = np.clip(np.rint(weight), -weight_limit, weight_limit).astype(weight_dtype)
        if heavy:
            weight = self.rng.integers(-weight_limit, weight_limit + 1, shape).astype(weight_dtype)
        if weight_shift:
            weight = weight.astype(np.int16) + np.int16(weight_shift)
        bias = self.rng.integers(-3000, 3000, channels).astype(np.int32)
        axes = tuple(range(len(shape) - 1))
        norm = np.sqrt((weight.astype(float) ** 2).sum(axis=axes)) * 74 + 1
        factor = self._factors(norm, spread, gain)
        for i, channel in enumerate(nearly_dead):
            # As trained networks have them: tiny weights' scale, so a tiny factor, a huge bias.
            factor.multiplier[channel], factor.shift[channel] = (1 << 30) + 12345, -18 - 3 * i
            bias[channel] = 90 << (17 + 3 * i)
        if dead is not None:
            factor.multiplier[dead] = 0
            factor.shift[dead] = 0
        factor = replace(factor, rounding="once" if single_rounding else "twice")
        height = out_extent(source.height, stride, kernel, top, bottom)
        width = out_extent(source.width, stride, kernel, left, right)
        name = f"t{len(self.layers)}"
        self._output(name, height, width, channels, zero_point)
        kind: Any = DepthwiseConv2D if depthwise else Conv2D
        self.layers.append(
            kind(
                name=f"l{len(self.layers)}",
                inputs=(self.current,),
                output=name,
                weight=weight,
                bias=bias,
                stride=(stride, stride),
                padding=(top, left, bottom, right),
                clamp=clamp,
                requantize=factor,
            )
        )
        self.current = name
        return self

    def add(self, other: str, scales: tuple[float, float, float] = (0.05, 0.043, 0.06)) -> Network:
        from edgemnv2.arithmetic.fixed_point import quantize_multiplier

        one, two, out = scales
        twice = 2 * max(one, two)
        factors = []
        for real in (one / twice, two / twice, twice / (2**20 * out)):
            multiplier, shift = quantize_multiplier(real)
            factors.append(
                Requantize(np.array([multiplier], np.int32), np.array([shift], np.int32))
            )
        source = self.tensors[self.current]
        name = f"t{len(self.layers)}"
        self._output(name, source.height, source.width, source.channels, 7)
        self.layers.append(
            Add(
                name=f"l{len(self.layers)}",
                inputs=(self.current, other),
                output=name,
                clamp=(-128, 127),
                left_shift=20,
                rescale=(factors[0], factors[1], factors[2]),
            )
        )
        self.current = name
        return self

    def graph(self) -> Graph:
        return Graph("synthetic", self.tensors, tuple(self.layers), ("x",), (self.current,), (), ())


def rounded_to_even(graph: Graph, kind: str) -> Graph:
    """The graph with ONNX's rounding in every layer.

    `kind`: "even", "fractions" (biases finer than a step), "halves" (sums meet halves).
    """
    random = np.random.default_rng(len(graph.layers))
    layers: list[Layer] = []
    for number, layer in enumerate(graph.layers):
        if isinstance(layer, Add):
            # Every second sum meets halves.
            scales = (0.5, 0.25, 0.5) if number % 2 else (0.05, 0.043, 0.06)
            zeros = [graph.tensors[x].quant.zero_point for x in (*layer.inputs, layer.output)]  # type: ignore[union-attr]
            a, b, y = (QuantParams(s, z) for s, z in zip(scales, zeros, strict=True))
            factors = add_rescale(a, b, y, ("int8", "int8"))
            layers.append(replace(layer, left_shift=0, rescale=factors))
            continue
        assert isinstance(layer, Conv2D | DepthwiseConv2D) and layer.requantize is not None
        multiplier = layer.requantize.multiplier
        multiplier = np.where(multiplier == 0, 0, multiplier | 1).astype(np.int32)
        addend = None
        if kind == "halves":
            some = np.arange(multiplier.size) % 3
            factors = np.array([1 << 30, 3 << 29, (1 << 30) + 1], np.int32)[some]
            multiplier = np.where(multiplier == 0, 0, factors).astype(np.int32)
        if kind == "fractions":
            parts = random.integers(0, 256, multiplier.shape)
            addend = (parts * multiplier.astype(np.int64)) >> 8
        factor = Requantize(multiplier, layer.requantize.shift, "even", addend)
        layers.append(replace(layer, requantize=factor))
    return replace(graph, layers=tuple(layers))


def reference(graph: Graph, layer: Layer, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """The layer in NumPy, from the definition in `arithmetic/fixed_point.py`."""
    out = graph.tensor_out(layer)
    assert out.quant is not None
    zero_points = [graph.tensors[name].quant.zero_point for name in layer.inputs]  # type: ignore[union-attr]
    if isinstance(layer, Add):
        assert layer.rescale is not None
        total = np.zeros(out.shape, np.int64)
        if layer.is_real:
            for values, zero_point, factor in zip(inputs, zero_points, layer.rescale, strict=True):
                total += (values.astype(np.int64) - zero_point) * int(factor.multiplier[0])
            if layer.rescale[0].addend is not None:
                total += layer.rescale[0].addend
            result = to_even(total, 31 - layer.rescale[0].shift.astype(np.int64))
            return np.clip(result + out.quant.zero_point, *layer.clamp).astype(np.int8)
        for values, zero_point, factor in zip(inputs, zero_points, layer.rescale, strict=False):
            shifted = (values.astype(np.int64) - zero_point) << layer.left_shift
            total += multiply_by_quantized_multiplier(
                shifted, factor.multiplier[0], factor.shift[0]
            )
        factor = layer.rescale[2]
        result = multiply_by_quantized_multiplier(total, factor.multiplier[0], factor.shift[0])
    else:
        assert isinstance(layer, Conv2D | DepthwiseConv2D) and layer.requantize is not None
        values = inputs[0].astype(np.int64) - zero_points[0]
        top, left, bottom, right = layer.padding
        padded = np.pad(values, ((top, bottom), (left, right), (0, 0)))
        rows, columns = layer.kernel
        sy, sx = layer.stride
        sums = np.zeros(out.shape, np.int64) + layer.bias
        weight = layer.weight.astype(np.int64)
        for y in range(rows):
            for x in range(columns):
                window = padded[y : y + sy * out.height : sy, x : x + sx * out.width : sx]
                window = window[: out.height, : out.width]
                sums += window * weight[y, x] if weight.ndim == 3 else window @ weight[y, x]
        factor = layer.requantize
        if factor.rounding == "even":
            product = sums * factor.multiplier.astype(np.int64)
            product = product if factor.addend is None else product + factor.addend
            result = to_even(product, 31 - factor.shift.astype(np.int64))
        elif factor.single_rounding:
            right = 31 - factor.shift.astype(np.int64)
            product = sums * factor.multiplier.astype(np.int64)
            result = (product + (np.int64(1) << (right - 1)) - (product < 0)) >> right
        else:
            result = multiply_by_quantized_multiplier(sums, factor.multiplier, factor.shift)
    return np.clip(result + out.quant.zero_point, *layer.clamp).astype(np.int8)


def laid_out(values: np.ndarray, layout: RowLayout, zero_point: int) -> np.ndarray:
    """`[H, W, C]` as rows of bytes in `layout`."""
    padded = np.pad(
        values, ((0, 0), (layout.left, layout.right), (0, 0)), constant_values=zero_point
    )
    if layout.order == "CW":
        padded = padded.transpose(0, 2, 1)
    return np.ascontiguousarray(padded).reshape(values.shape[0], -1)


def kernels_of(
    family: Any,
    graph: Graph,
    decisions: Mapping[str, Any] | None = None,
    fuse: bool = False,
    own: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[dict[str, RowLayout], dict[str, RowKernel]]:
    """The layouts of a graph, and a kernel of the family for every layer by its name.

    `decisions` for all layers that have them in their space; `own` by layer, as they are.
    """
    layouts = family.layouts(graph, None)

    def chosen(layer: Layer) -> dict[str, Any]:
        known = dict(family.default(graph, layer, None))
        known |= {k: v for k, v in (decisions or {}).items() if k in known}
        return known | dict((own or {}).get(layer.name, {}))

    kernels = {}
    if fuse:
        for first, second in zip(graph.layers, graph.layers[1:], strict=False):
            if isinstance(first, DepthwiseConv2D) and isinstance(second, Conv2D):
                kernel = family.fused_kernel(graph, first, second, layouts, None, chosen(second))
                if kernel is not None:
                    kernels[second.name] = kernel
    covered = {name for kernel in kernels.values() for name in kernel.fuses}
    for layer in graph.layers:
        if layer.name in kernels or layer.name in covered:
            continue
        kernel = family.row_kernel(graph, layer, layouts, None, chosen(layer))
        assert kernel is not None, f"{layer.name} has no kernel"
        kernels[layer.name] = kernel
    return layouts, kernels


def sources(kernels: Mapping[str, RowKernel]) -> list[str]:
    """Includes, prototypes and definitions of all kernels."""
    headers = sorted({header for kernel in kernels.values() for header in kernel.c_requires})
    definitions = kernel_source(kernels, PREFIX).values()
    return [
        "#include <stdint.h>",
        "#include <string.h>",
        *(f'#include "{header}"' for header in headers),
        *(text.split("{", 1)[0].strip() + ";" for text in definitions),
        *definitions,
    ]


def program(
    graph: Graph, layouts: Mapping[str, RowLayout], kernels: Mapping[str, RowKernel]
) -> str:
    """The C source of all kernels, their constants, test data and `run_layer`."""
    rng = np.random.default_rng(1)
    source = graph.tensors[graph.inputs[0]]
    info = np.iinfo(source.dtype)
    first = rng.integers(info.min, info.max + 1, source.shape).astype(source.dtype)
    values = {source.name: first}
    text = sources(kernels)
    scratch = max((kernel.scratch_bytes for kernel in kernels.values()), default=0)
    cases = []
    largest = 0
    for name, tensor in graph.tensors.items():
        assert tensor.quant is not None
        layout = layouts.get(name, RowLayout())
        largest = max(largest, tensor.height * layout.row_bytes(tensor))
    for layer in graph.layers:
        values[layer.output] = reference(graph, layer, [values[name] for name in layer.inputs])
        kernel = kernels.get(layer.name)
        if kernel is None:
            continue
        index = len(cases)
        for k, constant in enumerate(kernel.constants):
            text.append(_array(f"constant_{index}_{k}", constant))
        cases.append("\n".join(_case(graph, layouts, layer, kernel, index)))
    for name, array in values.items():
        tensor = graph.tensors[name]
        assert tensor.quant is not None
        layout = layouts.get(name, RowLayout())
        text.append(_array(f"data_{name}", laid_out(array, layout, tensor.quant.zero_point)))
        row = layout.row_bytes(tensor)
        text.append(_array(f"zero_{name}", np.full(row, tensor.quant.zero_point, tensor.dtype)))
    text += [
        f"static int8_t result[{largest}] __attribute__((aligned(8)));",
        f"static int8_t scratch[{max(8, scratch)}] __attribute__((aligned(8), unused));",
        f"const int32_t layer_count = {len(kernels)};",
        "extern int32_t run_layer(int32_t layer, int32_t check);",
        "int32_t run_layer(int32_t layer, int32_t check)",
        "{",
        "    int32_t size = 0, bad = 0;",
        "    const int8_t *expected = 0;",
        "    memset(scratch, check ? 0x55 : 0, sizeof(scratch));" if scratch else "",
        "    switch (layer) {",
        *cases,
        "    default: break;",
        "    }",
        "    for (int32_t i = 0; check && i < size; ++i) bad += result[i] != expected[i];",
        "    return bad;",
        "}",
        "",
    ]
    return "\n".join(text)


def _array(name: str, values: np.ndarray) -> str:
    kinds = {"int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "uint8": "uint8_t"}
    body = ",".join(map(str, values.reshape(-1).tolist()))
    kind = kinds[str(values.dtype)]
    attributes = "__attribute__((aligned(8), unused))"
    return f"static const {kind} {name}[{values.size}] {attributes} = {{{body}}};"


def _case(
    graph: Graph,
    layouts: Mapping[str, RowLayout],
    layer: Layer,
    kernel: RowKernel,
    index: int,
) -> list[str]:
    out = graph.tensor_out(layer)
    row_bytes = layouts.get(layer.output, RowLayout()).row_bytes(out)
    arguments = []
    if kernel.fuses:
        layer = next(x for x in graph.layers if x.name == kernel.fuses[0])
    for name in layer.inputs:
        tensor = graph.tensors[name]
        step = layouts.get(name, RowLayout()).row_bytes(tensor)
        if isinstance(layer, Add):
            arguments.append(f"data_{name} + r * {step}")
            continue
        assert isinstance(layer, Conv2D | DepthwiseConv2D)
        for k in range(layer.kernel[0]):
            at = f"(r * {layer.stride[0]} + {k - layer.padding[0]})"
            arguments.append(
                f"{at} >= 0 && {at} < {tensor.height} ? data_{name} + {at} * {step} : zero_{name}"
            )
    arguments.append(f"result + r * {row_bytes}")
    if kernel.scratch_bytes:
        arguments.append("(void *)scratch")
    arguments += [f"constant_{index}_{k}" for k in range(len(kernel.constants))]
    assert kernel.rows_per_step == 1
    return [
        f"    case {index}:",
        f"        size = {out.height * row_bytes};",
        f"        expected = data_{out.name};",
        "        if (check) memset(result, 0x55, sizeof(result));",
        f"        for (int32_t r = 0; r < {out.height}; ++r)",
        f"            {PREFIX}_{kernel.symbol}({', '.join(arguments)});",
        "        break;",
    ]


def build(board: Board, source: str, folder: Path, optimise: str = "-O2") -> Path:
    """The linked program."""
    folder.mkdir(parents=True, exist_ok=True)
    kernels = folder / "kernels.c"
    kernels.write_text(source)
    (folder / "main.c").write_text(_MAIN)
    objects = []
    for name, text in (("start" if board.machine else "host", _START if board.machine else _HOST),):
        (folder / f"{name}.c").write_text(text)
        objects.append(folder / f"{name}.c")
    output = folder / "program.elf"
    common = [*board.compiler, optimise, "-ffunction-sections", f"-I{HEADERS}"]
    subprocess.run(
        [*common, *WARNINGS, "-c", str(kernels), "-o", str(folder / "kernels.o")], check=True
    )
    link: list[str] = ["-o", str(output)]
    if board.machine:
        script = folder / "link.ld"
        far = board.code + 0x80000 if board.far is None else board.far
        script.write_text(
            f"MEMORY {{ CODE (rx) : ORIGIN = {board.code:#x}, LENGTH = 512K\n"
            f" FLASH (r) : ORIGIN = {far:#x}, LENGTH = 3072K\n"
            f" DATA (rw) : ORIGIN = {board.data:#x}, LENGTH = 2M }}\n"
            "SECTIONS { .text : { KEEP(*(.vectors)) *(.text*) } > CODE\n"
            " .rodata : { *(.rodata*) } > FLASH\n"
            " .ARM.exidx : { *(.ARM.exidx*) } > CODE\n"
            " .data : { data_start = .; *(.data*) . = ALIGN(8); data_end = .; } > DATA AT > CODE\n"
            " data_load = LOADADDR(.data);\n"
            " .bss (NOLOAD) : { bss_start = .; *(.bss*) *(COMMON) . = ALIGN(8); bss_end = .; }"
            " > DATA\n"
            f" stack_top = {board.data + 0x200000:#x}; }}\n"
        )
        link += ["-nostartfiles", f"-T{script}", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"]
    subprocess.run(
        [
            *common,
            "-ffreestanding" if board.machine else "-O1",
            *map(str, objects),
            str(folder / "main.c"),
            str(folder / "kernels.o"),
            *link,
        ],
        check=True,
    )
    return output


def run(board: Board, program_path: Path, plugin: str | None = None) -> str:
    """What the program prints."""
    command = [str(program_path)]
    if board.machine:
        command = [
            "qemu-system-arm",
            *("-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native", "-kernel", str(program_path)),
        ]
        if plugin:
            command += ["-plugin", plugin]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    return done.stdout + done.stderr


def mismatches(output: str) -> list[int]:
    """Differing bytes per layer; fails unless the program came to its end."""
    assert "done" in output, output
    lines = [line for line in output.splitlines() if line.startswith("layer ")]
    return [int(line.split()[3]) for line in lines]
