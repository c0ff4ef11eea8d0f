"""Strict compilers and cppcheck have nothing to say about any C that ships."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.firmware.bundle import bundle
from edgemnv2.pipeline import compile_model
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.networks.random_tflite import random_network
from tests.sanitizers.shipped_c import RUNTIME, STRICT, flags_of, sources_of

CORES = {
    "cortex-m0plus": ("-mcpu=cortex-m0plus", "-mthumb"),
    "mps2-an386": ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "mps3-an547": ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
}
BOARD_PROGRAMS = ("board_main.c", "serial_main.c", "startup.c")
TEMPLATES = Path(__file__).resolve().parents[2] / "edgemnv2" / "firmware" / "templates"
RANDOM_NETWORKS = (3, 8)
"""Of integers: their kernels are others than a MobileNetV2's."""
NOT_MEANT = {
    "shiftNegativeLHS": "a right shift of a negative number rounds down on every compiler named",
    "shiftTooManyBitsSigned": "so does one by 31: it takes the sign (C99 6.5.7 leaves it to them)",
    "comparePointers": "the ends of a section are two symbols of the linker script",
    "missingIncludeSystem": "the checker brings its own idea of libc",
    "normalCheckLevelMaxBranches": "a note on the depth of the check, no finding",
}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder = tmp_path_factory.mktemp("strict")
    path = folder / "net.tflite"
    path.write_bytes(TinyMobilenet().build())
    found = {x: compile_model(path, x, folder / x) for x in (*CORES, "host")}
    for seed in RANDOM_NETWORKS:
        path = folder / f"net{seed}.tflite"
        path.write_bytes(random_network(seed).blob)
        found[f"random {seed}"] = compile_model(path, "cortex-m0plus", folder / f"random{seed}")
    return found


def silent(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compilers_of_this_machine_are_silent(
    compiler: str, artifacts: dict[str, Artifact], require_tool: Callable[[str], str]
) -> None:
    require_tool(compiler)
    for artifact in artifacts.values():
        sources = [*sources_of(artifact), RUNTIME / "bench_main.c"]
        silent([compiler, *STRICT, "-fsyntax-only", *flags_of(artifact), *map(str, sources)])
    silent([compiler, *STRICT, "-fsyntax-only", f"-I{RUNTIME}", str(_stream())])


def _stream() -> Path:
    return Path(__file__).with_name("serial_stream.c")


def test_the_arm_compiler_is_silent(
    artifacts: dict[str, Artifact], require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    for target, core in CORES.items():
        artifact = artifacts[target]
        sources = [*sources_of(artifact), *(RUNTIME / x for x in BOARD_PROGRAMS)]
        flags = [*STRICT, "-fsyntax-only", *core, *flags_of(artifact)]
        silent(["arm-none-eabi-gcc", *flags, *map(str, sources)])


def test_cppcheck_finds_nothing(
    artifacts: dict[str, Artifact], require_tool: Callable[[str], str]
) -> None:
    require_tool("cppcheck")
    programs = [RUNTIME / x for x in ("bench_main.c", *BOARD_PROGRAMS)]
    for artifact in artifacts.values():
        command = ["cppcheck", "--quiet", "--std=c99", "--enable=warning,performance,portability"]
        command += [f"--suppress={x}" for x in NOT_MEANT]
        command += ["--error-exitcode=1", *flags_of(artifact)]
        silent([*command, *map(str, [*sources_of(artifact), *programs])])


BOARDS = (
    "nano33ble",
    "nucleo-f446re",
    "nucleo-f746zg",
    "nucleo-h743zi",
    "stm32l4r5",
    "mps2-an386",
    "mps3-an547",
)
"""One of each start code and console driver."""


@pytest.mark.parametrize("board", BOARDS)
def test_what_firmware_adds_is_as_strict(
    board: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("cppcheck")
    path = tmp_path / "net.tflite"
    path.write_bytes(TinyMobilenet().build())
    artifact = compile_model(path, board, tmp_path / "net")
    bundle(artifact, "cmake", tmp_path / "bundle")
    sources = [str(x) for x in sorted((tmp_path / "bundle").rglob("*.c")) if x.parent.name != "src"]
    assert any("startup.c" in x for x in sources) and any("selftest.c" in x for x in sources)
    folders = [f"-I{tmp_path / 'bundle' / x}" for x in ("include", "src", "selftest", "board")]
    chain = artifact.target.toolchain
    core = ("-mthumb", f"-mcpu={chain.mcpu}", f"-mfloat-abi={chain.float_abi}")
    # `__asm__` is what a debugger's console and caches are reached by.
    silent(["arm-none-eabi-gcc", *STRICT, "-fsyntax-only", *core, *folders, *sources])
    command = ["cppcheck", "--quiet", "--std=c99", "--enable=warning,performance,portability"]
    command += [f"--suppress={x}" for x in NOT_MEANT]
    silent([*command, "--error-exitcode=1", *folders, *sources])


def test_a_planted_conversion_is_told(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("gcc")
    path = tmp_path / "planted.c"
    path.write_text("int f(long x);\nint f(long x) { return x; }\n")
    with pytest.raises(AssertionError, match="conversion"):
        silent(["gcc", *STRICT, "-fsyntax-only", str(path)])
