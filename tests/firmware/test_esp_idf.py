"""The component of ESP-IDF: its manifests by the component manager, its code under QEMU."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.elf import read_elf
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.codegen.toolchain import cpu_flags, find_compiler
from edgemnv2.errors import UsageError
from edgemnv2.firmware.bundle import bundle, formats_for
from edgemnv2.runners.local import RUNTIME
from edgemnv2.target import load_target
from tests.conftest import missing
from tests.firmware.firmware_harness import HERE, compiled, fact, run
from tests.firmware.test_board_firmware import NET, check_over_the_line

EXAMPLE = "examples/selftest"
IDF_PYTHON = "IDF_PYTHON"
STAND_IN_PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(p C)
macro(idf_component_register)
  cmake_parse_arguments(x "" INCLUDE_DIRS SRCS ${ARGN})
  list(TRANSFORM x_SRCS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set(COMPONENT_LIB net)
  add_library(net STATIC ${x_SRCS})
  target_include_directories(net PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/${x_INCLUDE_DIRS})
endmacro()
add_subdirectory(@COMPONENT@ net)
add_library(user STATIC user.c)
target_link_libraries(user PRIVATE net)
"""


@pytest.fixture(scope="module")
def c3(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compiled(NET, "esp32-c3", tmp_path_factory.mktemp("c3") / "net")


@pytest.fixture(scope="module")
def component(c3: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("component") / "net"
    bundle(c3, "esp-idf", folder)
    return folder


def test_it_is_for_espressifs_chips_and_a_pack_is_not(c3: Artifact, m7: Artifact) -> None:
    assert "esp-idf" in formats_for(c3) and "cmsis-pack" not in formats_for(c3)
    assert "esp-idf" not in formats_for(m7) and "cmsis-pack" in formats_for(m7)
    with pytest.raises(UsageError, match="does not suit"):
        bundle(m7, "esp-idf", Path("/nowhere/x"))


LOAD = """
import sys
from idf_component_tools.manager import ManifestManager
for folder in sys.argv[1:]:
    manifest = ManifestManager(folder, "net").load()
    print(manifest.version, manifest.license, *(r.name for r in manifest.raw_requirements))
"""


def test_the_component_manager_takes_both_manifests(
    component: Path, c3: Artifact, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Its packages are many, so it usually has an environment of its own: IDF_PYTHON."""
    python = os.environ.get(IDF_PYTHON)
    if not python:
        missing(request.config, f"idf-component-manager ({IDF_PYTHON}: the python that has it)")
    main = component / EXAMPLE / "main"
    said = run([str(python), "-c", LOAD, component, main], tmp_path).splitlines()[-2:]
    package = f"edgemnv2/{c3.name.replace('_', '-')}"
    assert said[0].endswith(" Apache-2.0 idf") and said[1].split()[2:] == ["idf", package]
    (path,) = re.findall(r'override_path: "(.+)"', (main / "idf_component.yml").read_text())
    assert (main / path).resolve() == component.resolve()
    compote = Path(str(python)).with_name("compote")
    run([compote, "component", "pack", "--name", "net"], component)
    packed = component / f"dist/net_{c3.manifest.edgemnv2}.tgz"
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    assert {"CMakeLists.txt", f"include/{c3.name}.h", f"src/{c3.name}_kernels.c"} <= names


def test_every_file_that_cmake_names_is_there(component: Path) -> None:
    text = (component / "CMakeLists.txt").read_text()
    sources = re.findall(r"^ +(\S+\.c)$", text, re.MULTILINE)
    assert sources == sorted(f"src/{path.name}" for path in (component / "src").glob("*.c"))
    assert len(sources) >= 3
    main = component / EXAMPLE / "main"
    text = (main / "CMakeLists.txt").read_text()
    (folder,) = re.findall(r"set\(selftest \$\{CMAKE_CURRENT_LIST_DIR\}/(.+)\)", text)
    assert all((main / folder / n).is_file() for n in re.findall(r"\$\{selftest\}/(\S+\.c)", text))
    assert "idf.py -C examples/selftest set-target esp32c3" in (component / "README.md").read_text()


def test_the_arena_can_lie_in_external_ram(
    component: Path, c3: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    """The option names the section that EXT_RAM_BSS_ATTR does, and wants what fills it."""
    require_tool("cmake")
    require_tool("gcc")
    project = STAND_IN_PROJECT.replace("@COMPONENT@", str(component))
    (tmp_path / "CMakeLists.txt").write_text(project)
    name = c3.name.upper()
    (tmp_path / "user.c").write_text(
        f'#include "{c3.name}.h"\n{name}_ARENA_MEMORY unsigned char arena[{name}_ARENA_BYTES];\n'
    )
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "b", "-DEDGEMNV2_ARENA_IN_PSRAM=ON"]
    with pytest.raises(AssertionError, match="CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY=y"):
        run(command, tmp_path)
    run([*command, "-DCONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY=y"], tmp_path)
    run(["cmake", "--build", tmp_path / "b", "--target", "user"], tmp_path)
    (made,) = (tmp_path / "b").rglob("user.c.o")
    sections = {section.name: section.size_bytes for section in read_elf(made).sections}
    assert sections[".ext_ram.bss"] == c3.manifest.arena_bytes


def test_its_firmware_passes_and_is_exact_over_the_line(
    component: Path, c3: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    emulator = require_tool("qemu-system-riscv32")
    require_tool("riscv64-unknown-elf-gcc")
    board = load_target("riscv32-virt")
    script = tmp_path / "board.ld"
    script.write_text(linker_script(board))
    compiler = find_compiler(c3.target)
    command = [*compiler.command, *cpu_flags(c3.target, compiler), "-O2", "-Wall", "-Wextra"]
    command += ["-Werror", "-ffunction-sections", "-Wl,--gc-sections", "-nostartfiles"]
    command += ["-T", script, f'-D{c3.name.upper()}_ARENA_SECTION=".arena"']
    command += [f"-I{folder}" for folder in (component / "include", component / "selftest")]
    command += [f"-I{HERE / 'idf/include'}"]
    sources = [*sorted((component / "src").glob("*.c")), component / EXAMPLE / "main/main.c"]
    sources += sorted((component / "selftest").glob("*.c"))
    sources += [HERE / "idf/virt.c", RUNTIME / "startup_riscv.c"]
    run([*command, *sources, "-o", tmp_path / "x.elf"], tmp_path)
    line = [emulator, "-M", board.machine, "-bios", "none", "-display", "none", "-monitor", "none"]
    said = check_over_the_line(c3, [*line, "-serial", "stdio", "-kernel", tmp_path / "x.elf"])
    # RISC-V counts its cycles, here QEMU's.
    assert fact(said, "cycles") > 1000
