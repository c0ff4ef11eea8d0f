"""Micro-kernel builder: straight-line TIR written from Python.

A Python loop unrolls, `Builder.loop` stays a loop, `let` names a value once, and `registers`
are vector-typed locals that LLVM keeps in registers as long as there are few enough of them.

    k = Builder("copy16")
    x, y = k.pointer("x", "int8"), k.pointer("y", "int8")
    with k.loop(4) as i:
        k.store(y, i * 16, k.let(load(x, i * 16, "int8x16")))
    function = k.function()

The functions' parameters are raw pointers already (a `DeclBuffer` views each). They need these
passes and no others: BindTarget, StmtSimplify, CommonSubexprElim, LowerIntrin; then
`target.build.llvm`. `build_module` does that; the object has no undefined symbols.

TVM tells LLVM that different buffers never overlap, whatever `noalias` says. Where the caller may
pass one address twice (an addition in place), each element must be read once, before it is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import tvm
from tvm import tirx
from tvm.target.codegen import llvm_lookup_intrinsic_id
from tvm.tirx import transform

__all__ = [
    "Builder",
    "address",
    "broadcast",
    "build_module",
    "cast",
    "concat",
    "constant",
    "element",
    "intrinsic",
    "lane",
    "load",
    "maximum",
    "minimum",
    "reinterpret",
    "scalar",
    "short_vector",
    "shuffle",
    "split_tiles",
    "symbol_name",
]

Expr = Any
"""A TIR expression; TVM ships no types for them."""

UNBOUNDED = 1 << 30
"""Declared extent of the pointers' views. Codegen reads no extents; bounds are the caller's."""


def index(value: Expr) -> Expr:
    """`value` as an int32 expression."""
    return tirx.const(int(value), "int32") if isinstance(value, int | np.integer) else value


class Builder:
    """One function under construction; see the module's docstring."""

    def __init__(self, symbol: str, noalias: bool = True, scope: str = "local") -> None:
        self.symbol = symbol
        self.noalias = noalias
        # Of `registers`; TVM's C code generator knows "global" only (a C local all the same).
        self.scope = scope
        self.calls: dict[str, Any] = {}
        self._params: list[Any] = []
        self._blocks: list[list[Any]] = [[]]
        self._count = 0
        self._viewed: set[Any] = set()
        self._stored: set[Any] = set()

    def emit(self, statement: Any) -> None:
        """Append a statement to the innermost open block."""
        self._blocks[-1].append(statement)

    def pointer(self, name: str, dtype: str) -> Any:
        """A new parameter: a pointer to `dtype`, viewed as a flat buffer."""
        variable = tirx.Var(name, tvm.ir.PointerType(tvm.ir.PrimType(dtype)))
        self._params.append(variable)
        buffer = tirx.decl_buffer((UNBOUNDED,), dtype, name + "_at")
        self._blocks[0].append(tirx.DeclBuffer(buffer, data=variable))
        return buffer

    def view(self, buffer: Any, at: Expr) -> Any:
        """`buffer` from element `at` on as a buffer of its own.

        What lies at constant places of it is one address and offsets to LLVM, where `at` would be
        added to each of them. To LLVM it is other memory than `buffer` and other views: what is
        read under one name is not to be written under another. Raises ValueError where `buffer` has
        been written under its own.
        """
        if buffer in self._stored:
            raise ValueError(f"{buffer.name}: a view of what is stored to under its own name")
        self._viewed.add(buffer)
        self._count += 1
        start = self.let(address(buffer, at))
        view = tirx.decl_buffer((UNBOUNDED,), buffer.dtype, f"b{self._count}")
        self.emit(tirx.DeclBuffer(view, data=start))
        return view

    def number(self, name: str) -> Any:
        """A new parameter: an int32."""
        variable = tirx.Var(name, "int32")
        self._params.append(variable)
        return variable

    def registers(self, dtype: str, count: int) -> Any:
        """`count` local variables of a (vector) type, addressed by constant indices."""
        self._count += 1
        buffer = tirx.decl_buffer((count,), dtype, f"r{self._count}", scope=self.scope)
        self.emit(tirx.AllocBuffer(buffer))
        return buffer

    def let(self, value: Expr) -> Any:
        """A name for `value`, which is computed here and once."""
        value = index(value)
        self._count += 1
        variable = tirx.Var(f"v{self._count}", value.ty if hasattr(value, "ty") else value.dtype)
        self.emit(tirx.Bind(variable, value))
        return variable

    def keep(self, value: Expr, dtype: str) -> Any:
        """A name for `value` of type `dtype` that stays one: passes write a `let` out again.

        Chains of `reinterpret` would double with every use otherwise.
        """
        local = self.registers(dtype, 1)
        self.set(local, 0, value)
        return self.let(element(local, 0))

    @contextmanager
    def loop(self, count: Expr) -> Iterator[Any]:
        """A loop over `0 <= i < count` that stays a loop."""
        self._count += 1
        variable = tirx.Var(f"i{self._count}", "int32")
        self._blocks.append([])
        yield variable
        body = _sequence(self._blocks.pop())
        kind = tirx.ForKind.SERIAL
        self.emit(tirx.For(variable, index(0), index(count), kind, body))

    @contextmanager
    def when(self, condition: Expr) -> Iterator[None]:
        """Statements that run where `condition`, a boolean expression, holds."""
        self._blocks.append([])
        yield
        self.emit(tirx.IfThenElse(condition, _sequence(self._blocks.pop()), None))

    @contextmanager
    def loop_while(self, condition: Expr) -> Iterator[None]:
        """A loop that goes on as long as `condition` holds; it reads `registers` or buffers."""
        self._blocks.append([])
        yield
        self.emit(tirx.While(condition, _sequence(self._blocks.pop())))

    def store(self, buffer: Any, at: Expr, value: Expr) -> None:
        """Store a vector (or scalar) from element `at` on."""
        self._note_store(buffer)
        self.emit(buffer.vstore([index(at)], value))

    def store_list(self, buffer: Any, at: Expr, vectors: Sequence[Expr], name: str) -> None:
        """AArch64's `st1` of two to four vectors from element `at` on; `name` as LLVM's types."""
        self._note_store(buffer)
        number = _intrinsic_id(f"llvm.aarch64.neon.st1x{len(vectors)}.{name}")
        call = tirx.call_llvm_intrin("void", number, *vectors, address(buffer, at))
        self.emit(tirx.Evaluate(call))

    def _note_store(self, buffer: Any) -> None:
        if buffer in self._viewed:
            raise ValueError(f"{buffer.name}: a store under its own name to what has views")
        self._stored.add(buffer)

    def prefetch(self, buffer: Any, at: Expr) -> None:
        """Ask for the cache line of element `at` for reading; it need not exist."""
        address = tirx.address_of(tirx.BufferLoad(buffer, [index(at)]))
        # Reading (0), to all levels (3), of the data cache (1): the intrinsic's own numbers.
        call = tirx.call_intrin("void", "tirx.prefetch", address, 0, 3, 1)
        self.emit(tirx.Evaluate(call))

    def set(self, registers: Any, number: int, value: Expr) -> None:
        """Assign to one of `registers`."""
        self.emit(tirx.BufferStore(registers, value, [index(number)]))

    def call(self, inner: Builder, *arguments: Expr) -> None:
        """Call the finished function of `inner`, by numbers and `address`es in its own order.

        `calls` has it from then on. It must come from another object than this function: inlined,
        its buffers would be other ones to LLVM than those here.
        """
        self.calls.setdefault(inner.symbol, inner.function())
        given = [index(argument) for argument in arguments]
        self.emit(tirx.Evaluate(tirx.call_extern("void", inner.symbol, *given)))

    def function(self) -> Any:
        """The finished PrimFunc."""
        function = tirx.PrimFunc(self._params, _sequence(self._blocks[0]))
        function = function.with_attr("global_symbol", self.symbol)
        if self.noalias:
            function = function.with_attr("tirx.noalias", True)
        return function.with_attr("calling_conv", 0)


