"""Writes the code of an artefact for the web: modules without imports, their constants, a program.

`lib/<name>.wasm` is the network; `lib/<name>_plain.wasm` the same without SIMD, for browsers that
have none. Both take the constants that they start with, `lib/<name>.bin`, from who loads them, and
have one memory: stack, tables, constants, arena, inputs and outputs, of a size that linking fixes.
`lib/<name>_two.wasm` is the network for two threads, each an instance in one memory of the page's.
`bench.wasm` is the bench program, which Node.js runs (WASI), constants and all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgemnv2.codegen.answers import RUNTIME
from edgemnv2.codegen.entry import EntryParts, entry_source
from edgemnv2.codegen.llvm import build_objects
from edgemnv2.codegen.threads import ThreadParts, part_kernels, thread_source
from edgemnv2.codegen.toolchain import compile_object, link_executable, link_module
from edgemnv2.codegen.wasm import read_wasm
from edgemnv2.errors import ToolchainError
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.target import Target

__all__ = ["emit_module"]

_RUNTIME_FILES = (
    "artifact_names.h",
    "bench_main.c",
    "step_loop.h",
    "thread_pool.h",
    "web_module.c",
    "web_pool.h",
)
_CONSTANTS = """\
/* The constants, out of the file beside. */
__asm__(".section .rodata.@,\\"\\",@\\n"
        ".p2align 6\\n"
        ".globl @\\n"
        ".hidden @\\n"
        ".type @,@object\\n"
        "@:\\n"
        ".incbin \\"" EDGEMNV2_CONSTANTS_FILE "\\"\\n"
        ".size @, %BYTES%\\n"
        ".text\\n");
"""


def emit_module(
    parts: EntryParts,
    target: Target,
    folder: Path,
    plain: Mapping[str, RowKernel] | None,
    threads: tuple[ThreadParts, ...] = (),
) -> int:
    """Fill `folder` with `lib/` and `bench.wasm`; the header is in `include/` already.

    `plain`: kernels without SIMD that take the same
    constants and scratch, None where `target` has no SIMD itself. `threads`: what two threads add.

    Returns the bytes of machine code (kernels, step loop, entry points).
    """
    name, constants = parts.interface.name, parts.constants.data
    library = folder / "lib"
    library.mkdir()
    (library / f"{name}.bin").write_bytes(constants)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for file in _RUNTIME_FILES:
            shutil.copy(RUNTIME / file, work / file)
        (work / "constants.bin").write_bytes(constants or b"\0")
        (work / f"{name}.c").write_text(
            entry_source(parts, incbin=False), encoding="utf-8", newline="\n"
        )
        (work / "constants.c").write_text(
            _constants_source(name, max(1, len(constants))), encoding="utf-8", newline="\n"
        )
        flags = [
            f"-I{folder / 'include'}",
            f'-DEDGEMNV2_CONSTANTS_FILE="{(work / "constants.bin").as_posix()}"',
            f"-DEDGEMNV2_NAME={name}",
            f"-DEDGEMNV2_UPPER={name.upper()}",
            f'-DEDGEMNV2_HEADER="{name}.h"',
        ]

        def compiled(source: str, device: Target, *more: str) -> Path:
            output = work / f"{Path(source).stem}.o"
            compile_object(device, work / source, output, [*flags, *more])
            return output

        def module(device: Target, kernels: Mapping[str, RowKernel], output: Path) -> int:
            made = build_objects(kernels, device, name, work / "kernels.o")
            entry = compiled(f"{name}.c", device)
            size = f"-DEDGEMNV2_CONSTANTS_BYTES={max(1, len(constants))}"
            main = compiled("web_module.c", device, size)
            link_module(device, [main, entry, *made], output)
            _check_imports(output, ())
            bench[:] = [entry, *made]
            return sum(read_wasm(obj).code_bytes for obj in bench)

        bench: list[Path] = []
        if plain is not None:
            module(target.without_features(), plain, library / f"{name}_plain.wasm")
        code_bytes = module(target, parts.kernels, library / f"{name}.wasm")
        if threads:
            shared = target.with_shared_memory()
            text = entry_source(parts, incbin=False, wide=True) + thread_source(parts, threads)
            (work / f"{name}_two.c").write_text(text, encoding="utf-8", newline="\n")
            two = {**parts.kernels, **part_kernels(threads)}
            kernels_two = build_objects(two, shared, name, work / "kernels_two.o")
            more = [f"-DEDGEMNV2_CONSTANTS_BYTES={max(1, len(constants))}", "-DEDGEMNV2_THREADS"]
            objects = [compiled("web_module.c", shared, *more), compiled(f"{name}_two.c", shared)]
            output = library / f"{name}_two.wasm"
            link_module(shared, [*objects, *kernels_two], output)
            _check_imports(output, ("env.memory",))
        main = [compiled("bench_main.c", target), compiled("constants.c", target)]
        link_executable(target, [*main, *bench], folder / "bench.wasm")
        return code_bytes


def _check_imports(module: Path, expected: tuple[str, ...]) -> None:
    imports = read_wasm(module).imports
    if imports != expected:
        raise ToolchainError(
            f"{module.name}: the module wants {', '.join(imports) or 'nothing'} of its page "
            f"(expected {', '.join(expected) or 'nothing'}: a bug of ours, report it)"
        )


def _constants_source(name: str, size: int) -> str:
    symbol = f"{name}_constants"
    # Of assembler's own at signs, one stands before "object" and one for no flags.
    text = _CONSTANTS.replace(",@object", ",%TYPE%object").replace('\\",@\\n', '\\",%TYPE%\\n')
    return text.replace("@", symbol).replace("%TYPE%", "@").replace("%BYTES%", str(size))
