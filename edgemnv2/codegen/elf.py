"""What an ELF file holds: section sizes and symbols, read without binutils.

System V ABI, chapter 4 ("Object Files"): header, section headers, symbol table. 32- and 64-bit,
little endian, which is every target here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.errors import ToolchainError

__all__ = ["Elf", "Section", "Symbol", "read_elf"]

_SHT_SYMTAB, _SHT_NOBITS, _SHT_DYNSYM = 2, 8, 11
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_SHN_UNDEF = 0


@dataclass(frozen=True)
class Section:
    """One section; `address` is 0 in relocatable objects."""

    name: str
    address: int
    size_bytes: int
    is_code: bool
    is_writable: bool
    is_loaded: bool
    """Takes memory at run time."""
    has_bits: bool
    """Takes room in the file (not .bss)."""


@dataclass(frozen=True)
class Symbol:
    """One symbol; `kind` "function", "object" or "other", `binding` "local", "global" or "weak"."""

    name: str
    address: int
    size_bytes: int
    kind: str
    binding: str
    is_defined: bool
    is_dynamic: bool


@dataclass(frozen=True)
class Elf:
    """Sections in file order, symbols in table order (static table first, then dynamic)."""

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    @property
    def code_bytes(self) -> int:
        """Bytes of all executable sections."""
        return sum(s.size_bytes for s in self.sections if s.is_code)

    @property
    def constants_bytes(self) -> int:
        """Bytes of all read-only data that is loaded."""
        return sum(
            s.size_bytes
            for s in self.sections
            if s.is_loaded and not s.is_code and not s.is_writable
        )

    def undefined(self) -> tuple[str, ...]:
        """Names that another object must bring, sorted."""
        return tuple(sorted({s.name for s in self.symbols if s.name and not s.is_defined}))

    def exported(self) -> tuple[str, ...]:
        """Defined dynamic symbols of a shared library, sorted."""
        return tuple(sorted({s.name for s in self.symbols if s.is_dynamic and s.is_defined}))


def read_elf(path: Path) -> Elf:
    """Sections and symbols of an object, library or program; ToolchainError if it is not one."""
    data = path.read_bytes()
    if data[:4] != b"\x7fELF" or len(data) < 52 or data[5] != 1:
        raise ToolchainError(f"{path.name}: not a little-endian ELF file")
    wide = data[4] == 2
    try:
        return _read(data, wide)
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise ToolchainError(f"{path.name}: damaged ELF file ({error})") from error


def _read(data: bytes, wide: bool) -> Elf:
    table_offset = struct.unpack_from("<Q" if wide else "<I", data, 0x28 if wide else 0x20)[0]
    entry_bytes, count, names_index = struct.unpack_from("<HHH", data, 0x3A if wide else 0x2E)
    # sh_name, type, flags, addr, offset, size, link, ...
    layout = "<IIQQQQI" if wide else "<IIIIIII"
    headers = [
        struct.unpack_from(layout, data, table_offset + i * entry_bytes) for i in range(count)
    ]
    names_offset = headers[names_index][4]
    sections = tuple(
        Section(
            name=_text(data, names_offset + name),
            address=address,
            size_bytes=size,
            is_code=bool(flags & _SHF_EXECINSTR),
            is_writable=bool(flags & _SHF_WRITE),
            is_loaded=bool(flags & _SHF_ALLOC),
            has_bits=kind != _SHT_NOBITS,
        )
        for name, kind, flags, address, _, size, _ in headers
    )
    symbols: list[Symbol] = []
    for wanted in (_SHT_SYMTAB, _SHT_DYNSYM):
        for _, kind, _, _, offset, size, link in headers:
            if kind == wanted:
                strings = headers[link][4]
                symbols += _symbols(data, wide, offset, size, strings, kind == _SHT_DYNSYM)
    return Elf(sections, tuple(symbols))


def _symbols(
    data: bytes, wide: bool, offset: int, size: int, strings: int, dynamic: bool
) -> list[Symbol]:
    found = []
    step = 24 if wide else 16
    for at in range(offset + step, offset + size, step):  # entry 0 is reserved
        if wide:
            name, info, _, index, value, length = struct.unpack_from("<IBBHQQ", data, at)
        else:
            name, value, length, info, _, index = struct.unpack_from("<IIIBBH", data, at)
        found.append(
            Symbol(
                name=_text(data, strings + name),
                address=value,
                size_bytes=length,
                kind={1: "object", 2: "function"}.get(info & 15, "other"),
                binding={0: "local", 2: "weak"}.get(info >> 4, "global"),
                is_defined=index != _SHN_UNDEF,
                is_dynamic=dynamic,
            )
        )
    return found


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