def _sequence(statements: list[Any]) -> Any:
    return tirx.SeqStmt(statements) if len(statements) > 1 else statements[0]


@cache
def _intrinsic_id(name: str) -> int:
    number = int(llvm_lookup_intrinsic_id(name))
    if number == 0:
        raise ValueError(f"LLVM has no intrinsic {name}")
    return number


def intrinsic(name: str, dtype: str, *arguments: Expr) -> Expr:
    """A call of the LLVM intrinsic `name` without side effects."""
    return tirx.call_llvm_pure_intrin(dtype, _intrinsic_id(name), *arguments)


def load(buffer: Any, at: Expr, dtype: str) -> Expr:
    """A vector (or scalar) from element `at` on."""
    return buffer.vload([index(at)], dtype)


def address(buffer: Any, at: Expr) -> Expr:
    """Where element `at` is."""
    return tirx.address_of(tirx.BufferLoad(buffer, [index(at)]))


def element(registers: Any, number: Expr) -> Expr:
    """The current value of one of `registers`, or one element of a buffer."""
    return tirx.BufferLoad(registers, [index(number)])


def shuffle(vectors: Sequence[Expr], lanes: Sequence[int]) -> Expr:
    """The chosen lanes of the concatenated `vectors`."""
    return tirx.Shuffle(list(vectors), [index(i) for i in lanes])


