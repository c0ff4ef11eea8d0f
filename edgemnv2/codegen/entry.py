"""The C source that joins kernels and plans: tables for the step loop, and the entry points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemnv2.codegen.constants import ConstantBlob, words
from edgemnv2.codegen.interface import C_TYPES, Interface
from edgemnv2.memory.planner import Planned
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel, RowLayout, constant_offsets
from edgemnv2.program import FEED, RowOp

__all__ = ["EntryParts", "constants_source", "entry_source"]


@dataclass(frozen=True, eq=False)
class EntryParts:
    """All that the entry source is written from."""

    graph: Graph
    kernels: Mapping[str, RowKernel]
    """By operation name."""
    layouts: Mapping[str, RowLayout]
    whole: Planned
    stream: Planned
    constants: ConstantBlob
    interface: Interface


def kernel_parameters(offsets: Sequence[int], rows: int, scratch: bool) -> list[str]:
    """The arguments of a kernel's call, as C expressions over `call`.

    `offsets` of its constants from the start of the operation's; `rows` that it reads.
    """
    arguments = [f"call->rows[{i}]" for i in range(rows)]
    # In-place operations and sums have their row twice: as operand or alone.
    arguments.append("call->out")
    if scratch:
        arguments.append("call->scratch")
    arguments += [f"call->constants + {start}" if start else "call->constants" for start in offsets]
    return arguments


def _rows_of(op: RowOp) -> int:
    return op.reads[0].window + len(op.reads) - 1


def _parameter_types(kernel: RowKernel, arguments: Sequence[str]) -> list[str]:
    """C types of the kernel's parameters: from its TIR, or void pointers for C kernels."""
    if kernel.prim_func is None:
        return [
            "void *" if a in ("call->out", "call->scratch") else "const void *" for a in arguments
        ]
    types = []
    for parameter, argument in zip(kernel.prim_func.params, arguments, strict=True):
        element = C_TYPES[str(parameter.ty.element_type.dtype)]
        constant = "" if argument in ("call->out", "call->scratch") else "const "
        types.append(f"{constant}{element} *")
    return types


def entry_source(parts: EntryParts, *, incbin: bool, wide: bool = False) -> str:
    """`src/<name>.c`. With `incbin` the constants come from `<name>.bin` at assembly time.

    `wide`: indices of 16 bits even where 8 would do.
    """
    name = parts.interface.name
    ops = parts.whole.program.ops
    # Rows of tensors, not steps: a step's row is the first one that it makes.
    tallest = max(tensor.height for tensor in parts.whole.program.tensors.values())
    wide = wide or max(len(ops), tallest) > 254
    index_type, feed = ("uint16_t", 0xFFFF) if wide else ("uint8_t", 0xFF)
    source = parts.graph.tensors[parts.graph.inputs[0]]
    sections = [
        f"/* {name}: the row program of the network, by edgemnv2. */",
        f'#include "{name}.h"',
        "",
        f"#define EDGEMNV2_ROWS_MAX {max(_rows_of(op) for op in ops)}",
        f"#define EDGEMNV2_INPUT_T {C_TYPES[source.dtype]}",
        f"#define EDGEMNV2_FEED {feed}u",
        f"typedef {index_type} edgemnv2_index;",
        '#include "step_loop.h"',
        "",
        *_constant_source(name, parts.constants, incbin),
        *_kernel_calls(parts),
        *_outside_rows(parts),
        *_op_table(parts),
        *_plan_tables(parts, "whole", parts.whole, feed),
        *_plan_tables(parts, "stream", parts.stream, feed),
        *_entry_points(parts),
    ]
    return "\n".join(sections) + "\n"


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
        arguments = kernel_parameters(
            constant_offsets(kernel)[:-1], _rows_of(op), op.scratch_bytes > 0
        )
        code = adapter(symbol, f"call_{kernel.symbol}", kernel, arguments)
        # Constant offsets follow from the shapes, which follow from the symbol.
        if symbol in known:
            assert known[symbol] == code, f"{symbol}: one kernel, two ways to call it"
            continue
        known[symbol] = code
        lines += code
    return lines


