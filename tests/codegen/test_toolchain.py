"""Compilers for every target: outputs export what they should, and two builds are identical."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.codegen import toolchain
from edgemnv2.codegen.elf import read_elf
from edgemnv2.codegen.llvm import build_object
from edgemnv2.codegen.probe import first_error
from edgemnv2.codegen.toolchain import (
    compile_object,
    find_compiler,
    host_compiler,
    link_executable,
    link_shared,
)
from edgemnv2.errors import ToolchainError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.target import load_target

LIBRARY = """\
#include <stdint.h>
#include <string.h>
int32_t hidden(int32_t x);
int32_t hidden(int32_t x) { return x + 1; }
int32_t unused(int64_t x, int64_t y);
int32_t unused(int64_t x, int64_t y) { return (int32_t)(x / y); }
int32_t net_run(char *to, const char *from, uint32_t bytes);
int32_t net_run(char *to, const char *from, uint32_t bytes) {
  memcpy(to, from, bytes);
  return hidden((int32_t)bytes);
}
"""
PROGRAM = '#include <stdio.h>\nint main(void) { printf("hello\\n"); return 0; }\n'
LINUX = ("host", "rpi4", "rpi3-32")
EMULATORS = {"rpi4": ["qemu-aarch64"], "rpi3-32": ["qemu-arm"], "host": []}


def only_zig(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.setenv("PATH", "/nowhere")


def build_library(target_name: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    target = load_target(target_name)
    (folder / "lib.c").write_text(LIBRARY)
    compile_object(target, folder / "lib.c", folder / "lib.o")
    link_shared(target, [folder / "lib.o"], folder / "libnet.so", ["net_run"])
    return folder / "libnet.so"


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize("name", LINUX)
def test_library_exports_exactly_its_interface_reproducibly(
    name: str,
    compiler: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Callable[[str], str],
) -> None:
    if compiler == "zig":
        only_zig(monkeypatch)
    else:
        require_tool(toolchain._GCC[load_target(name).cpu.isa][0])
    assert find_compiler(load_target(name)).kind == compiler
    first = build_library(name, tmp_path / "a")
    elf = read_elf(first)
    assert elf.exported() == ("net_run",)
    assert set(elf.undefined()) <= {"memcpy"}
    assert elf.code_bytes > 0
    second = build_library(name, tmp_path / "elsewhere" / "b")
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()


@pytest.mark.parametrize("name", LINUX)
def test_program_is_static_and_runs(
    name: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    target = load_target(name)
    emulator = [require_tool(tool) for tool in EMULATORS[name]]
    require_tool(toolchain._GCC[target.cpu.isa][0])
    (tmp_path / "main.c").write_text(PROGRAM)
    compile_object(target, tmp_path / "main.c", tmp_path / "main.o", static=True)
    link_executable(target, [tmp_path / "main.o"], tmp_path / "main")
    assert ".interp" not in {s.name for s in read_elf(tmp_path / "main").sections}
    done = subprocess.run([*emulator, tmp_path / "main"], capture_output=True, text=True)
    assert done.stdout == "hello\n"


@pytest.mark.slow
def test_zig_alone_links_a_static_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], str]
) -> None:
    emulator = require_tool("qemu-aarch64")
    only_zig(monkeypatch)
    target = load_target("rpi4")
    (tmp_path / "main.c").write_text(PROGRAM)
    compile_object(target, tmp_path / "main.c", tmp_path / "main.o", static=True)
    link_executable(target, [tmp_path / "main.o"], tmp_path / "main")
    done = subprocess.run([emulator, tmp_path / "main"], capture_output=True, text=True)
    assert done.stdout == "hello\n"


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("rpi4", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross, or pip install ziglang"),
        ("rpi3-32", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross, or pip install ziglang"),
        ("mps2-an386", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
    ],
)
def test_missing_compiler_names_the_package(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(toolchain, "find_spec", lambda module: None)
    with pytest.raises(ToolchainError, match=re.escape(f"(apt install {package})")):
        find_compiler(load_target(name))


def test_missing_host_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(toolchain, "find_spec", lambda module: None)
    with pytest.raises(ToolchainError, match="this machine has no C compiler"):
        host_compiler()


def test_compile_error_quotes_the_compiler(tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int main(void) { return missing; }\n")
    with pytest.raises(ToolchainError, match=r"^bad\.c: .* failed: .*error: .*missing"):
        compile_object(load_target("host"), tmp_path / "bad.c", tmp_path / "bad.o")


def test_a_full_disk_is_the_cause_that_is_told() -> None:
    """What binutils and lld print there; the driver's own line says nothing."""
    driver = "collect2: error: ld returned 1 exit status\n"
    for line in (
        "/usr/bin/ld: final link failed: No space left on device",
        "fatal error: error writing to /tmp/x.s: No space left on device",
        "ld.lld: cannot write: File too large",
        "as: Disk quota exceeded",
    ):
        assert first_error(f"a.c: warning: odd\n{line}\n{driver}") == line
    assert (
        first_error(f"a.o: undefined reference to f\n{driver}") == "a.o: undefined reference to f"
    )


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
def test_an_object_that_the_disk_does_not_take_ends_no_process() -> None:
    """LLVM itself would: "IO failure on output stream"."""
    graph = lower(load_model("mobilenetv2-0.35-32-int8"))
    target = load_target("host")
    kernels = schedule_graph(graph, target, ScheduleOptions.default(target)).kernels
    with pytest.raises(OSError, match="No space left"):
        build_object(kernels, target, "net", Path("/dev/full"))


