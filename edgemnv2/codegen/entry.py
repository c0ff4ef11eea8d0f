"""The C source that joins kernels and plans: tables for the step loop, and the entry points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemnv2.codegen.constants import ConstantBlob, words
from edgemnv2.codegen.ends import InterfaceEnd
from edgemnv2.codegen.interface import Interface
from edgemnv2.codegen.op_table import (
    OpEntry,
    OpTable,
    adapter,
    is_plain,
    kernel_parameters,
    outside_rows,
    rows_of,
)
from edgemnv2.codegen.pieces import PIECES
from edgemnv2.codegen.sections import constants_place
from edgemnv2.memory.planner import Planned
from edgemnv2.ops.kernel import RowKernel, constant_offsets
from edgemnv2.program import FEED, MemoryPlan, Program, Step

__all__ = [
    "EntryParts",
    "constants_source",
    "entry_source",
    "home_lines",
    "refuse_processor",
    "ring_tables",
    "steps_text",
    "take_and_finish",
]


@dataclass(frozen=True, eq=False)
class EntryParts:
    """All that the entry source is written from: programs with their plans, kernels, the ends."""

    kernels: Mapping[str, RowKernel]
    """By operation name."""
    whole: Planned
    stream: Planned
    constants: ConstantBlob
    interface: Interface

    @property
    def is_general(self) -> bool:
        """Whether the step loop must have its general form."""
        program = self.whole.program
        ends = len(program.inputs) + len(program.outputs)
        return ends > 2 or not all(
            is_plain(op, self.kernels[op.name], program.tensors) for op in program.ops
        )

    def home(self, name: str) -> int:
        """The number of a tensor's memory: 0 the arena, then the inputs, then the outputs."""
        inputs = [end.tensor for end in self.interface.inputs]
        outputs = [end.tensor for end in self.interface.outputs]
        return [*inputs, *outputs].index(name) + 1


def entry_source(parts: EntryParts, *, incbin: bool, wide: bool = False) -> str:
    """`src/<name>.c`. With `incbin` the constants come from `<name>.bin` at assembly time.

    `wide`: indices of 16 bits even where 8 would do.
    """
    name = parts.interface.name
    program = parts.whole.program
    ops, tensors = program.ops, program.tensors
    # Rows of tensors, not steps: a step's row is the first one that it makes.
    tallest = max(tensor.height for tensor in tensors.values())
    wide = wide or max(len(ops), tallest) > 254
    index_type, feed = ("uint16_t", 0xFFFF) if wide else ("uint8_t", 0xFF)
    assert max(len(ops), tallest) < 0xFFFE, f"{name}: more rows than an index of 16 bits counts"
    sections = [
        f"/* {name}: the row program of the network, by edgemnv2. */",
        f'#include "{name}.h"',
        "",
        f"#define EDGEMNV2_ROWS_MAX {max(rows_of(op) for op in ops)}",
        f"#define EDGEMNV2_INPUT_T {parts.interface.inputs[parts.interface.fed].c_type}",
        f"#define EDGEMNV2_FEED {feed}u",
        *_features(parts),
        f"typedef {index_type} edgemnv2_index;",
        '#include "step_loop.h"',
        *(f"#define EDGEMNV2_NEEDS_{feature.upper()} 1" for feature in parts.interface.needs),
        *(['#include "processor.h"'] if parts.interface.needs else []),
        "",
        *_constant_source(name, parts.constants, incbin),
        *_kernel_calls(parts),
        *outside_rows(ops, tensors),
        *_op_table(parts),
        *_plan_tables(parts, "whole", parts.whole, feed),
        *_plan_tables(parts, "stream", parts.stream, feed),
        *_entry_points(parts),
    ]
    return "\n".join(sections) + "\n"


def _features(parts: EntryParts) -> list[str]:
    """What the step loop must be able to do beyond its plain form."""
    if not parts.is_general:
        return []
    interface = parts.interface
    kernels = [parts.kernels[op.name] for op in parts.whole.program.ops]
    outs = max(len(op.writes) for op in parts.whole.program.ops)
    return [
        "#define EDGEMNV2_GENERAL 1",
        f"#define EDGEMNV2_HOMES {1 + len(interface.inputs) + len(interface.outputs)}",
        *([f"#define EDGEMNV2_OUTS_MAX {outs}"] if outs > 1 else []),
        *(["#define EDGEMNV2_ROW_NUMBER 1"] if any(k.takes_row_number for k in kernels) else []),
    ]


