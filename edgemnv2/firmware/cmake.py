"""The CMake bundle: target `<name>::<name>`; for Cortex-M with start code and linker script."""

from __future__ import annotations

from edgemnv2.codegen.emit import runtime_file
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.firmware.parts import Files, Parts

__all__ = ["cmake_files"]

_NO_UART_TEXT = " Without a UART that we know, the console is the debugger's (semihosting)."


def cmake_files(parts: Parts) -> Files:
    """Every file of the bundle."""
    if parts.artifact.target.is_bare_metal:
        return _cortex_m(parts)
    return _linux(parts)


def _common(parts: Parts) -> Files:
    return {
        **parts.header("include"),
        **parts.selftest_files("selftest"),
        **parts.licence(),
        "host/main_host.c": parts.c("cmake/main_host.c"),
    }


def _linux(parts: Parts) -> Files:
    library = f"lib/lib{parts.name}.so"
    lines = f"""\
```sh
cmake -B build
cmake --build build
build/{parts.name}_firmware < /dev/null
```"""
    return {
        **_common(parts),
        library: (parts.artifact.path / library).read_bytes(),
        "CMakeLists.txt": parts.text("cmake/CMakeLists.linux.txt"),
        "README.md": parts.text("cmake/README.md", BUILD_LINES=lines, CONSOLE_TEXT=""),
    }


def _cortex_m(parts: Parts) -> Files:
    target, board = parts.artifact.target, parts.board
    sources = sorted(n for n in parts.sources("src") if n.endswith(".c"))
    console = ""
    if "uart_base" in board:
        console = (
            f"        target_compile_definitions({parts.name}_firmware PRIVATE\n"
            f"            EDGEMNV2_UART_BASE={board['uart_base']:#x}u "
            f"EDGEMNV2_UART_HZ={board['uart_hz']}u)\n"
        )
    program = f"build/{parts.name}_firmware.elf"
    run = f"# flash {program}"
    if target.machine:
        run = f"qemu-system-arm -M {target.machine} -nographic -kernel {program}"
    lines = f"""\
```sh
cmake -B build -DCMAKE_TOOLCHAIN_FILE=toolchain.cmake
cmake --build build
{run}
```

Without the toolchain file, the same code is built and tested on this computer."""
    return {
        **_common(parts),
        **parts.sources("src"),
        "CMakeLists.txt": parts.text(
            "cmake/CMakeLists.txt",
            SOURCES="\n".join(f"    {name}" for name in sources),
            CONSOLE=console,
        ),
        "toolchain.cmake": parts.text("cmake/toolchain.cmake"),
        "board/board.ld": linker_script(target).encode(),
        "board/startup.c": runtime_file("startup.c").read_bytes(),
        "board/main_board.c": parts.c("board/main_board.c"),
        "README.md": parts.text(
            "cmake/README.md",
            BUILD_LINES=lines,
            CONSOLE_TEXT="" if console else _NO_UART_TEXT,
        ),
    }
