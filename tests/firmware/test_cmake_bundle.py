"""The CMake bundle builds for each core and for the host, boots, and tells wrong weights."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.elf import read_elf
from edgemnv2.firmware.bundle import bundle
from tests.firmware.firmware_harness import (
    MODEL,
    NAME,
    boot,
    build_cmake,
    compiled,
    cross_cmake,
    fact,
    run,
    verdict,
)

Need = Callable[[str], str]
BOARDS = ("cortex-m0plus", "mps2-an386", "mps2-an500", "mps3-an547")


@pytest.fixture(autouse=True)
def tools(require_tool: Need) -> None:
    for name in ("cmake", "gcc", "arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(name)


def constants_in(artifact: Artifact) -> bytes:
    text = (artifact.path / f"src/{artifact.name}_constants.c").read_text()
    words = re.findall(r"0x([0-9a-f]{8})", text.split("= {", 1)[1])
    return np.array([int(word, 16) for word in words], "<u4").tobytes()


def check_board(artifact: Artifact, folder: Path) -> Path:
    bundle(artifact, "cmake", folder)
    program = cross_cmake(folder)
    said = boot(program, artifact.target.machine)
    assert verdict(said) == "PASS"
    assert fact(said, "arena_bytes") == artifact.arena_bytes
    assert 64 <= fact(said, "stack_bytes") <= 4096
    # QEMU has no cycle counter, and none is made up.
    assert "cycles: not counted" in said
    return program


@pytest.mark.slow(ci=True)
def test_code_in_ram_is_copied_there_and_runs(tmp_path: Path, require_tool: Need) -> None:
    """A board with RAM for code: an M7's, which QEMU's board has none of its own for."""
    text = (Path(str(resources.files("edgemnv2"))).parent / "targets/mps2-an500.toml").read_text()
    ram = "origin = 0x20000000\nlength = 0x400000"
    assert ram in text
    near = (
        '[[memory]]\nname = "near"\norigin = 0x20000000\nlength = 0x10000\naccess = "rw"\n\n'
        '[[memory]]\nname = "itcm"\norigin = 0x20010000\nlength = 0x10000\naccess = "rwx"\n\n'
    )
    block = text.index("[[memory]]  # block RAM")
    text = text[:block] + near + text[block:]
    text = text.replace(ram, "origin = 0x20020000\nlength = 0x3e0000")
    board = tmp_path / "mps2-an500.toml"
    board.write_text(text)
    artifact = compiled(MODEL, str(board), tmp_path / "art")
    program = check_board(artifact, tmp_path / "bundle")
    readme = (tmp_path / "bundle/README.md").read_text().replace("\n", " ")
    assert "the arena lies in near, variables and stack in near" in readme
    assert "the kernels' code in itcm, copied there at the start" in readme
    symbols = {s.name: s for s in read_elf(program).symbols if s.is_defined}
    hot = kernels_in(program)
    assert hot and all(0x20010000 <= address < 0x20020000 for address in hot)
    assert symbols["edgemnv2_reset"].address < 0x400000
    assert symbols["arena_store"].address < 0x20010000
    stays = cross_cmake(tmp_path / "bundle", "-DEDGEMNV2_CODE_IN_RAM=OFF")
    assert all(address < 0x400000 for address in kernels_in(stays))


def kernels_in(program: Path) -> list[int]:
    """Where the kernels' functions lie."""
    return [
        s.address
        for s in read_elf(program).symbols
        if s.is_defined
        and s.kind == "function"
        and "_dsp_" in s.name
        and not s.name.startswith("call_")
        and not s.name.endswith("_veneer")
    ]


@pytest.mark.slow(ci=True)
def test_the_stm32s_with_tcm_use_it(tmp_path: Path) -> None:
    for target, arena in (("nucleo-f746zg", "sram"), ("nucleo-h743zi", "dtcm")):
        artifact = compiled("digits-int8", target, tmp_path / target)
        bundle(artifact, "cmake", tmp_path / f"{target}-bundle")
        program = cross_cmake(tmp_path / f"{target}-bundle")
        script = (tmp_path / f"{target}-bundle/board/board.ld").read_text()
        assert f".arena (NOLOAD) : {{ *(.arena*) . = ALIGN(8); }} > {arena}" in script
        assert all(address < 0x10000 for address in kernels_in(program))


def check_host(folder: Path) -> None:
    program = build_cmake(folder)
    assert verdict(run([program], folder)) == "PASS"
    assert "100% tests passed" in run(["ctest"], program.parent)


