"""The CMake bundle: target `<name>::<name>`; for a microcontroller with firmware that boots."""

from __future__ import annotations

from edgemnv2.codegen.places import HOT_SECTION
from edgemnv2.firmware.board_code import board_files, flash_commands
from edgemnv2.firmware.fit import firmware_places
from edgemnv2.firmware.parts import Files, Parts

__all__ = ["cmake_files"]

_VERIFY = """\
From outside, over the serial port, inputs of your choice:

```sh
edgemnv2 verify ARTEFACT --serial @PORT@
```"""
_HOST = "Without the toolchain file, the same code is built and tested on this computer."
_PICO = """\
The folder `pico` is a project of the Raspberry Pi Pico SDK (it also needs Debian's
`libstdc++-arm-none-eabi-newlib`), which brings the boot block, the clock and the console: USB, and
UART0 at GP0 and GP1. Without picotool, hold BOOTSEL while you plug the board in and copy
`@PROGRAM@.uf2` onto the drive that appears."""
_PICO_CORES = """\
Inferences of this firmware run on both cores (`pico/cores_pico.c` starts the second one);
`-DEDGEMNV2_TWO_CORES=OFF` leaves core 1 to you."""
_NO_DRIVER = """

For @TARGET_NAME@ no UART driver is known: implement `board/board.h` for it and name the
file, `-DEDGEMNV2_BOARD=FILE.c`; or, under a debugger that stays connected,
`-DEDGEMNV2_SEMIHOSTING=ON`."""
_CONSOLE = """

Console and clock: `board/@CHIP@.c` (the manual's sections are named in it), 115200 8N1.
Under a debugger without a serial port, `-DEDGEMNV2_SEMIHOSTING=ON` takes the debugger's console
instead."""


def cmake_files(parts: Parts) -> Files:
    """Every file of the bundle."""
    if not parts.artifact.target.is_bare_metal:
        return _linux(parts)
    if "pico_board" in parts.board:
        return _pico(parts)
    if parts.artifact.target.cpu.isa != "thumb":
        return _library(parts)
    return _cortex_m(parts)


def _common(parts: Parts) -> Files:
    return {
        **parts.header("include"),
        **parts.selftest_files("selftest"),
        **parts.licence(),
        "host/main_host.c": parts.c("cmake/main_host.c"),
    }


def _linux(parts: Parts) -> Files:
    library = f"lib/lib{parts.name}.so"
    lines = _block("cmake -B build", "cmake --build build", f"{_program(parts)} < /dev/null")
    return {
        **_common(parts),
        library: (parts.artifact.path / library).read_bytes(),
        "CMakeLists.txt": parts.text("cmake/CMakeLists.linux.txt"),
        "README.md": parts.text("cmake/README.md", BUILD_LINES=lines, CONSOLE_TEXT=""),
    }


def _cortex_m(parts: Parts) -> Files:
    target, board = parts.artifact.target, parts.board
    program = _program(parts)
    flash = flash_commands(parts, program)
    emulate = ""
    if target.machine:
        # The UARTs that come before the console's one are nobody's.
        ports = "-serial null " * int(board.get("qemu_uart", 0)) + "-serial mon:stdio"
        emulate = f"qemu-system-arm -M {target.machine} -display none {ports} -kernel {program}.elf"
    build = ["cmake -B build -DCMAKE_TOOLCHAIN_FILE=toolchain.cmake", "cmake --build build"]
    last = flash[0] if flash else emulate or f"# flash {program}.elf"
    text = [_block(*build, last)]
    if len(flash) > 1:
        text.append(f"Instead of the last line, `{flash[1]}` does it too.")
    text.append(board.get("console_note", "").strip())
    if flash:
        text.append(_VERIFY.replace("@PORT@", str(board["port"])))
    if emulate:
        text.append(
            f"{f'`{emulate}` runs it without the board. ' if flash else ''}QEMU goes on until "
            "Ctrl-A, X."
        )
    console = _CONSOLE.replace("@CHIP@", str(board["chip"])) if "chip" in board else _NO_DRIVER
    return {
        **_common(parts),
        **parts.sources("src"),
        **board_files(parts, "board"),
        "CMakeLists.txt": _lists(parts, "cmake/firmware_board.cmake"),
        "toolchain.cmake": parts.text("cmake/toolchain.cmake"),
        "README.md": parts.text(
            "cmake/README.md",
            BUILD_LINES="\n\n".join([*filter(None, text), _HOST]),
            CONSOLE_TEXT=console.replace("@TARGET_NAME@", target.name) + _memories(parts),
        ),
    }


