"""The public C header of an artefact, and the names that it promises."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgemnv2.ops.graph import Graph, Tensor

__all__ = [
    "ABI_VERSION",
    "C_TYPES",
    "POOL_WORDS",
    "POOL_WORKER_WORDS",
    "Interface",
    "c_identifier",
    "exports",
    "header",
]

ABI_VERSION = 1
C_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "float16": "uint16_t",
}


@dataclass(frozen=True)
class Interface:
    """What the header says beyond the graph. `io` is "arena" or "caller"."""

    name: str
    io: str
    arena_bytes: int
    arena_align_bytes: int
    stream_arena_bytes: int
    input_offset: int
    output_offset: int
    threads: tuple[int, ...] = ()
    """Thread counts above one that there is a plan for."""
    threads_arena_bytes: int = 0
    """The largest arena that any thread count needs."""


def c_identifier(name: str) -> str:
    """`name` as a C identifier: `mobilenetv2-0.35-96` -> `mobilenetv2_0_35_96`."""
    identifier = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return identifier if identifier and not identifier[0].isdigit() else "net_" + identifier


def exports(name: str, *, threads: bool = False) -> list[str]:
    """The functions that a shared library of this artefact exports."""
    names = ["run", "run_hooked", "run_rows", "run_sized"]
    names += ["pool_start", "pool_stop", "run_threads"] if threads else []
    return [f"{name}_{function}" for function in names]


POOL_WORDS = 80
"""uint64_t of a pool without workers: three words that are waited for, each far from the others."""
POOL_WORKER_WORDS = 3


def _thread_lines(interface: Interface) -> list[str]:
    """What the header says about threads; nothing where there is one only."""
    if not interface.threads:
        return []
    name, upper = interface.name, interface.name.upper()
    counts = ", ".join(map(str, (1, *interface.threads)))
    words = POOL_WORDS + POOL_WORKER_WORDS * max(interface.threads)
    return [
        f"/* Several threads: {counts}. The result does not depend on their number. The caller",
        " * owns the pool and must neither move nor copy it between start and stop; one inference",
        " * at a time. The calling thread does its part, so that one thread fewer is started. An",
        f" * arena of {upper}_THREADS_ARENA_BYTES serves any number of threads. */",
        f"#define {upper}_THREADS_ARENA_BYTES {interface.threads_arena_bytes}",
        f"#define {upper}_ERROR_THREADS (-6) /* no plan for so many threads, or no pool started */",
        f"#define {upper}_ERROR_SYSTEM (-7)  /* the system gives no more threads */",
        f"struct {name}_pool {{",
        f"  uint64_t storage[{words}];",
        "};",
        f"int32_t {name}_pool_start(struct {name}_pool *pool, int32_t threads);",
        f"int32_t {name}_pool_stop(struct {name}_pool *pool);",
        f"int32_t {name}_run_threads(const struct {name}_inputs *inputs,",
        f"    const struct {name}_outputs *outputs, void *arena, struct {name}_pool *pool);",
        "",
    ]


def _end_macros(upper: str, kind: str, tensor: Tensor) -> list[str]:
    lines = [
        f"#define {upper}_{kind}_BYTES {tensor.size_bytes}",
        f"#define {upper}_{kind}_HEIGHT {tensor.height}",
        f"#define {upper}_{kind}_WIDTH {tensor.width}",
        f"#define {upper}_{kind}_CHANNELS {tensor.channels}",
        f"#define {upper}_{kind}_ROW_BYTES {tensor.row_bytes}",
        f'#define {upper}_{kind}_DTYPE "{tensor.dtype}"',
        f"#define {upper}_{kind}_TYPE {C_TYPES[tensor.dtype]}",
    ]
    if tensor.quant is not None and tensor.dtype != "float32":
        lines += [
            f"/* real = {upper}_{kind}_SCALE * (stored - {upper}_{kind}_ZERO_POINT) */",
            f"#define {upper}_{kind}_SCALE {tensor.quant.scale!r}f",
            f"#define {upper}_{kind}_ZERO_POINT {tensor.quant.zero_point}",
        ]
    return lines


def header(graph: Graph, interface: Interface) -> str:
    """The text of `include/<name>.h`."""
    name, upper = interface.name, interface.name.upper()
    source, out = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    c_in, c_out = C_TYPES[source.dtype], C_TYPES[out.dtype]
    if interface.io == "arena":
        placing = [
            "/* Input and output live in the arena, at these offsets. The input is CONSUMED: its",
            " * rows give way to later ones. A pointer of your own is copied from and to; NULL for",
            " * the output leaves it in the arena. */",
            f"#define {upper}_IO_IN_ARENA 1",
            f"#define {upper}_INPUT_OFFSET {interface.input_offset}",
            f"#define {upper}_OUTPUT_OFFSET {interface.output_offset}",
        ]
    else:
        placing = [
            "/* Input and output are the caller's buffers; the input is only read. */",
            f"#define {upper}_IO_IN_ARENA 0",
        ]
    return "\n".join(
        [
            f"/* {name}: {graph.name}, compiled by edgemnv2. Plain C99, no heap, no global state:",
            " * calls with different arenas may run at the same time. */",
            f"#ifndef EDGEMNV2_{upper}_H",
            f"#define EDGEMNV2_{upper}_H",
            "",
            "#include <stdint.h>",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            f"#define {upper}_ABI_VERSION {ABI_VERSION}",
            "/* The caller owns the arena: this many bytes, so aligned. Nothing in it survives. */",
            f"#define {upper}_ARENA_BYTES {interface.arena_bytes}",
            f"#define {upper}_ARENA_ALIGN {interface.arena_align_bytes}",
            f"/* For {name}_run_rows, which never holds the whole image. */",
            f"#define {upper}_STREAM_ARENA_BYTES {interface.stream_arena_bytes}",
            f"#define {upper}_LAYER_COUNT {len(graph.layers)}",
            *placing,
            "",
            "/* Tensors are NHWC, batch 1. */",
            *_end_macros(upper, "INPUT", source),
            *_end_macros(upper, "OUTPUT", out),
            "",
            f"#define {upper}_OK 0",
            f"#define {upper}_ERROR_NULL (-1)",
            f"#define {upper}_ERROR_ALIGNMENT (-2)",
            f"#define {upper}_ERROR_ARENA_SIZE (-3)",
            f"#define {upper}_ERROR_ROWS (-4)          /* fewer rows than the image has */",
            f"#define {upper}_ERROR_TOO_MANY_ROWS (-5) /* more rows than the image has */",
            "",
            f"struct {name}_inputs {{",
            f"  const {c_in} *input;",
            "};",
            f"struct {name}_outputs {{",
            f"  {c_out} *output;",
            "};",
            "",
            "/* One inference. Returns a status code; on an error nothing was written. */",
            f"int32_t {name}_run(const struct {name}_inputs *inputs,",
            f"    const struct {name}_outputs *outputs, void *arena);",
            "/* The same, told how large the arena is. */",
            f"int32_t {name}_run_sized(const struct {name}_inputs *inputs,",
            f"    const struct {name}_outputs *outputs, void *arena, uint32_t arena_bytes);",
            "",
            "/* Called after each step with the row of layer `layer` that it made; `data` is NULL",
            " * for a step whose result is not complete yet (pooling sums). */",
            f"typedef void (*{name}_hook)(void *context, int32_t layer, int32_t row,",
            "    const void *data, int32_t bytes);",
            f"int32_t {name}_run_hooked(const struct {name}_inputs *inputs,",
            f"    const struct {name}_outputs *outputs, void *arena,",
            f"    {name}_hook hook, void *context);",
            "",
            "/* Fed rows: writes row `row` (0, 1, ... in order) to `destination` and returns 0, or",
            " * returns another number when there is none. After the last row it is asked once",
            " * more, with destination NULL: 0 then means that rows are left over, an error. */",
            f"typedef int32_t (*{name}_next_row)(void *context, int32_t row, {c_in} *destination);",
            f"int32_t {name}_run_rows({name}_next_row next_row, void *context,",
            f"    const struct {name}_outputs *outputs, void *arena);",
            "",
            *_thread_lines(interface),
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            "#endif",
            "",
        ]
    )