def test_m7_and_host_pass_and_a_corrupted_weight_fails(m7: Artifact, tmp_path: Path) -> None:
    program = check_board(m7, tmp_path / "net")
    check_host(tmp_path / "net")
    image, constants = bytearray(program.read_bytes()), constants_in(m7)
    at = image.find(constants)
    assert at > 0
    # Some weights meet a zero of this one input; 32 neighbours do not all.
    for byte in range(at + 100_000, at + 100_032):
        image[byte] ^= 0x40
    broken = tmp_path / "broken.elf"
    broken.write_bytes(image)
    said = verdict(boot(broken, m7.target.machine))
    assert re.fullmatch(
        r"FAIL, first at index \d+: expected -?\d+, got -?\d+ \(\d+ of 1000 differ\)", said
    )


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("cortex-m0plus", marks=pytest.mark.slow),
        pytest.param("mps2-an386", marks=pytest.mark.slow),
        pytest.param("mps3-an547", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_each_core_passes_and_its_code_on_the_host(target: str, tmp_path: Path) -> None:
    artifact = compiled(MODEL, target, tmp_path / "artifact")
    check_board(artifact, tmp_path / "net")
    check_host(tmp_path / "net")


@pytest.mark.slow
def test_a_debugger_is_the_console_for_who_asks(tmp_path: Path, m7: Artifact) -> None:
    bundle(m7, "cmake", tmp_path / "net")
    program = cross_cmake(tmp_path / "net", "-DEDGEMNV2_SEMIHOSTING=ON")
    command = ["timeout", "10", "qemu-system-arm", "-M", m7.target.machine, "-display", "none"]
    command += ["-monitor", "none", "-serial", "none", "-kernel", str(program)]
    command += ["-chardev", "stdio,id=c", "-semihosting-config", "enable=on,chardev=c"]
    said = run(["sh", "-c", f"{' '.join(command)} < /dev/null || true"], tmp_path)
    assert verdict(said) == "PASS"


@pytest.mark.slow(ci=True)
def test_a_board_without_a_known_uart_asks_for_one_and_takes_it(
    tmp_path: Path, m7: Artifact
) -> None:
    own = replace(m7, target=replace(m7.target, name="myboard"))
    bundle(own, "cmake", tmp_path / "net")
    bundle(m7, "cmake", tmp_path / "known")
    with pytest.raises(AssertionError) as told:
        cross_cmake(tmp_path / "net")
    for words in ("No UART driver for myboard", "implement board/board.h", "SEMIHOSTING=ON"):
        assert words in re.sub(r"\s+", " ", str(told.value))
    shutil.rmtree(tmp_path / "net/build")
    board = tmp_path / "known/board/cmsdk.c"
    program = cross_cmake(tmp_path / "net", f"-DEDGEMNV2_BOARD={board}")
    assert verdict(boot(program, m7.target.machine)) == "PASS"


@pytest.mark.slow
def test_an_installed_package_is_found(m7: Artifact, tmp_path: Path) -> None:
    bundle(m7, "cmake", tmp_path / "net")
    run(["cmake", "-S", "net", "-B", "b", f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'root'}"], tmp_path)
    run(["cmake", "--build", "b"], tmp_path)
    run(["cmake", "--install", "b"], tmp_path)
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.c").write_text(
        f'#include "{NAME}.h"\nint main(void) {{ return {NAME}_run(0, 0, 0) == 0; }}\n'
    )
    (app / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.16)\nproject(app C)\nfind_package({NAME} REQUIRED)\n"
        f"add_executable(app main.c)\ntarget_link_libraries(app PRIVATE {NAME}::{NAME})\n"
    )
    run(["cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={tmp_path / 'root'}"], app)
    run(["cmake", "--build", "build"], app)
    run(["build/app"], app)


@pytest.mark.slow
@pytest.mark.parametrize("target", BOARDS)
def test_fomo_passes_on_each_core(target: str, fomo: Path, tmp_path: Path) -> None:
    artifact = compiled(fomo, target, tmp_path / "artifact")
    check_board(artifact, tmp_path / "net")
    check_host(tmp_path / "net")


@pytest.mark.parametrize(
    "model", [pytest.param(MODEL, marks=pytest.mark.slow), "mobilenetv2-0.35-96"]
)
def test_a_linux_artefact_is_an_imported_library(model: str, tmp_path: Path) -> None:
    artifact = compiled(model, "host", tmp_path / "artifact")
    bundle(artifact, "cmake", tmp_path / "net")
    check_host(tmp_path / "net")
