"""Row kernels in TIR: loops over tiles that call the C micro-kernels of `runtime/kernels`.

TIR holds the structure, the shapes, the order and every address; a micro-kernel sees pointers and
numbers. TVM's C code generator turns the calls into C as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["At", "Call", "Loop", "row_function"]


@dataclass(frozen=True)
class At:
    """The address of element `start + step * i` of a parameter; `i` counts the enclosing loop.

    Without a parameter it is that number itself.
    """

    parameter: str
    start: int = 0
    step: int = 0


@dataclass(frozen=True)
class Call:
    """One call of a micro-kernel with addresses and numbers."""

    function: str
    arguments: tuple[At | int, ...]


@dataclass(frozen=True)
class Loop:
    """`calls`, `count` times."""

    count: int
    calls: tuple[Call, ...]


def row_function(
    kind: str, parameters: Sequence[tuple[str, str]], body: Sequence[Call | Loop]
) -> tuple[str, Code]:
    """Symbol and code; `parameters` are `(name, dtype)` in the order of the kernel contract."""
    symbol = symbol_name(kind, {"parameters": tuple(parameters), "body": tuple(body)})
    return symbol, Code(lambda: _build(symbol, parameters, body))


def _build(
    symbol: str, parameters: Sequence[tuple[str, str]], body: Sequence[Call | Loop]
) -> Builder:
    k = Builder(symbol, scope="global")
    buffers = {name: k.pointer(name, dtype) for name, dtype in parameters}

    def emit(call: Call, i: Any) -> None:
        arguments = []
        for argument in call.arguments:
            if isinstance(argument, At):
                at: Any = tirx.const(argument.start, "int32")
                if i is not None and argument.step:
                    at = at + i * argument.step
                if argument.parameter:
                    at = tirx.address_of(tirx.BufferLoad(buffers[argument.parameter], [at]))
                arguments.append(at)
            else:
                arguments.append(tirx.const(argument, "int32"))
        k.emit(tirx.Evaluate(tirx.call_extern("void", call.function, *arguments)))

    for part in body:
        if isinstance(part, Call):
            emit(part, None)
        elif part.count == 1:
            for call in part.calls:
                emit(call, None)
        else:
            with k.loop(part.count) as i:
                for call in part.calls:
                    emit(call, i)
    return k
