"""Section macros: the arena, the constants and all code of the kernels go where they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.check.analyze import placed_in
from edgemnv2.codegen.elf import read_elf
from edgemnv2.codegen.sections import constants_place, hot_header, hot_macro, sections_header
from edgemnv2.codegen.toolchain import compile_object
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.target import load_target
from tests.usual import usual

MODEL = "mobilenetv2-0.35-32-int8"
TARGETS = ("cortex-m0plus", "mps2-an500", "mps3-an547")


@pytest.fixture(scope="module", params=usual(TARGETS, ["mps2-an500"]))
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp(request.param) / "net"
    return compile_model(MODEL, request.param, folder, CompileOptions(name="net"))


def section_sizes(artifact: Artifact, source: Path, work: Path, *flags: str) -> dict[str, int]:
    """Bytes of each section that is code, or is the one that was asked for."""
    output = work / "object.o"
    include = [f"-I{artifact.path / 'include'}", f"-I{artifact.path / 'src'}"]
    compile_object(artifact.target, source, output, [*include, "-O3", "-Werror", *flags])
    found: dict[str, int] = {}
    for section in read_elf(output).sections:
        if section.size_bytes:
            found[section.name] = found.get(section.name, 0) + section.size_bytes
    return found


def test_all_code_of_the_kernels_moves(
    artifact: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    source = artifact.path / "src" / "net_kernels.c"
    flags = ['-DNET_CODE_SECTION=".itcm"', "-fno-jump-tables"]
    moved = section_sizes(artifact, source, tmp_path, *flags)
    stayed = section_sizes(artifact, source, tmp_path, "-fno-jump-tables")
    assert moved[".itcm"] > 4000
    assert not any(name.startswith(".text") for name in moved), moved
    assert ".itcm" not in stayed and any(name.startswith(".text.net_") for name in stayed)


def test_the_constants_move(
    artifact: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    source = artifact.path / "src" / "net_constants.c"
    moved = section_sizes(artifact, source, tmp_path, '-DNET_CONSTANTS_SECTION=".extflash"')
    assert moved[".extflash"] >= artifact.manifest.constants_bytes
    assert not any(name.startswith(".rodata") for name in moved)


def test_the_arena_moves_and_is_aligned(
    artifact: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    source = tmp_path / "user.c"
    source.write_text(
        '#include "net.h"\n'
        "NET_ARENA_MEMORY unsigned char arena[NET_ARENA_BYTES];\n"
        "typedef char aligned[__alignof__(arena) == NET_ARENA_ALIGN ? 1 : -1];\n"
    )
    moved = section_sizes(artifact, source, tmp_path, '-DNET_ARENA_SECTION=".dtcm"')
    assert moved[".dtcm"] == artifact.arena_bytes
    assert ".dtcm" not in section_sizes(artifact, source, tmp_path)


def test_every_function_of_a_header_is_marked_once() -> None:
    text = (
        "#define NAKED __attribute__((naked)) static\n"
        "__attribute__((noinline)) static void\nlong_name(void);\n"
        "static inline int32_t small(void);\n"
        "static const int32_t table[1];\n"
    )
    marked = hot_header(text)
    assert marked.count("EDGEMNV2_HOT static") == 3
    assert "\nstatic const" in marked


def test_the_macros_are_those_of_the_header() -> None:
    header = "\n".join(sections_header("net"))
    for lines in (constants_place("net"), hot_macro("net")):
        (macro,) = {line.split()[1] for line in lines if line.startswith("#ifdef")}
        assert f"-D{macro}=" in header


def test_analyze_names_the_memories_and_what_moves_them() -> None:
    for arena_bytes, memory in ((29904, "dtcm"), (192672, "axi_sram"), (None, "axi_sram")):
        assert placed_in(load_target("nucleo-h743zi"), arena_bytes) == (
            ("arena", memory, "<NAME>_ARENA_SECTION"),
            ("constants", "flash", "<NAME>_CONSTANTS_SECTION"),
            ("hot code", "itcm if it fits", "<NAME>_CODE_SECTION"),
            ("stack", "dtcm", ""),
        )
    assert placed_in(load_target("nucleo-f446re"))[2][1] == "flash"
    assert placed_in(load_target("rpi4")) == ()
