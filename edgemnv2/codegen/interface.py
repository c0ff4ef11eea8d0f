"""The public C header of an artefact, and the names that it promises."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgemnv2.codegen.answers import Answers, answers_exports, answers_header
from edgemnv2.codegen.camera import CameraRows, camera_exports, camera_header
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.pieces import pieces_exports, pieces_header
from edgemnv2.codegen.sections import sections_header

__all__ = [
    "ABI_VERSION",
    "POOL_WORDS",
    "POOL_WORKER_WORDS",
    "Interface",
    "c_identifier",
    "exports",
    "field_names",
    "header",
]

ABI_VERSION = 1
_KEYWORDS = frozenset(
    """
    alignas alignof and asm auto bool break case catch char class const continue default delete do
    double else enum extern false float for goto if inline int long mutable namespace new not
    operator or private protected public register restrict return short signed sizeof static struct
    switch template this throw true try typedef typeid typename union unsigned using virtual void
    volatile while xor
    """.split()  # noqa: SIM905 - a list of literals would be ninety lines
)
"""Words of C and C++ that no field may be called."""


@dataclass(frozen=True)
class Interface:
    """What the header says. `io` is "arena", "input" or "caller".

    `title` names the network in comments; `fed` is the number of the input whose rows `run_rows`
    asks for.
    """

    name: str
    io: str
    title: str
    layer_count: int
    inputs: tuple[InterfaceEnd, ...]
    outputs: tuple[InterfaceEnd, ...]
    arena_bytes: int
    arena_align_bytes: int
    stream_arena_bytes: int
    step_count: int
    """Steps of an inference on one thread, the whole image given."""
    fed: int = 0
    threads: tuple[int, ...] = ()
    """Thread counts above one that there is a plan for."""
    threads_arena_bytes: int = 0
    """The largest arena that any thread count needs."""
    core_offsets: tuple[tuple[str, int], ...] = ()
    """For two cores of a microcontroller: macro and offset in the arena of every end."""
    scratch: tuple[tuple[str, int], ...] = ()
    """Layers whose working memory the header names, and its bytes, a part of the arena."""
    needs: tuple[str, ...] = ()
    """Features of the processor that the functions ask for, and refuse to run without."""
    answers: Answers | None = None
    """What the outputs mean."""
    is_placed: bool = False
    """Whether the header tells how memories are chosen, on microcontrollers."""
    camera: CameraRows | None = None
    """How a camera's rows become rows of an input; None without an input for images."""

    def macro(self, kind: str, end: InterfaceEnd) -> str:
        """What the macros of an end begin with, behind the network's name.

        `INPUT` or `OUTPUT`, and where there are several the field's name behind it.
        """
        several = len(self.inputs if kind == "input" else self.outputs) > 1
        return f"{kind}_{end.field}".upper() if several else kind.upper()


def c_identifier(name: str) -> str:
    """`name` as a C identifier: `mobilenetv2-0.35-96` -> `mobilenetv2_0_35_96`."""
    identifier = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return identifier if identifier and not identifier[0].isdigit() else "net_" + identifier


def field_names(names: Sequence[str], kind: str) -> tuple[str, ...]:
    """The fields of the ends with the source's `names`; a single one is called `kind`.

    C identifiers, different from one another: a second `scores` is `scores_2`.
    """
    if len(names) == 1:
        return (kind,)
    fields: list[str] = []
    for name in names:
        field = c_identifier(name)
        field += "_" if field in _KEYWORDS else ""
        number, chosen = 2, field
        while chosen in fields:
            chosen, number = f"{field}_{number}", number + 1
        fields.append(chosen)
    return tuple(fields)


def exports(interface: Interface) -> list[str]:
    """The functions that a shared library of this artefact exports."""
    names = ["run", "run_hooked", "run_rows", "run_sized", *pieces_exports()]
    names += ["pool_start", "pool_stop", "run_threads"] if interface.threads else []
    if interface.answers is not None:
        names += answers_exports(interface.answers)
        names += ["labels"] if interface.answers.task.labels else []
    names += camera_exports() if interface.camera is not None else []
    return [f"{interface.name}_{function}" for function in names]


POOL_WORDS = 80
"""uint64_t of a pool without workers: three words that are waited for, each far from the others."""
POOL_WORKER_WORDS = 3


def _processor_lines(interface: Interface) -> list[str]:
    """The status of what cannot run on every processor."""
    if not interface.needs:
        return []
    what = f"/* the processor lacks one of: {', '.join(interface.needs)} */"
    return [f"#define {interface.name.upper()}_ERROR_PROCESSOR (-8) {what}"]


