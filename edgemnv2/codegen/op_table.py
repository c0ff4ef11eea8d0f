"""The table of operations in C: kernels' adapters, what operations read and write, rows outside.

It has two forms (`runtime/step_loop.h`). The plain one is for operations with one window, perhaps a
second operand of the same row, and whole rows of one output; the general one has lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgemnv2.codegen.ends import C_TYPES
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.program import Read, RowOp, RowTensor

__all__ = [
    "OpEntry",
    "OpTable",
    "adapter",
    "is_plain",
    "kernel_parameters",
    "outside_rows",
    "rows_of",
]

ELEMENTS = {**C_TYPES, "float64": "double"}
"""What rows of a kernel hold: long sums of floats are no end of a network."""
_WRITTEN = ("call->out", "call->scratch", "call->more")


def is_plain(op: RowOp, kernel: RowKernel, tensors: Mapping[str, RowTensor]) -> bool:
    """Whether the plain form of the table can say `op`."""
    if len(op.writes) > 1 or len(op.reads) > 2 or kernel.takes_row_number:
        return False
    window, *others = op.reads
    small = window.window <= 255 and window.stride <= 255 and 0 <= window.before <= 127
    edge = window.edge and _leaves(op, window, tensors)
    if (
        not small
        or edge
        or window.contiguous
        or window.spacing != 1
        or (window.phase, window.divisor) != (0, 1)
    ):
        return False
    same_row = all(read == Read(read.tensor, fill=read.fill) for read in others)
    write = op.writes[0]
    return same_row and write.is_plain


def rows_of(op: RowOp) -> int:
    """Row pointers that the kernel of `op` takes."""
    return sum(read.pointers for read in op.reads)


def kernel_parameters(op: RowOp, kernel: RowKernel, offsets: Sequence[int]) -> list[str]:
    """The arguments of a kernel's call, as C expressions over `call`.

    `offsets` of its constants from the start of the operation's.
    """
    arguments = [f"call->rows[{i}]" for i in range(rows_of(op))]
    # In-place operations and sums have their row twice: as operand or alone.
    arguments.append("call->out")
    arguments += [f"call->more[{i}]" for i in range(len(op.writes) - 1)]
    if kernel.takes_row_number:
        arguments.append("call->row")
    if kernel.scratch_bytes > 0:
        arguments.append("call->scratch")
    arguments += [f"call->constants + {start}" if start else "call->constants" for start in offsets]
    return arguments


def _parameter_types(kernel: RowKernel, arguments: Sequence[str]) -> list[str]:
    """C types of the kernel's parameters: from its TIR, or void pointers for C kernels."""
    types = []
    parameters = [None] * len(arguments)
    if kernel.code is not None:
        parameters = list(kernel.code.function.params)
    for parameter, argument in zip(parameters, arguments, strict=True):
        if argument == "call->row":
            types.append("int32_t ")
            continue
        element = "void"
        if parameter is not None:
            element = ELEMENTS[str(parameter.ty.element_type.dtype)]
        constant = "" if argument.startswith(_WRITTEN) else "const "
        types.append(f"{constant}{element} *")
    return types