def short_vector(buffer: Any, begin: int, end: int, dtype: str, lanes: int) -> Expr:
    """Elements `begin .. end` of `buffer`, loaded one by one, and zeros up to `lanes`."""
    elements = [load(buffer, at, dtype) for at in range(begin, end)]
    return shuffle(elements + [scalar(0, dtype)] * (lanes - len(elements)), range(lanes))


def concat(vectors: Sequence[Expr], lanes_each: int) -> Expr:
    """All lanes of `vectors`, each of `lanes_each` lanes."""
    return shuffle(vectors, range(lanes_each * len(vectors))) if len(vectors) > 1 else vectors[0]


def lane(vector: Expr, number: int, count: int) -> Expr:
    """Lane `number` of `vector` in `count` lanes; folds into by-element instructions."""
    return tirx.Broadcast(tirx.Shuffle([vector], [index(number)]), count)


def cast(value: Expr, dtype: str) -> Expr:
    """`value` converted to `dtype`."""
    return tirx.Cast(dtype, value)


def reinterpret(value: Expr, dtype: str) -> Expr:
    """The bits of `value` as `dtype`."""
    return tirx.reinterpret(dtype, value)


def constant(value: float, dtype: str, lanes: int) -> Expr:
    """`lanes` times the number `value`."""
    return tirx.Broadcast(tirx.const(value, dtype), lanes)


def scalar(value: float, dtype: str) -> Expr:
    """The number `value`."""
    return tirx.const(value, dtype)


def broadcast(value: Expr, lanes: int) -> Expr:
    """`lanes` times the scalar `value`."""
    return tirx.Broadcast(value, lanes)


def maximum(a: Expr, b: Expr) -> Expr:
    """Lane by lane."""
    return tirx.Max(a, b)


def minimum(a: Expr, b: Expr) -> Expr:
    """Lane by lane."""
    return tirx.Min(a, b)


def split_tiles(total: int, size: int) -> list[tuple[int, int, int]]:
    """`(start, count, size)` runs that cover `total` items with tiles of at most `size`.

    The remainder is balanced over the last tiles rather than left as one small tile.
    """
    tiles = -(-total // size)
    short = tiles * size - total
    if short == 0:
        return [(0, tiles, size)]
    if short < tiles:
        full = tiles - short
        if short <= 2 or size <= 2:
            # Few tiles of one less: (size - 1) each.
            runs = [(0, full, size)] if full else []
            return [*runs, (full * size, short, size - 1)]
    full = total // size
    rest = total - full * size
    runs = [(0, full, size)] if full else []
    return [*runs, (full * size, 1, rest)]


def symbol_name(kind: str, description: Mapping[str, Any]) -> str:
    """A C identifier that is a function of everything that shapes the code.

    Kernels with equal `kind` and `description` are one function.
    """
    text = repr(sorted((key, repr(value)) for key, value in description.items()))
    return f"{kind}_{hashlib.sha1(text.encode()).hexdigest()[:12]}"


def build_module(functions: Mapping[str, Any], target: Any) -> Any:
    """TVM's runtime module (with `write_to_file(path, "o")`) of builder functions by symbol.

    `target` is a `tvm.target.Target` of kind llvm.
    """
    module = transform.BindTarget(target)(tvm.IRModule(dict(functions)))
    with tvm.transform.PassContext(opt_level=3):
        for pass_ in (
            transform.StmtSimplify(),
            transform.CommonSubexprElim(),
            transform.LowerIntrin(),
        ):
            module = pass_(module)
        build: Callable[..., Any] = tvm.get_global_func("target.build.llvm")
        return build(module, target)