def _thread_lines(interface: Interface) -> list[str]:
    """What the header says about threads; nothing where there is one only."""
    if not interface.threads or interface.core_offsets:
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
        *_pool_functions(name),
    ]


def _pool_functions(name: str) -> list[str]:
    """What several threads and two cores are called by."""
    return [
        f"int32_t {name}_pool_start(struct {name}_pool *pool, int32_t threads);",
        f"int32_t {name}_pool_stop(struct {name}_pool *pool);",
        f"int32_t {name}_run_threads(const struct {name}_inputs *inputs,",
        f"    const struct {name}_outputs *outputs, void *arena, struct {name}_pool *pool);",
        "",
    ]


def _core_lines(interface: Interface) -> list[str]:
    """The part of the public header about two cores; nothing where there is no plan for them."""
    if not interface.core_offsets:
        return []
    name, upper = interface.name, interface.name.upper()
    lines = [
        "/* Two cores: the result is that of one. The program defines what edgemnv2_cores.h",
        " * declares (start the other core, wait, wake). The caller owns the pool and must neither",
        " * move nor copy it between start and stop; one inference at a time.",
        f" * An arena of {upper}_THREADS_ARENA_BYTES serves one core as well. */",
        f"#define {upper}_THREADS_ARENA_BYTES {interface.threads_arena_bytes}",
        f"#define {upper}_ERROR_THREADS (-6) /* neither 1 nor 2, or no pool started */",
        f"#define {upper}_ERROR_SYSTEM (-7)  /* the other core does not start */",
    ]
    if interface.io == "arena":
        lines.append("/* With two cores, inputs and outputs have other offsets in the arena. */")
        lines += [
            f"#define {upper}_THREADS_{macro}_OFFSET {offset}"
            for macro, offset in interface.core_offsets
        ]
    return [
        *lines,
        f"struct {name}_pool {{",
        "  uint32_t count[4];",
        "  const void *work;",
        "};",
        *_pool_functions(name),
    ]


def _end_macros(interface: Interface, kind: str, end: InterfaceEnd) -> list[str]:
    prefix = f"{interface.name.upper()}_{interface.macro(kind, end)}"
    lines = [
        f"#define {prefix}_BYTES {end.size_bytes}",
        f"#define {prefix}_HEIGHT {end.height}",
        f"#define {prefix}_WIDTH {end.width}",
        f"#define {prefix}_CHANNELS {end.channels}",
        f"#define {prefix}_ROW_BYTES {end.row_bytes}",
        f'#define {prefix}_DTYPE "{end.dtype}"',
        f"#define {prefix}_TYPE {end.c_type}",
    ]
    if end.scale is not None:
        lines += [
            f"/* real = {prefix}_SCALE * (stored - {prefix}_ZERO_POINT) */",
            f"#define {prefix}_SCALE {end.scale!r}f",
            f"#define {prefix}_ZERO_POINT {end.zero_point}",
        ]
    return lines


def _scratch(interface: Interface) -> list[str]:
    """What single layers work in, where somebody may want to know."""
    upper = interface.name.upper()
    return [
        line
        for layer, size_bytes in interface.scratch
        for line in (
            f"/* Of the arena, while layer {layer} runs: what it works in. */",
            f"#define {upper}_{c_identifier(layer).upper()}_SCRATCH_BYTES {size_bytes}",
        )
    ]


def _placing(interface: Interface) -> list[str]:
    """Where inputs and outputs are."""
    upper = interface.name.upper()
    inputs, outputs = len(interface.inputs), len(interface.outputs)
    both = f"{'Input' if inputs == 1 else 'Inputs'} and {'output' if outputs == 1 else 'outputs'}"
    consumed, its = ("The input is", "its") if inputs == 1 else ("The inputs are", "their")
    if interface.io == "input":
        one = "The output is the caller's" if outputs == 1 else "The outputs are the caller's"
        return [
            f"/* {one} in buffers of its own. {'The input' if inputs == 1 else 'Inputs'} "
            f"{'lives' if inputs == 1 else 'live'} in the arena, at",
            f" * {'this offset' if inputs == 1 else 'these offsets'}. {consumed} CONSUMED: {its} "
            "rows give way to later ones. A pointer of your own",
            " * is copied from. */",
            f"#define {upper}_IO_IN_ARENA 0",
            f"#define {upper}_INPUTS_IN_ARENA 1",
            *(
                f"#define {upper}_{interface.macro('input', end)}_OFFSET {end.offset_bytes}"
                for end in interface.inputs
            ),
        ]
    if interface.io != "arena":
        read = "the input is" if inputs == 1 else "the inputs are"
        return [
            f"/* {both} are the caller's buffers; {read} only read. */",
            f"#define {upper}_IO_IN_ARENA 0",
        ]
    return [
        f"/* {both} live in the arena, at these offsets. {consumed} CONSUMED: {its}",
        " * rows give way to later ones. A pointer of your own is copied from and to; NULL for",
        f" * {'the' if outputs == 1 else 'an'} output leaves it in the arena. */",
        f"#define {upper}_IO_IN_ARENA 1",
        *(
            f"#define {upper}_{interface.macro(kind, end)}_OFFSET {end.offset_bytes}"
            for kind, ends in (("input", interface.inputs), ("output", interface.outputs))
            for end in ends
        ),
    ]


