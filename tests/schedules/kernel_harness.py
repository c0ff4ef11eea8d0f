"""Runs one row kernel on synthetic layers, natively or under qemu-user, against NumPy.

Every buffer of the driver ends right before a page that may not be touched (or begins right after
one), so a kernel that reads or writes outside its rows crashes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import tvm

from edgemnv2.arithmetic.fixed_point import make_requantize, multiply_by_quantized_multiplier
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.tir.builder import build_module

INFINITE = (-np.inf, np.inf)


@dataclass(frozen=True)
class Machine:
    """A target as the schedules see it, and how its programs are linked and run."""

    name: str
    triple: str
    mcpu: str
    features: tuple[str, ...] = ()
    mattr: tuple[str, ...] = ()
    compiler: tuple[str, ...] = ("gcc",)
    emulator: tuple[str, ...] = ()
    hard_float: bool = False
    split: tuple[str, ...] = ()
    """Vector operations that cost the core several (a target's `split_operations`)."""
    cpu: Any = field(init=False)
    toolchain: Any = field(init=False)

    def __post_init__(self) -> None:
        cpu = SimpleNamespace(core=self.mcpu, features=self.features, split_operations=self.split)
        object.__setattr__(self, "cpu", cpu)
        object.__setattr__(self, "toolchain", SimpleNamespace(triple=self.triple, mcpu=self.mcpu))

    def llvm(self) -> Any:
        options: dict[str, Any] = {"kind": "llvm", "mtriple": self.triple, "mcpu": self.mcpu}
        if self.mattr:
            options["mattr"] = list(self.mattr)
        if self.hard_float:
            options["mfloat-abi"] = "hard"
        return tvm.target.Target(options)


ARM64 = {
    "compiler": ("aarch64-linux-gnu-gcc", "-static"),
    "emulator": ("qemu-aarch64", "-cpu", "max"),
}
ARM32 = {
    "compiler": ("arm-linux-gnueabihf-gcc", "-static"),
    "emulator": ("qemu-arm", "-cpu", "max"),
}
MACHINES = {
    m.name: m
    for m in (
        Machine("a53", "aarch64-linux-gnu", "cortex-a53", ("neon",), ("+neon",), **ARM64),
        Machine(
            "a72",
            "aarch64-linux-gnu",
            "cortex-a72",
            ("neon",),
            ("+neon",),
            split=("fmax", "uzp1"),
            **ARM64,
        ),
        Machine(
            "a76",
            "aarch64-linux-gnu",
            "cortex-a76",
            ("neon", "dotprod", "fp16"),
            ("+neon", "+dotprod", "+fullfp16"),
            **ARM64,
        ),
        Machine(
            "armv7",
            "armv7l-linux-gnueabihf",
            "cortex-a7",
            ("neon",),
            ("+neon",),
            hard_float=True,
            **ARM32,
        ),
        Machine(
            "vnni",
            "x86_64-linux-gnu",
            "x86-64-v4",
            ("avx2", "fma", "avx512vnni"),
            ("+avx512vnni", "+avx512vbmi", "-prefer-256-bit"),
        ),
        Machine("avx2", "x86_64-linux-gnu", "x86-64-v3", ("avx2", "fma"), ("+avx2", "+fma")),
    )
}


# ------------------------------------------------------------------------------ synthetic layers


def graph_of(layer: Layer, *tensors: Tensor) -> Graph:
    return Graph(
        "test", {t.name: t for t in tensors}, (layer,), layer.inputs, (layer.output,), (), ()
    )


def real_factors(rng: Any, channels: int, typical: float, large: bool) -> Requantize:
    """Seeded factors around `typical`; `large` puts some at one half and above."""
    reals = typical * rng.uniform(0.5, 1.5, channels)
    if large:
        reals[:: max(1, channels // 3)] = rng.uniform(
            0.5, 3.0, len(reals[:: max(1, channels // 3)])
        )
    if channels > 3:
        reals[1] = 0.0
    return make_requantize(reals)


def layer_graph(
    kind: str,
    dtype: str = "int8",
    *,
    height: int = 3,
    width: int = 8,
    cin: int = 16,
    cout: int = 16,
    stride: int = 1,
    padding: tuple[int, int, int, int] = (1, 1, 1, 1),
    relu: bool = True,
    zero_in: int = -3,
    zero_out: int = -128,
    clamp: tuple[float, float] | None = None,
    large: bool = False,
    weight_min: int = -127,
    single_rounding: bool = False,
    weight_dtype: str = "int8",
    source_dtype: str | None = None,
    seed: int = 0,
) -> Graph:
    """A one-layer graph: kind "pointwise", "conv2d", "depthwise" or "add"."""
    rng = np.random.default_rng(seed)
    integer = dtype == "int8"
    if kind in ("pointwise", "add"):
        padding, stride = (0, 0, 0, 0), 1
    if kind in ("depthwise", "add"):
        cout = cin
    size = 1 if kind == "pointwise" else 3
    oh = (height + padding[0] + padding[2] - size) // stride + 1 if kind != "add" else height
    ow = (width + padding[1] + padding[3] - size) // stride + 1 if kind != "add" else width
    source_type = source_dtype or dtype
    q_in = QuantParams(0.02, zero_in) if integer else None
    q_out = QuantParams(0.02, zero_out) if integer else None
    x = Tensor("x", height, width, cin, source_type, q_in)
    y = Tensor("y", oh, ow, cout, dtype, q_out)
    if clamp is None:
        low = zero_out if relu else -128
        clamp = (low, 127) if integer else ((0.0, 6.0) if relu else INFINITE)
    if kind == "add":
        b = Tensor("b", height, width, cin, dtype, QuantParams(0.03, 5) if integer else None)
        rescale = None
        if integer:
            factors = [[0.5], [0.3 if not large else 0.9], [1e-6 * (1.4 if not large else 2.0)]]
            rescale = tuple(make_requantize(f) for f in factors)
        layer: Layer = Add("add", ("x", "b"), "y", clamp, 20 if integer else 0, rescale)
        return graph_of(layer, x, b, y)
    shape = (3, 3, cin) if kind == "depthwise" else (size, size, cin, cout)
    depth = 9 if kind == "depthwise" else size * size * cin
    requantize = None
    if integer:
        weight = rng.integers(-127, 128, shape).astype(np.int8)
        weight.flat[0] = weight_min
        if weight_dtype == "int16":
            weight = rng.integers(-254, 255, shape).astype(np.int16)
        bias = rng.integers(-2000, 2000, cout).astype(np.int32)
        requantize = real_factors(rng, cout, 1.0 / (100 * depth**0.5), large)
        if single_rounding:
            # Sums are multiples of 64 and are divided by 512: an eighth of them is halfway.
            weight = rng.choice(np.array([-64, 0, 64], np.int8), shape)
            bias = bias // 64 * 64
            halves = np.full(cout, 1 << 30, np.int32), np.full(cout, -8, np.int32)
            requantize = Requantize(*halves, rounding="once")
    else:
        weight = (rng.standard_normal(shape) / depth**0.5).astype(dtype)
        bias = rng.standard_normal(cout).astype(dtype)
    cls = DepthwiseConv2D if kind == "depthwise" else Conv2D
    layer = cls(kind, ("x",), "y", weight, bias, (stride, stride), padding, clamp, requantize)
    return graph_of(layer, x, y)


def random_inputs(graph: Graph, seed: int = 1) -> list[Any]:
    rng = np.random.default_rng(seed)
    arrays = []
    for name in graph.layers[0].inputs:
        t = graph.tensors[name]
        if t.dtype.startswith("float"):
            arrays.append(rng.standard_normal(t.shape).astype(t.dtype))
        else:
            info = np.iinfo(t.dtype)
            arrays.append(rng.integers(info.min, info.max + 1, t.shape).astype(t.dtype))
    return arrays


# ---------------------------------------------------------------------------------- the reference


def reference(graph: Graph, inputs: list[Any]) -> Any:
    """The layer in NumPy: TFLite's integers exactly, float32 in float64."""
    layer = graph.layers[0]
    out = graph.tensor_out(layer)
    if isinstance(layer, Add):
        return _reference_add(graph, layer, inputs)
    assert isinstance(layer, Conv2D | DepthwiseConv2D)
    x = graph.tensor_in(layer)
    wide = np.int64 if layer.requantize is not None else np.float64
    data = inputs[0].astype(wide) - (x.quant.zero_point if x.quant else 0)
    top, left, bottom, right = layer.padding
    data = np.pad(data, ((top, bottom), (left, right), (0, 0)))
    acc = np.zeros(out.shape, wide) + layer.bias.astype(wide)
    s = layer.stride[0]
    for i in range(layer.kernel[0]):
        for j in range(layer.kernel[1]):
            part = data[i : i + (out.height - 1) * s + 1 : s, j : j + (out.width - 1) * s + 1 : s]
            w = layer.weight[i, j].astype(wide)
            acc += part * w if isinstance(layer, DepthwiseConv2D) else part @ w
    if layer.requantize is not None:
        r = layer.requantize
        acc = rescale(acc, r) + out.quant.zero_point
    return np.clip(acc, *layer.clamp).astype(out.dtype)


def rescale(acc: Any, factor: Requantize) -> Any:
    if not factor.single_rounding:
        return multiply_by_quantized_multiplier(acc, factor.multiplier, factor.shift)
    bits = 31 - factor.shift.astype(np.int64)
    product = acc * factor.multiplier.astype(np.int64)
    magnitude = (np.abs(product) + (np.int64(1) << (bits - 1))) >> bits
    return np.sign(product) * magnitude


def _reference_add(graph: Graph, layer: Add, inputs: list[Any]) -> Any:
    out = graph.tensor_out(layer)
    if layer.rescale is None:
        return np.clip(inputs[0].astype(np.float64) + inputs[1], *layer.clamp).astype(out.dtype)
    total: Any = 0
    for number, data in enumerate(inputs):
        zero = graph.tensor_in(layer, number).quant.zero_point
        shifted = (data.astype(np.int64) - zero) << layer.left_shift
        r = layer.rescale[number]
        total = total + multiply_by_quantized_multiplier(shifted, r.multiplier, r.shift)
    r = layer.rescale[2]
    total = multiply_by_quantized_multiplier(total, r.multiplier, r.shift) + out.quant.zero_point
    return np.clip(total, *layer.clamp).astype(out.dtype)


# --------------------------------------------------------------------------------------- layouts


def to_layout(tensor: Tensor, layout: RowLayout, data: Any) -> Any:
    """Rows of `data` as they lie in memory."""
    zero = tensor.quant.zero_point if tensor.quant else 0
    return np.pad(data, ((0, 0), (layout.left, layout.right), (0, 0)), constant_values=zero)


def from_layout(tensor: Tensor, layout: RowLayout, raw: bytes) -> Any:
    """The tensor from its rows in memory; the padding must hold zero points."""
    full = np.frombuffer(raw, np.dtype(tensor.dtype)).reshape(
        tensor.height, layout.left + tensor.width + layout.right, tensor.channels
    )
    zero = tensor.quant.zero_point if tensor.quant else 0
    inner = full[:, layout.left : layout.left + tensor.width]
    assert (full[:, : layout.left] == zero).all()
    return inner


# ---------------------------------------------------------------------------------------- driving

DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
void SYMBOL(PROTOTYPE);
static int at_end = 1;
/* n bytes right before (or right after) a page that may not be touched */
static void *guarded(size_t n) {
    size_t page = 65536, size = (n + page - 1) / page * page;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *p = mmap(NULL, size + 2 * page, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED) exit(4);
    mprotect(p, page, PROT_NONE);
    mprotect(p + page + size, page, PROT_NONE);
    return at_end ? p + page + (size - n) : p + page;
}
static void *blob(const char *folder, const char *name, size_t n) {
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    char *p = guarded(n);
    if (!f || fread(p, 1, n, f) != n) exit(3);
    fclose(f);
    return p;
}
static char *rows[2][ROWS], *outside[2], *made[ROWS], *constants[10];
int main(int argc, char **argv) {
    const char *folder = argv[1];
    int repeats = atoi(argv[2]);
    at_end = argc < 4;
LOAD
    for (int n = 0; n < repeats; n++)
        for (int y = 0; y < STEPS; y++) {
CALL
        }
    char path[1000];
    snprintf(path, sizeof path, "%s/out.bin", folder);
    FILE *f = fopen(path, "wb");
    for (int y = 0; y < STEPS; y++) fwrite(made[y], 1, OUT_BYTES, f);
    fclose(f);
    return 0;
}
"""


def build_driver(
    kernel: RowKernel,
    graph: Graph,
    inputs: list[Any],
    layouts: Mapping[str, RowLayout],
    machine: Machine,
    folder: Path,
    in_place: int | None = None,
) -> Path:
    """An executable that runs `kernel` over the whole layer; files in `folder`."""
    layer = graph.layers[0]
    out = graph.tensor_out(layer)
    out_layout = layouts.get(layer.output, RowLayout())
    window, stride, before = 1, 1, 0
    if isinstance(layer, Conv2D | DepthwiseConv2D):
        window, stride, before = layer.kernel[0], layer.stride[0], layer.padding[0]
    step = kernel.rows_per_step
    steps = out.height // step
    lines, call = [], []
    arguments = []
    for number, name in enumerate(layer.inputs):
        tensor = graph.tensors[name]
        layout = layouts.get(name, RowLayout())
        data = to_layout(tensor, layout, inputs[number])
        (folder / f"in{number}.bin").write_bytes(data.tobytes())
        n = layout.row_bytes(tensor) * step
        zero = np.full(n // data.dtype.itemsize, 0, data.dtype)
        if tensor.quant is not None:
            zero += np.asarray(tensor.quant.zero_point, data.dtype)
        (folder / f"zero{number}.bin").write_bytes(zero.tobytes())
        count = tensor.height // step
        lines.append(f'    outside[{number}] = blob(folder, "zero{number}.bin", {n});')
        lines.append(
            f'    {{ char *all = blob(folder, "in{number}.bin", {n * count});'
            f" for (int y = 0; y < {count}; y++)"
            f" {{ rows[{number}][y] = guarded({n});"
            f" memcpy(rows[{number}][y], all + (size_t)y * {n}, {n}); }} }}"
        )
        for i in range(window):
            call.append(
                f"            int y{number}_{i} = y * {stride} - {before} + {i};"
                f" char *r{number}_{i} = y{number}_{i} < 0 || y{number}_{i} >= {count}"
                f" ? outside[{number}] : rows[{number}][y{number}_{i}];"
            )
            arguments.append(f"r{number}_{i}")
    out_bytes = out_layout.row_bytes(out) * step
    if in_place is None:
        lines.append(
            f"    for (int y = 0; y < {steps}; y++)"
            f" {{ made[y] = guarded({out_bytes}); memset(made[y], 0x55, {out_bytes}); }}"
        )
    else:
        lines.append(f"    for (int y = 0; y < {steps}; y++) made[y] = rows[{in_place}][y];")
    arguments.append("made[y]")
    if kernel.scratch_bytes:
        lines.append(f"    char *scratch = guarded({kernel.scratch_bytes});")
        arguments.append("scratch")
    for number, value in enumerate(kernel.constants):
        (folder / f"constant{number}.bin").write_bytes(np.ascontiguousarray(value).tobytes())
        lines.append(
            f'    constants[{number}] = blob(folder, "constant{number}.bin", {value.nbytes});'
        )
        arguments.append(f"constants[{number}]")
    call.append(f"            {kernel.symbol}({', '.join(arguments)});")
    text = DRIVER.replace("SYMBOL", kernel.symbol)
    text = text.replace("PROTOTYPE", ", ".join(["void *"] * len(arguments)))
    text = text.replace("LOAD", "\n".join(lines)).replace("CALL", "\n".join(call))
    text = text.replace("OUT_BYTES", str(out_bytes)).replace("STEPS", str(steps))
    rows = max(graph.tensors[n].height for n in (*layer.inputs, layer.output))
    text = text.replace("ROWS", str(rows))
    (folder / "main.c").write_text(text)
    module = build_module({kernel.symbol: kernel.code.function}, machine.llvm())
    module.write_to_file(str(folder / "kernel.o"), "o")
    if os.environ.get("KEEP_ASSEMBLY"):
        (folder / "kernel.s").write_text(module.inspect_source("asm"))
    program = folder / "main"
    command = [*machine.compiler, "-O1", "-o", str(program), "main.c", "kernel.o"]
    subprocess.run(command, cwd=folder, check=True)
    return program


def run_kernel(
    kernel: RowKernel,
    graph: Graph,
    inputs: list[Any],
    layouts: Mapping[str, RowLayout],
    machine: Machine,
    folder: Path,
    in_place: int | None = None,
) -> Any:
    """The layer's output as the kernel makes it, once with guard pages behind, once before."""
    program = build_driver(kernel, graph, inputs, layouts, machine, folder, in_place)
    layer = graph.layers[0]
    results = []
    for extra in ([], ["before"]):
        subprocess.run([*machine.emulator, str(program), str(folder), "1", *extra], check=True)
        raw = (folder / "out.bin").read_bytes()
        results.append(
            from_layout(graph.tensor_out(layer), layouts.get(layer.output, RowLayout()), raw)
        )
    np.testing.assert_array_equal(results[0], results[1])
    return results[0]


def count_instructions(program: Path, folder: Path, machine: Machine, plugin: Path) -> int:
    """Guest instructions of one pass over the layer."""
    counts = []
    for repeats in (1, 2):
        command = [
            *machine.emulator,
            "-plugin",
            str(plugin),
            str(program),
            str(folder),
            str(repeats),
        ]
        done = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
        found = re.search(r"insns (\d+)", done.stderr)
        assert found, done.stderr
        counts.append(int(found.group(1)))
    return counts[1] - counts[0]
