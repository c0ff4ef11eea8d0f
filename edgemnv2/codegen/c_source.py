"""Row kernels -> C99 source, through TVM's C code generator.

TVM writes correct scalar C inside its own runtime's clothes: export macros, includes, unused
temporaries, pointers without const. What is left after undressing compiles without a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgemnv2.codegen.llvm import named
from edgemnv2.ops.kernel import RowKernel

__all__ = ["kernel_source"]

_FUNCTION = re.compile(r"^TVM_DLL void (\w+)\(([^)]*)\) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_DECLARATION = re.compile(r"^ *(?:u?int(?:8|16|32|64)_t|float|bool) (\w+) = [^;]*;\n", re.MULTILINE)
_PARAMETER = re.compile(r"(\w+)\* (\w+)")
_WORD = re.compile(r"\w+")
_STAND_IN = re.compile(r"\b([1-9]\.\d{6}e\+03)(f?)\b")
_FIRST_STAND_IN = 1000


def kernel_source(kernels: Mapping[str, RowKernel], prefix: str) -> dict[str, str]:
    """C definitions by final symbol, in the order of first use."""
    functions = named(kernels, prefix)
    return _from_tir(functions) if functions else {}


def _from_tir(functions: Mapping[str, Any]) -> dict[str, str]:
    import tvm
    from tvm.tirx import transform

    target = tvm.target.Target("c")
    module = transform.BindTarget(target)(tvm.IRModule(dict(functions)))
    for pass_ in (
        transform.StmtSimplify(),
        transform.CommonSubexprElim(),
        transform.LowerIntrin(),
    ):
        module = pass_(module)
    module, numbers = _made_for_c(module)
    text = tvm.get_global_func("target.build.c")(module, target).inspect_source()
    text = _STAND_IN.sub(lambda match: _literal(match, numbers), text)
    found = {
        match[1]: f"void {match[1]}({match[2]}) {{\n{match[3]}}}\n"
        for match in _FUNCTION.finditer(text)
    }
    assert set(found) == set(functions), "TVM's C output has another form than expected"
    return {symbol: _const_parameters(_without_unused(found[symbol])) for symbol in functions}


def _define_shifts(nodes: list[dict[str, Any]]) -> None:
    """In TIR as JSON, whose nodes name others by their place: signed numbers are shifted left as
    unsigned ones, and taken back.

    TIR's shift is of bits; C99 (6.5.7) defines none of a negative number, nor one into the sign.
    """

    def add(kind: str, **data: Any) -> int:
        nodes.append({"type": kind, "data": {"span": 0, **data}})
        return len(nodes) - 1

    for node in list(nodes):
        if node["type"] != "prim.LShift":
            continue
        data = node["data"]
        kind = nodes[data["ty"]]["data"]["dtype"]
        if kind.startswith("int") and nodes[data["a"]]["type"] != "ir.IntImm":
            plain = add("ir.PrimType", dtype=f"u{kind}")
            a, b = (add("prim.Cast", ty=plain, value=data[x]) for x in ("a", "b"))
            shifted = add("prim.LShift", ty=plain, a=a, b=b)
            node["type"] = "prim.Cast"
            node["data"] = {"span": data["span"], "ty": data["ty"], "value": shifted}


def _made_for_c(module: Any) -> tuple[Any, list[float]]:
    """The module with 1000, 1001 … for its float constants, and what they stand for.

    TVM prints seven digits; a float32 needs nine to come back the same. Shifts become ones that C
    defines.
    """
    import tvm

    content = json.loads(tvm.ir.save_json(module))
    _define_shifts(content["nodes"])
    numbers: list[float] = []
    for node in content["nodes"]:
        if node["type"] == "ir.FloatImm":
            value = float(node["data"]["value"])
            if value not in numbers:
                numbers.append(value)
            node["data"]["value"] = float(_FIRST_STAND_IN + numbers.index(value))
    assert len(numbers) <= 9000, "more float constants than there are stand-ins"
    return tvm.ir.load_json(json.dumps(content)), numbers


def _literal(match: re.Match[str], numbers: Sequence[float]) -> str:
    """The shortest C literal of exactly the number that a stand-in stands for."""
    value = numbers[round(float(match[1])) - _FIRST_STAND_IN]
    return f"{np.float32(value)!s}f" if match[2] else repr(value)


def _without_unused(source: str) -> str:
    """Remove declarations of names that nobody reads, until none is left."""
    while True:
        uses: dict[str, int] = {}
        for word in _WORD.findall(source):
            uses[word] = uses.get(word, 0) + 1

        def keep(match: re.Match[str], uses: dict[str, int] = uses) -> str:
            return match[0] if uses[match[1]] > 1 else ""

        shorter = _DECLARATION.sub(keep, source)
        if shorter == source:
            return source
        source = shorter


def _const_parameters(source: str) -> str:
    """Pointers that the body never stores through become pointers to const.

    Those that it does not even read, as of a layer whose output is one value, are named in it.
    """
    head, body = source.split("{", 1)

    def typed(match: re.Match[str]) -> str:
        kind, name = match[1], match[2]
        # Micro-kernels that the body calls may store through these two, and only these.
        stored = (
            name in ("out", "scratch")
            or re.search(rf"\b{name}\[[^;=]*\] = ", body)
            or f"{name})[" in body
        )
        return f"{kind} *{name}" if stored else f"const {kind} *{name}"

    unread = [name for _, name in _PARAMETER.findall(head) if not re.search(rf"\b{name}\b", body)]
    said = "".join(f"\n    (void){name};" for name in unread)
    return _PARAMETER.sub(typed, head) + "{" + said + body
