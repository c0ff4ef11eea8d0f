"""What a WebAssembly file holds: its sections and imports, read without a tool.

WebAssembly Core Specification, section 5.5 ("Modules"): a magic number, a version, then sections,
each an identifier, a size (LEB128) and its content.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgemnv2.errors import ToolchainError

__all__ = ["WasmModule", "read_wasm"]

_MAGIC = b"\0asm\x01\0\0\0"
_IMPORT, _CODE = 2, 10
_FUNCTION, _TABLE, _MEMORY, _GLOBAL = range(4)


@dataclass(frozen=True)
class WasmModule:
    """Bytes of machine code, what the module wants from outside, pages of a memory among that."""

    code_bytes: int
    imports: tuple[str, ...]
    memory_pages: int = 0


def read_wasm(path: Path) -> WasmModule:
    """The module or object in `path`; ToolchainError where it is none."""
    data = path.read_bytes()
    if data[: len(_MAGIC)] != _MAGIC:
        raise ToolchainError(f"{path}: is not WebAssembly (no magic number)")
    at, code_bytes, pages = len(_MAGIC), 0, 0
    imports: list[str] = []
    try:
        while at < len(data):
            kind, (size, start) = data[at], _leb128(data, at + 1)
            if start + size > len(data):
                raise IndexError
            if kind == _CODE:
                code_bytes = size
            elif kind == _IMPORT:
                imports, pages = _read_imports(data, start)
            at = start + size
    except IndexError:
        raise ToolchainError(f"{path}: WebAssembly ends inside a section") from None
    return WasmModule(code_bytes, tuple(imports), pages)


def _read_imports(data: bytes, at: int) -> tuple[list[str], int]:
    """Names, and the pages that a memory among them begins with.

    Types of functions, tables and globals are two to four numbers, those of memories two to three.
    """
    count, at = _leb128(data, at)
    names, pages = [], 0
    for _ in range(count):
        words = []
        for _ in range(2):
            size, at = _leb128(data, at)
            words.append(data[at : at + size].decode())
            at += size
        names.append(".".join(words))
        kind, at = data[at], at + 1
        if kind == _FUNCTION:
            _, at = _leb128(data, at)
        elif kind == _GLOBAL:
            at += 2
        else:
            at += kind == _TABLE
            bounded, at = data[at] & 1, at + 1
            least, at = _leb128(data, at)
            if bounded:
                _, at = _leb128(data, at)
            pages = least if kind == _MEMORY else pages
    return names, pages


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number, and where the next byte is."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