def test_compiler_tells_its_version() -> None:
    assert re.search(r"\d+\.\d+", find_compiler(load_target("host")).version())


def test_elf_reader_agrees_with_nm(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    nm = require_tool("nm")
    (tmp_path / "lib.c").write_text(LIBRARY)
    compile_object(load_target("host"), tmp_path / "lib.c", tmp_path / "lib.o")
    text = subprocess.run([nm, "-S", tmp_path / "lib.o"], capture_output=True, text=True).stdout
    sizes = {w[3]: int(w[1], 16) for w in map(str.split, text.splitlines()) if len(w) == 4}
    elf = read_elf(tmp_path / "lib.o")
    ours = {s.name: s.size_bytes for s in elf.symbols if s.kind == "function"}
    assert sizes == ours and set(sizes) == {"hidden", "net_run", "unused"}
    assert elf.undefined() == ("memcpy",)


def test_what_is_no_elf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.o").write_bytes(b"!<arch>\n")
    with pytest.raises(ToolchainError, match=r"a\.o: not a little-endian ELF file"):
        read_elf(tmp_path / "a.o")
    (tmp_path / "b.o").write_bytes(b"\x7fELF\x02\x01" + b"\xff" * 80)
    with pytest.raises(ToolchainError, match=r"b\.o: damaged ELF file"):
        read_elf(tmp_path / "b.o")


def test_board_that_is_too_small_fails_to_link(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    from edgemnv2.codegen.linker_script import linker_script

    require_tool("arm-none-eabi-gcc")
    target = load_target("rpi-pico")
    (tmp_path / "big.c").write_text(
        'char big[300 * 1024] __attribute__((section(".arena")));\n'
        "void edgemnv2_reset(void);\nvoid edgemnv2_reset(void) { big[0] = 1; for (;;) {} }\n"
    )
    (tmp_path / "board.ld").write_text(linker_script(target))
    compile_object(target, tmp_path / "big.c", tmp_path / "big.o")
    with pytest.raises(ToolchainError, match="sram"):
        link_executable(
            target, [tmp_path / "big.o"], tmp_path / "x", linker_script=tmp_path / "board.ld"
        )


def test_gcc_is_preferred_where_both_are(require_tool: Callable[[str], str]) -> None:
    require_tool("aarch64-linux-gnu-gcc")
    assert shutil.which("aarch64-linux-gnu-gcc") == find_compiler(load_target("rpi4")).command[0]