def adapter(symbol: str, name: str, kernel: RowKernel, arguments: Sequence[str]) -> list[str]:
    """The prototype of the kernel `symbol`, and the function `name` that calls it for one step."""
    types = _parameter_types(kernel, arguments)
    return [
        f"void {symbol}({', '.join(t.rstrip() if t == 'int32_t ' else t for t in types)});",
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


# -- rows outside ----------------------------------------------------------------------------------


def _leaves(op: RowOp, read: Read, tensors: Mapping[str, RowTensor]) -> bool:
    """Whether the window ever leaves its tensor."""
    last = read.first(op.steps * op.rows_per_step - 1) + read.window - 1
    return read.first(0) < 0 or last >= tensors[read.tensor].height


def _pattern(fill: bytes) -> bytes:
    """The shortest of 1, 2, 4 or 8 bytes that repeats to `fill`."""
    for size in (1, 2, 4):
        if fill == fill[:size] * (len(fill) // size):
            return fill[:size]
    return fill


def _outside_symbol(op: RowOp, read: Read, tensors: Mapping[str, RowTensor]) -> str:
    """The constant row for rows outside; "NULL" where there are none or the edge stands in."""
    if not _leaves(op, read, tensors) or read.edge:
        return "NULL"
    assert read.fill is not None, f"{op.name}: nothing stands for the rows outside"
    return f"outside_{_pattern(read.fill).hex()}"


def outside_rows(ops: Sequence[RowOp], tensors: Mapping[str, RowTensor]) -> list[str]:
    """One constant row per element, as long as the longest that needs it."""
    longest: dict[bytes, int] = {}
    for op in ops:
        for read in op.reads:
            if _outside_symbol(op, read, tensors) != "NULL" and read.fill is not None:
                pattern = _pattern(read.fill)
                row_bytes = tensors[read.tensor].row_bytes
                longest[pattern] = max(longest.get(pattern, 0), row_bytes)
    lines = []
    for pattern, size in sorted(longest.items()):
        count = -(-size // 8) * 2 if len(pattern) == 8 else -(-size // 4)
        # Little-endian words.
        whole = pattern * (8 // len(pattern))
        words = [f"0x{whole[at : at + 4][::-1].hex()}" for at in (0, 4)]
        body = "0" if not any(pattern) else ",".join(words[i % 2] for i in range(count))
        name = f"outside_{pattern.hex()}"
        lines += [f"static const uint32_t {name}[{count}] = {{{body}}};", ""]
    return lines


# -- the table -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpEntry:
    """One line: `op` with the adapter `call` and the C expression of its constants.

    `number` gives a tensor's place among the rings; `strides` those of the reads, where they differ
    from the operation's own.
    """

    op: RowOp
    call: str
    constants: str
    number: Callable[[str], int]
    written: Callable[[str], int]
    rows_outside: bool = True
    strides: tuple[int, ...] | None = None


class OpTable:
    """The lines of a table under construction; `label` goes into the names of its arrays."""

    def __init__(self, label: str, tensors: Mapping[str, RowTensor], general: bool) -> None:
        self.tensors = tensors
        self.general = general
        self.suffix = f"_{label}" if label else ""
        self.lines: list[str] = []
        self.reads: list[str] = []
        self.writes: list[str] = []

    def add(self, entry: OpEntry) -> int:
        """Append a line; its index."""
        fields = self._general(entry) if self.general else self._plain(entry)
        self.lines.append(f"    {{{', '.join(fields)}}}, /* {entry.op.name} */")
        return len(self.lines) - 1

    def _outside(self, entry: OpEntry, read: Read) -> str:
        if not entry.rows_outside:
            return "NULL"
        return _outside_symbol(entry.op, read, self.tensors)

    def _strides(self, entry: OpEntry) -> Sequence[int]:
        return entry.strides or [read.stride for read in entry.op.reads]

    def _plain(self, entry: OpEntry) -> list[str]:
        op, read = entry.op, entry.op.reads[0]
        second = entry.number(op.reads[1].tensor) if len(op.reads) > 1 else 0
        numbers = (entry.number(read.tensor), second, entry.written(op.output), op.layer)
        window = (read.window, self._strides(entry)[0], read.before, len(op.reads))
        flags = (op.rows_per_step, int(op.accumulates))
        return [
            entry.call,
            entry.constants,
            self._outside(entry, read),
            *map(str, (*numbers, *window, *flags)),
        ]

    def _general(self, entry: OpEntry) -> list[str]:
        op = entry.op
        reads, writes = len(self.reads), len(self.writes)
        for read, stride in zip(op.reads, self._strides(entry), strict=True):
            fields = (stride, read.phase, read.divisor, read.before)
            numbers = (entry.number(read.tensor), read.pointers, read.spacing)
            text = ", ".join(map(str, (*fields, *numbers)))
            self.reads.append(f"    {{{self._outside(entry, read)}, {text}}}, /* {op.name} */")
        for write in op.writes:
            place = (entry.written(write.tensor), write.first_row, write.rows)
            text = ", ".join(map(str, (*place, int(write.part_bytes > 0))))
            self.writes.append(f"    {{{write.offset_bytes}u, {text}}}, /* {op.name} */")
        return [
            entry.call,
            entry.constants,
            f"reads{self.suffix} + {reads}",
            f"writes{self.suffix} + {writes}",
            *map(str, (len(op.reads), len(op.writes), op.layer)),
            *map(str, (op.rows_per_step, int(op.accumulates))),
        ]

    def source(self) -> list[str]:
        """The arrays."""
        lists = []
        if self.general:
            for kind, found in (("read", self.reads), ("write", self.writes)):
                head = f"static const struct edgemnv2_{kind} {kind}s{self.suffix}[{len(found)}]"
                lists += [head + " = {", *found, "};"]
        head = f"static const struct edgemnv2_op ops{self.suffix}[{len(self.lines)}] = {{"
        return [*lists, head, *self.lines, "};"]