def _constant_source(name: str, constants: ConstantBlob, incbin: bool) -> list[str]:
    symbol = f"{name}_constants"
    if not constants.data:
        return [f"static const uint8_t {symbol}[1] = {{0}};", ""]
    if not incbin:
        return [f"extern const uint32_t {symbol}[];", ""]
    return [
        "/* The weights, out of the file beside. */",
        "__asm__(",
        '    ".section .rodata\\n"',
        '    ".balign 64\\n"',
        f'    ".globl {symbol}\\n"',
        f'    ".hidden {symbol}\\n"',
        f'    "{symbol}:\\n"',
        '    ".incbin \\"" EDGEMNV2_CONSTANTS_FILE "\\"\\n"',
        '    ".text\\n");',
        f'extern const uint8_t {symbol}[] __attribute__((visibility("hidden")));',
        "",
    ]


def constants_source(name: str, constants: ConstantBlob) -> str:
    """`src/<name>_constants.c`: the blob as words, for toolchains and cores of any kind."""
    return "\n".join(
        [
            f"/* {name}: weights, biases and requantisation factors, in the order of use. */",
            "#include <stdint.h>",
            "",
            f"extern const uint32_t {name}_constants[];",
            *constants_place(name),
            "#if defined(__GNUC__)",
            "__attribute__((aligned(16)))",
            "#endif",
            f"const uint32_t {name}_constants[{max(1, -(-len(constants.data) // 4))}] = {{",
            words(constants.data) or "0",
            "};",
            "",
        ]
    )


def _kernel_calls(parts: EntryParts) -> list[str]:
    """Prototypes of the kernels and one adapter for each."""
    name = parts.interface.name
    lines: list[str] = []
    known: dict[str, list[str]] = {}
    for op in parts.whole.program.ops:
        kernel = parts.kernels[op.name]
        symbol = f"{name}_{kernel.symbol}"
        arguments = kernel_parameters(op, kernel, constant_offsets(kernel)[:-1])
        code = adapter(symbol, f"call_{kernel.symbol}", kernel, arguments)
        # Constant offsets follow from the shapes, which follow from the symbol.
        if symbol in known:
            assert known[symbol] == code, f"{symbol}: one kernel, two ways to call it"
            continue
        known[symbol] = code
        lines += code
    return lines


def _op_table(parts: EntryParts) -> list[str]:
    program, name = parts.whole.program, parts.interface.name
    number = {tensor: index for index, tensor in enumerate(program.tensors)}
    table = OpTable("", program.tensors, parts.is_general)
    for op in program.ops:
        constants = f"(const uint8_t *){name}_constants + {parts.constants.offset[op.name]}"
        call = f"call_{parts.kernels[op.name].symbol}"
        table.add(OpEntry(op, call, constants, number.__getitem__, number.__getitem__))
    return [*table.source(), ""]


def _plan_tables(parts: EntryParts, label: str, planned: Planned, feed: int) -> list[str]:
    program, plan = planned.program, planned.plan
    scratch = ", ".join(str(plan.scratch.get(op.name, 0)) for op in program.ops)
    return [
        *ring_tables(parts, label, program, plan),
        f"static const uint32_t scratch_{label}[{len(program.ops)}] = {{{scratch}}};",
        f"static const struct edgemnv2_step steps_{label}[{len(program.steps)}] = {{",
        f"{steps_text(program, program.steps, feed)}}};",
        f"static const struct edgemnv2_plan plan_{label} = {{",
        f"    rings_{label}, scratch_{label}, steps_{label}, {len(program.steps)}u}};",
        "",
    ]