def _fed_rows(interface: Interface) -> list[str]:
    """The function that asks for rows; with several inputs it takes the others, too."""
    name = interface.name
    fed = interface.inputs[interface.fed]
    several = len(interface.inputs) > 1
    lines = [
        "/* Fed rows: writes row `row` (0, 1, ... in order) to `destination` and returns 0, or",
        " * returns another number when there is none. After the last row it is asked once",
        " * more, with destination NULL: 0 then means that rows are left over, an error. */",
        f"typedef int32_t (*{name}_next_row)(void *context, int32_t row,"
        f" {fed.c_type} *destination);",
    ]
    if several:
        lines += [
            f"/* The rows are those of `{fed.field}`, whose pointer is not looked at; the other",
            " * inputs are whole. */",
        ]
    return [
        *lines,
        f"int32_t {name}_run_rows({name}_next_row next_row, void *context,",
        *([f"    const struct {name}_inputs *inputs,"] if several else []),
        f"    const struct {name}_outputs *outputs, void *arena);",
        "",
    ]


def _end_list(interface: Interface) -> list[str]:
    """The ends as a list macro, where there are several of a kind: for `artifact_names.h`."""
    inputs = [interface.macro("input", end) for end in interface.inputs]
    outputs = [interface.macro("output", end) for end in interface.outputs]
    if len(inputs) == len(outputs) == 1:
        return []
    return [
        "#ifdef EDGEMNV2_ENDS /* of programs that serve any artefact */",
        f"#define EDGEMNV2_INPUTS(X) {' '.join(f'X({end})' for end in inputs)}",
        f"#define EDGEMNV2_OUTPUTS(X) {' '.join(f'X({end})' for end in outputs)}",
        f"#define EDGEMNV2_FED {inputs[interface.fed]}",
        *(["#define EDGEMNV2_SEVERAL_INPUTS"] if len(inputs) > 1 else []),
        "#endif",
        "",
    ]


def header(interface: Interface) -> str:
    """The text of `include/<name>.h`."""
    name, upper = interface.name, interface.name.upper()
    return "\n".join(
        [
            f"/* {name}: {interface.title}, compiled by edgemnv2. Plain C99, no heap, no global"
            " state:",
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
            f"#define {upper}_LAYER_COUNT {interface.layer_count}",
            *_scratch(interface),
            *(sections_header(name) if interface.is_placed else []),
            *_placing(interface),
            "",
            "/* Tensors are NHWC, batch 1. */",
            *(line for end in interface.inputs for line in _end_macros(interface, "input", end)),
            *(line for end in interface.outputs for line in _end_macros(interface, "output", end)),
            "",
            f"#define {upper}_OK 0",
            f"#define {upper}_ERROR_NULL (-1)",
            f"#define {upper}_ERROR_ALIGNMENT (-2)",
            f"#define {upper}_ERROR_ARENA_SIZE (-3)",
            f"#define {upper}_ERROR_ROWS (-4)          /* fewer rows than the image has */",
            f"#define {upper}_ERROR_TOO_MANY_ROWS (-5) /* more rows than the image has */",
            *_processor_lines(interface),
            "",
            f"struct {name}_inputs {{",
            *(f"  const {end.c_type} *{end.field};" for end in interface.inputs),
            "};",
            f"struct {name}_outputs {{",
            *(f"  {end.c_type} *{end.field};" for end in interface.outputs),
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
            *_fed_rows(interface),
            *pieces_header(name, interface.step_count),
            *_thread_lines(interface),
            *_core_lines(interface),
            *(answers_header(interface.answers, name) if interface.answers else []),
            *(camera_header(interface.camera, name) if interface.camera else []),
            *_end_list(interface),
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            "#endif",
            "",
        ]
    )