def _memories(parts: Parts) -> str:
    """Which memory holds what, where the board has several for it."""
    at = firmware_places(parts.artifact)
    if len({m.access for m in parts.artifact.target.memories}) == len(
        parts.artifact.target.memories
    ):
        return ""
    code = at.hot_code.name
    copied = ", copied there at the start (`-DEDGEMNV2_CODE_IN_RAM=OFF`: it stays)"
    return (
        f"\n\nBy `board/board.ld` the arena lies in {at.arena.name}, variables and stack in "
        f"{at.variables.name}, the\nweights in {at.constants.name}, the kernels' code in {code}"
        f"{copied if at.copies_code else ''}."
    )


def _library(parts: Parts) -> Files:
    """No firmware of its own: the library, and its test on this computer."""
    build = _block("cmake -B build", "cmake --build build", f"{_program(parts)} < /dev/null")
    elsewhere = (
        "That is this computer. For the board, add the library to a project of its own build\n"
        "system, below; `edgemnv2 bundle --format esp-idf` makes a component of ESP-IDF with its\n"
        "firmware."
    )
    return {
        **_common(parts),
        **parts.sources("src"),
        "CMakeLists.txt": _lists(parts, "cmake/firmware_of_its_own.cmake"),
        "README.md": parts.text(
            "cmake/README.md", BUILD_LINES=f"{build}\n\n{elsewhere}", CONSOLE_TEXT=""
        ),
    }


def _pico(parts: Parts) -> Files:
    board = str(parts.board["pico_board"])
    lines = _block(
        "cmake -S pico -B build -DPICO_SDK_PATH=$HOME/pico-sdk",
        "cmake --build build",
        f"picotool load -fx {_program(parts)}.elf",
    )
    text = [
        lines,
        _PICO.replace("@PROGRAM@", _program(parts)),
        _VERIFY.replace("@PORT@", "/dev/ttyACM0"),
        *([_PICO_CORES] if parts.has_two_cores else []),
        "`cmake -B build-host` without the SDK builds and tests the same code on this computer.",
    ]
    return {
        **_common(parts),
        **parts.sources("src"),
        "CMakeLists.txt": _lists(parts, "cmake/firmware_elsewhere.cmake"),
        "pico/CMakeLists.txt": parts.text(
            "pico/CMakeLists.txt",
            PICO_BOARD=board,
            CODE_SECTION=str(parts.board["code_section"]),
            TWO_CORES=parts.text("pico/two_cores.cmake").decode() if parts.has_two_cores else "",
        ),
        "pico/main_pico.c": parts.c("pico/main_pico.c"),
        **({"pico/cores_pico.c": parts.c("pico/cores_pico.c")} if parts.has_two_cores else {}),
        "README.md": parts.text("cmake/README.md", BUILD_LINES="\n\n".join(text), CONSOLE_TEXT=""),
    }


def _lists(parts: Parts, firmware: str) -> bytes:
    """CMakeLists.txt of the library and the self-test, with what makes a firmware of them."""
    sources = sorted(n for n in parts.sources("src") if n.endswith(".c"))
    chip = parts.board.get("chip")
    at = firmware_places(parts.artifact)
    hot = ""
    if at.copies_code:
        hot = parts.text(
            "cmake/hot_code.cmake", MEMORY=at.hot_code.name, SECTION=HOT_SECTION
        ).decode()
    source = f"${{here}}/board/{chip}.c" if chip else ""
    own = parts.text(firmware, BOARD_SOURCE=source, HOT_CODE=hot)
    return parts.text(
        "cmake/CMakeLists.txt",
        SOURCES="\n".join(f"    {name}" for name in sources),
        FIRMWARE=own.decode().rstrip(),
    )


def _program(parts: Parts) -> str:
    return f"build/{parts.name}_firmware"


def _block(*lines: str) -> str:
    return "\n".join(["```sh", *lines, "```"])
