"""What is read of WebAssembly files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.codegen.wasm import read_wasm
from edgemnv2.errors import ToolchainError

MAGIC = b"\0asm\x01\0\0\0"


def test_code_and_imports_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.wasm"
    # Two imports; 130 bytes of code, whose size takes two bytes.
    file.write_bytes(MAGIC + bytes([2, 3, 2, 0, 0]) + bytes([10, 0x82, 1]) + bytes(130))
    module = read_wasm(file)
    assert (module.imports, module.code_bytes) == (2, 130)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", MAGIC + bytes([10, 9, 0])])
def test_what_is_no_module_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.wasm"
    file.write_bytes(content)
    with pytest.raises(ToolchainError, match="WebAssembly"):
        read_wasm(file)