def ring_tables(parts: EntryParts, label: str, program: Program, plan: MemoryPlan) -> list[str]:
    """Where the rows of every tensor lie: `rings_<label>`, and the arrays that it points to."""
    lines: list[str] = []
    rings: list[str] = []
    for name, tensor in program.tensors.items():
        placement = plan.placements.get(name)
        slots = "NULL"
        base, depth, row_bytes = 0, tensor.height, tensor.row_bytes
        home = 0
        if name in program.external:
            home = parts.home(name)
        elif placement is not None:
            base, depth = placement.slots[0], placement.depth
            steps = {b - a for a, b in zip(placement.slots, placement.slots[1:], strict=False)}
            if len(steps) > 1 or (steps and steps != {row_bytes}):
                slots = f"slots_{label}_{len(rings)}"
                body = ", ".join(map(str, placement.slots))
                lines.append(f"static const uint32_t {slots}[{depth}] = {{{body}}};")
        rings.append(
            f"    {{{base}u, {row_bytes}u, {depth}, {tensor.height}, {home}u, {slots}}},"
            f" /* {name} */"
        )
    head = f"static const struct edgemnv2_ring rings_{label}[{len(rings)}] = {{"
    return [*lines, head, *rings, "};"]


def steps_text(program: Program, steps: Sequence[Step], feed: int) -> str:
    """`steps` as initialisers; `feed` is the number that asks the caller for a row."""
    return ",".join(
        f"{{{feed},{step.row}}}"
        if step.op == FEED
        else f"{{{step.op},{step.row * program.ops[step.op].rows_per_step}}}"
        for step in steps
    )


_ENTRY = """\
int32_t @_run_hooked(const struct @_inputs *inputs, const struct @_outputs *outputs, void *arena,
    @_hook hook, void *context) {
  struct edgemnv2_run run;
%PROCESSOR%
  if (inputs == NULL || outputs == NULL || arena == NULL) return ^_ERROR_NULL;
  if (((uintptr_t)arena) % ^_ARENA_ALIGN != 0) return ^_ERROR_ALIGNMENT;
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_whole;
  run.home[0] = (uint8_t *)arena;
  run.hook = hook;
  run.hook_context = context;
%SETUP%
  (void)edgemnv2_run_steps(&run, 0, plan_whole.step_count);
%FINISH%
  return ^_OK;
}

int32_t @_run(
    const struct @_inputs *inputs, const struct @_outputs *outputs, void *arena) {
  return @_run_hooked(inputs, outputs, arena, NULL, NULL);
}

int32_t @_run_sized(const struct @_inputs *inputs, const struct @_outputs *outputs, void *arena,
    uint32_t arena_bytes) {
  if (arena_bytes < ^_ARENA_BYTES) return ^_ERROR_ARENA_SIZE;
  return @_run_hooked(inputs, outputs, arena, NULL, NULL);
}

int32_t @_run_rows(
    @_next_row next_row, void *context, %INPUTS%const struct @_outputs *outputs, void *arena) {
  struct edgemnv2_run run;
%PROCESSOR%
  if (next_row == NULL || %IF_INPUTS%outputs == NULL || arena == NULL) return ^_ERROR_NULL;
  if (((uintptr_t)arena) % ^_ARENA_ALIGN != 0) return ^_ERROR_ALIGNMENT;
%STREAM_NULL%
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_stream;
  run.home[0] = (uint8_t *)arena;
%STREAM_SETUP%
  run.next_row = next_row;
  run.row_context = context;
  run.input = %INPUT%;
  if (edgemnv2_run_steps(&run, 0, plan_stream.step_count) != 0) return ^_ERROR_ROWS;
  if (next_row(context, ^_%FED%_HEIGHT, NULL) == 0) return ^_ERROR_TOO_MANY_ROWS;
  return ^_OK;
}
"""