def adapter(symbol: str, name: str, kernel: RowKernel, arguments: Sequence[str]) -> list[str]:
    """The prototype of the kernel `symbol`, and the function `name` that calls it for one step."""
    types = _parameter_types(kernel, arguments)
    return [
        f"void {symbol}({', '.join(types)});",
        f"static void {name}(const struct edgemnv2_call *call) {{",
        f"  {symbol}({', '.join(_cast(t, a) for t, a in zip(types, arguments, strict=True))});",
        "}",
        "",
    ]


def _cast(c_type: str, argument: str) -> str:
    """`argument` where a `c_type` is wanted; only bytes need to be told."""
    if argument.startswith("call->constants") and c_type != "const void *":
        return f"({c_type})(const void *)({argument})"
    return argument


def outside_row(parts: EntryParts, op: RowOp) -> tuple[bytes, int] | None:
    """(one element of a row outside the image, bytes of the row), or None if never read."""
    read = op.reads[0]
    height = parts.whole.program.tensors[read.tensor].height
    last = (op.steps * op.rows_per_step - 1) * read.stride - read.before + read.window
    if read.before <= 0 and last <= height:
        return None
    layer = parts.graph.layers[op.layer]
    fused = parts.kernels[op.name].fuses
    first = next((x for x in parts.graph.layers if fused and x.name == fused[0]), layer)
    tensor = parts.graph.tensor_in(first)
    layout = parts.layouts.get(tensor.name, RowLayout())
    row_bytes = parts.whole.program.tensors[read.tensor].row_bytes
    if layout.dtype is not None or tensor.quant is None:
        return bytes(1), row_bytes
    return bytes([tensor.quant.zero_point & 0xFF]), row_bytes


