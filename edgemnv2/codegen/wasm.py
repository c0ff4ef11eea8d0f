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


@dataclass(frozen=True)
class WasmModule:
    """Bytes of machine code, and how many things the module wants from outside."""

    code_bytes: int
    imports: int


def read_wasm(path: Path) -> WasmModule:
    """The module or object in `path`; ToolchainError where it is none."""
    data = path.read_bytes()
    if data[: len(_MAGIC)] != _MAGIC:
        raise ToolchainError(f"{path}: is not WebAssembly (no magic number)")
    at, code_bytes, imports = len(_MAGIC), 0, 0
    try:
        while at < len(data):
            kind, (size, start) = data[at], _leb128(data, at + 1)
            if start + size > len(data):
                raise IndexError
            if kind == _CODE:
                code_bytes = size
            elif kind == _IMPORT:
                imports, _ = _leb128(data, start)
            at = start + size
    except IndexError:
        raise ToolchainError(f"{path}: WebAssembly ends inside a section") from None
    return WasmModule(code_bytes, imports)


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number, and where the next byte is."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