def _entry_points(parts: EntryParts) -> list[str]:
    interface = parts.interface
    inputs, outputs = interface.inputs, interface.outputs
    fed = inputs[interface.fed]
    number = {name: index for index, name in enumerate(parts.stream.program.tensors)}
    assert {end.tensor for end in outputs} <= parts.stream.program.external
    others = [end for end in inputs if end is not fed]
    in_fields = [f"inputs->{end.field}" for end in inputs]
    out_fields = [f"outputs->{end.field}" for end in outputs]
    set_outputs = [
        f"  run.home[{parts.home(end.tensor)}] = (uint8_t *)outputs->{end.field};"
        for end in outputs
    ]
    take: list[str] = []
    finish: list[str] = []
    if interface.io != "caller":
        check, homes = _refuse_null(in_fields), []
        take, finish = take_and_finish(interface)
        if interface.io == "input":
            check, homes = _refuse_null(in_fields + out_fields), set_outputs
    else:
        check = _refuse_null(in_fields + out_fields)
        homes = [*home_lines(parts, inputs), *set_outputs]
    kinds = ["inputs", "outputs"] if interface.io == "caller" else ["outputs"]
    stream_fields = [f"inputs->{end.field}" for end in others] + out_fields
    values = {
        "%PROCESSOR%": refuse_processor(interface),
        "%SETUP%": [check, *_at_home("run.home[0]", take), *homes],
        "%CHECK%": [check],
        "%TAKE%": _at_home("(uint8_t *)arena", take),
        "%HOMES%": homes,
        "%ENDS%": [f"  const struct @_{kind} *{kind};" for kind in kinds],
        "%POINT%": [f"  {kind} = &inference->{kind};" for kind in kinds],
        "%FINISH%": finish,
        "%STREAM_SETUP%": [*home_lines(parts, others), *set_outputs],
        "%STREAM_NULL%": [_refuse_null(stream_fields)],
    }
    text = _ENTRY + PIECES
    for key, lines in values.items():
        body = "".join(line + "\n" for line in lines)
        text = text.replace(key + "\n", body)
    text = (
        text.replace("%INPUT%", str(number[fed.tensor]))
        .replace("%FED%", interface.macro("input", fed))
        .replace("%IF_INPUTS%", "inputs == NULL || " if others else "")
        .replace("%INPUTS%", "const struct @_inputs *inputs,\n    " if others else "")
    )
    return [text.replace("@", interface.name).replace("^", interface.name.upper())]


def take_and_finish(interface: Interface, offsets: str = "") -> tuple[list[str], list[str]]:
    """Statements that copy inputs into the arena `@HOME`, and outputs out of it, if need be.

    `offsets` is in front of the names of the ends' places.
    """
    take: list[str] = []
    finish: list[str] = []
    for end in interface.inputs:
        at, macro = f"inputs->{end.field}", interface.macro("input", end)
        place = f"@HOME + ^_{offsets}{macro}_OFFSET"
        take += [
            f"  if ((const void *){at} != (const void *)({place})) {{",
            f"    memmove({place}, {at}, ^_{macro}_BYTES);",
            "  }",
        ]
    for end in interface.outputs if interface.io == "arena" else ():
        at, macro = f"outputs->{end.field}", interface.macro("output", end)
        place = f"run.home[0] + ^_{offsets}{macro}_OFFSET"
        finish += [
            f"  if ({at} != NULL &&",
            f"      (void *){at} != (void *)({place})) {{",
            f"    memmove({at}, {place}, ^_{macro}_BYTES);",
            "  }",
        ]
    return take, finish


def refuse_processor(interface: Interface) -> list[str]:
    """The statement that refuses a processor which lacks what the kernels need."""
    refusal = f"return {interface.name.upper()}_ERROR_PROCESSOR;"
    return [f"  if (!edgemnv2_has_processor()) {refusal}"] if interface.needs else []


def _at_home(home: str, lines: Sequence[str]) -> list[str]:
    """Statements about the arena, whose beginning is the C expression `home`."""
    return [line.replace("@HOME", home) for line in lines]


def _refuse_null(fields: Sequence[str]) -> str:
    checks = " || ".join(f"{field} == NULL" for field in fields)
    return f"  if ({checks}) return ^_ERROR_NULL;"


def home_lines(parts: EntryParts, inputs: Sequence[InterfaceEnd]) -> list[str]:
    """Statements that tell the step loop where the caller's inputs are."""
    if not inputs:
        return []
    return [
        "  /* Only ever read through this pointer. */"
        if len(inputs) == 1
        else "  /* Only ever read through these pointers. */",
        *(
            f"  run.home[{parts.home(end.tensor)}] = (uint8_t *)(uintptr_t)inputs->{end.field};"
            for end in inputs
        ),
    ]