def _outside_rows(parts: EntryParts) -> list[str]:
    """One constant row per zero point, as long as the longest that needs it."""
    longest: dict[int, int] = {}
    for op in parts.whole.program.ops:
        outside = outside_row(parts, op)
        if outside:
            value = outside[0][0]
            longest[value] = max(longest.get(value, 0), outside[1])
    lines = []
    for value, size in sorted(longest.items()):
        count = -(-size // 4)
        word = f"0x{value:02x}{value:02x}{value:02x}{value:02x}"
        body = "0" if value == 0 else ",".join([word] * count)
        lines += [f"static const uint32_t outside_{value:02x}[{count}] = {{{body}}};", ""]
    return lines


def _op_table(parts: EntryParts) -> list[str]:
    program, name = parts.whole.program, parts.interface.name
    number = {tensor: index for index, tensor in enumerate(program.tensors)}
    lines = [f"static const struct edgemnv2_op ops[{len(program.ops)}] = {{"]
    for op in program.ops:
        kernel = parts.kernels[op.name]
        read = op.reads[0]
        outside = outside_row(parts, op)
        fields = op_entry(
            op,
            call=f"call_{kernel.symbol}",
            constants=f"(const uint8_t *){name}_constants + {parts.constants.offset[op.name]}",
            outside=f"outside_{outside[0][0]:02x}" if outside else "NULL",
            tensors=(
                number[read.tensor],
                number[op.reads[1].tensor] if len(op.reads) > 1 else 0,
                number[op.output],
            ),
            stride=read.stride,
        )
        lines.append(f"    {{{', '.join(fields)}}}, /* {op.name} */")
    return [*lines, "};", ""]


def op_entry(
    op: RowOp, *, call: str, constants: str, outside: str, tensors: Sequence[int], stride: int
) -> list[str]:
    """The fields of `struct edgemnv2_op`; `tensors` are the input, the second operand, the output.

    `stride` in rows of the input.
    """
    read = op.reads[0]
    numbers = (op.layer, read.window, stride, read.before, len(op.reads), op.rows_per_step)
    return [
        call,
        constants,
        outside,
        *map(str, tensors),
        *map(str, numbers),
        str(int(op.accumulates)),
    ]


def _plan_tables(parts: EntryParts, label: str, planned: Planned, feed: int) -> list[str]:
    program, plan = planned.program, planned.plan
    lines: list[str] = []
    rings: list[str] = []
    for name, tensor in program.tensors.items():
        placement = plan.placements.get(name)
        slots = "NULL"
        base, depth, row_bytes = 0, tensor.height, tensor.row_bytes
        home = 0
        if name in program.external:
            home = 1 if name == program.input else 2
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
    scratch = ", ".join(str(plan.scratch.get(op.name, 0)) for op in program.ops)
    steps_text = ",".join(
        f"{{{feed},{step.row}}}"
        if step.op == FEED
        else f"{{{step.op},{step.row * program.ops[step.op].rows_per_step}}}"
        for step in program.steps
    )
    return [
        *lines,
        f"static const struct edgemnv2_ring rings_{label}[{len(rings)}] = {{",
        *rings,
        "};",
        f"static const uint32_t scratch_{label}[{len(program.ops)}] = {{{scratch}}};",
        f"static const struct edgemnv2_step steps_{label}[{len(program.steps)}] = {{",
        f"{steps_text}}};",
        f"static const struct edgemnv2_plan plan_{label} = {{",
        f"    rings_{label}, scratch_{label}, steps_{label}, {len(program.steps)}u}};",
        "",
    ]


_ENTRY = """\
int32_t @_run_hooked(const struct @_inputs *inputs, const struct @_outputs *outputs, void *arena,
    @_hook hook, void *context) {
  struct edgemnv2_run run;
  if (inputs == NULL || outputs == NULL || arena == NULL) return ^_ERROR_NULL;
  if (((uintptr_t)arena) % ^_ARENA_ALIGN != 0) return ^_ERROR_ALIGNMENT;
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_whole;
  run.home[0] = (uint8_t *)arena;
  run.hook = hook;
  run.hook_context = context;
%SETUP%
  (void)edgemnv2_run_steps(&run);
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
    @_next_row next_row, void *context, const struct @_outputs *outputs, void *arena) {
  struct edgemnv2_run run;
  if (next_row == NULL || outputs == NULL || arena == NULL) return ^_ERROR_NULL;
  if (((uintptr_t)arena) % ^_ARENA_ALIGN != 0) return ^_ERROR_ALIGNMENT;
  if (outputs->output == NULL) return ^_ERROR_NULL;
  memset(&run, 0, sizeof run);
  run.ops = ops;
  run.plan = &plan_stream;
  run.home[0] = (uint8_t *)arena;
  run.home[2] = (uint8_t *)outputs->output;
  run.next_row = next_row;
  run.row_context = context;
  run.input = %INPUT%;
  if (edgemnv2_run_steps(&run) != 0) return ^_ERROR_ROWS;
  if (next_row(context, ^_INPUT_HEIGHT, NULL) == 0) return ^_ERROR_TOO_MANY_ROWS;
%STREAM_FINISH%
  return ^_OK;
}
"""


def _entry_points(parts: EntryParts) -> list[str]:
    interface = parts.interface
    whole, stream = parts.whole, parts.stream
    number = {name: index for index, name in enumerate(stream.program.tensors)}
    if interface.io == "arena":
        setup = (
            "  if (inputs->input == NULL) return ^_ERROR_NULL;\n"
            "  if ((const void *)inputs->input != (const void *)(run.home[0] + ^_INPUT_OFFSET)) {\n"
            "    memmove(run.home[0] + ^_INPUT_OFFSET, inputs->input, ^_INPUT_BYTES);\n"
            "  }"
        )
        finish = (
            "  if (outputs->output != NULL &&\n"
            "      (void *)outputs->output != (void *)(run.home[0] + ^_OUTPUT_OFFSET)) {\n"
            "    memmove(outputs->output, run.home[0] + ^_OUTPUT_OFFSET, ^_OUTPUT_BYTES);\n"
            "  }"
        )
    else:
        setup = (
            "  if (inputs->input == NULL || outputs->output == NULL) return ^_ERROR_NULL;\n"
            "  /* Only ever read through this pointer. */\n"
            "  run.home[1] = (uint8_t *)(uintptr_t)inputs->input;\n"
            "  run.home[2] = (uint8_t *)outputs->output;"
        )
        finish = ""
    stream_finish = ""
    if whole.program.output not in stream.program.external:
        offset = stream.plan.placements[stream.program.output].offset(0)
        stream_finish = f"  memmove(outputs->output, run.home[0] + {offset}, ^_OUTPUT_BYTES);"
    text = (
        _ENTRY.replace("%SETUP%", setup)
        .replace("%FINISH%\n", finish + "\n" if finish else "")
        .replace("%STREAM_FINISH%\n", stream_finish + "\n" if stream_finish else "")
        .replace("%INPUT%", str(number[stream.program.input]))
    )
    return [text.replace("@", interface.name).replace("^", interface.name.upper())]
