"""What is read of WebAssembly files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.codegen.wasm import read_wasm
from edgemnv2.errors import ToolchainError

MAGIC = b"\0asm\x01\0\0\0"


def test_code_and_imports_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.wasm"
    # A function, a table and a global before a shared memory of 200 pages at most 300.
    kinds = (b"\0\5", b"\1\x70\0\1", b"\3\x7f\1", b"\2\3\xc8\1\xac\2")
    imports = b"\4" + b"".join(b"\3env\1" + b"ftgm"[i : i + 1] + k for i, k in enumerate(kinds))
    # 130 bytes of code, whose size takes two bytes.
    code = bytes([10, 0x82, 1]) + bytes(130)
    file.write_bytes(MAGIC + bytes([2, len(imports)]) + imports + code)
    module = read_wasm(file)
    assert module.imports == ("env.f", "env.t", "env.g", "env.m")
    assert (module.memory_pages, module.code_bytes) == (200, 130)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", MAGIC + bytes([10, 9, 0])])
def test_what_is_no_module_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.wasm"
    file.write_bytes(content)
    with pytest.raises(ToolchainError, match="WebAssembly"):
        read_wasm(file)
