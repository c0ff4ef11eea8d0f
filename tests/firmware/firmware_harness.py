"""Builds bundles with the real build tools and boots what comes out under QEMU."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.firmware.bundle import bundle
from edgemnv2.pipeline import compile_model

HERE = Path(__file__).resolve().parent
MODEL = "mobilenetv2-0.35-96-int8"
NAME = "mobilenetv2_0_35_96_int8"
FOMO = "fomo_face_detection.tflite"
RESULT = re.compile(r"Test_result: .*\r?\n")
BOOT_SECONDS = 60.0


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> str:
    """What a command printed; its failure shows all of it."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=600,
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def boot(program: Path, machine: str) -> str:
    """What the board's first UART says until the self-test's verdict."""
    command = ["qemu-system-arm", "-M", machine, "-display", "none", "-monitor", "none"]
    command += ["-serial", "stdio", "-kernel", str(program)]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert server.stdout is not None
    os.set_blocking(server.stdout.fileno(), False)
    text = ""
    deadline = time.monotonic() + BOOT_SECONDS
    try:
        while not RESULT.search(text):
            assert time.monotonic() < deadline, f"no verdict, only {text!r}"
            text += (server.stdout.read() or b"").decode("ascii", errors="replace")
            time.sleep(0.02)
    finally:
        server.kill()
        server.wait()
    return text


def verdict(text: str) -> str:
    """The self-test's last line."""
    found = RESULT.findall(text)
    assert found, f"no verdict in {text!r}"
    return found[-1].strip().removeprefix("Test_result: ")


def fact(text: str, key: str) -> int:
    """The number behind `key: `."""
    found = re.search(rf"^{key}: (\d+)\r?$", text, re.MULTILINE)
    assert found, f"no {key} in {text!r}"
    return int(found[1])


def compiled(model: str | Path, target: str, folder: Path) -> Artifact:
    """An artefact of `model`, in `folder`."""
    compile_model(str(model), target, folder)
    return load_artifact(folder)


def build_cmake(folder: Path, *arguments: str) -> Path:
    """The firmware that the CMake bundle in `folder` builds, warnings being errors."""
    build = folder / ("build" if arguments else "build-host")
    flags = "-Wall -Wextra -Werror"
    run(["cmake", "-S", folder, "-B", build, *arguments], folder, CFLAGS=flags)
    run(["cmake", "--build", build], folder)
    programs = sorted(build.glob("*_firmware")) + sorted(build.glob("*_firmware.elf"))
    assert len(programs) == 1, programs
    return programs[0]


def cross_cmake(folder: Path, *arguments: str) -> Path:
    """The firmware for the board, by the bundle's own toolchain file."""
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={folder / 'toolchain.cmake'}"
    return build_cmake(folder, toolchain, *arguments)


def build_arduino(artifact: Artifact, folder: Path) -> Path:
    """The sketch of an Arduino bundle, by arduino-builder with the tests' own hardware folder."""
    library = folder / "libraries" / artifact.name
    bundle(artifact, "arduino", library)
    shutil.copytree(HERE / "hardware", folder / "hardware")
    _write_script(artifact, folder / "hardware/qemu/arm/variants/board")
    (folder / "build").mkdir()
    command = ["arduino-builder", "-compile", "-fqbn", "qemu:arm:mps2", "-ide-version", "10819"]
    # Debian keeps there how ctags is called.
    command += ["-hardware", "/usr/share/arduino-builder", "-tools", "/usr/share/arduino-builder"]
    command += ["-hardware", str(folder / "hardware"), "-libraries", str(folder / "libraries")]
    command += ["-build-path", str(folder / "build"), "-warnings", "all"]
    run([*command, library / "examples/SelfTest/SelfTest.ino"], folder)
    return folder / "build/SelfTest.ino.elf"


def build_platformio(artifact: Artifact, folder: Path, pio: Path) -> Path:
    """The example of a PlatformIO bundle, by `pio run` with the tests' own platform, offline."""
    bundle(artifact, "platformio", folder / "net")
    platform = folder / "platform"
    shutil.copytree(HERE / "platform", platform)
    shutil.copytree(HERE / "hardware/qemu/arm/cores/qemu", platform / "core")
    _write_script(artifact, platform)
    example = folder / "net/examples/SelfTest"
    ini = (example / "platformio.ini").read_text()
    assert "YOUR_PLATFORM" in ini and "YOUR_BOARD" in ini
    ini = ini.replace("YOUR_PLATFORM", f"symlink://{platform}").replace("YOUR_BOARD", "mps2")
    (example / "platformio.ini").write_text(ini)
    core = folder / "core"
    _provide_scons(core, pio)
    run(
        [pio, "run"],
        example,
        PLATFORMIO_CORE_DIR=str(core),
        PLATFORMIO_SETTING_ENABLE_TELEMETRY="no",
    )
    return example / ".pio/build/selftest/program.elf"


def _provide_scons(core: Path, pio: Path) -> None:
    """PlatformIO fetches SCons from its registry; here it gets the one beside it, from PyPI."""
    python = pio.resolve().parent / "python"
    ask = "from platformio.dependencies import get_core_dependencies as g; print(g()['tool-scons'])"
    version = run([python, "-c", ask], pio.parent).strip().lstrip("~^=")
    tool = core / "packages/tool-scons"
    tool.mkdir(parents=True)
    head = {"name": "tool-scons", "version": version}
    spec = {
        "owner": "platformio",
        "name": "tool-scons",
        "id": None,
        "requirements": None,
        "uri": None,
    }
    (tool / "package.json").write_text(json.dumps({**head, "description": "SCons from PyPI"}))
    (tool / ".piopm").write_text(json.dumps({**head, "type": "tool", "spec": spec}))
    (tool / "scons.py").write_text("from SCons.Script import main\nmain()\n")


def build_zephyr(artifact: Artifact, folder: Path, module: Path, config: Sequence[str]) -> Path:
    """The sample of a Zephyr bundle against our stand-in for Zephyr; `config`: CONFIG_X=y."""
    _write_script(artifact, folder)
    chain = artifact.target.toolchain
    command = ["cmake", "-S", module / "samples/selftest", "-B", folder / "build"]
    command += ["-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc"]
    command += ["-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]
    command += [f"-DBOARD_FLAGS=-mthumb -mcpu={chain.mcpu} -mfloat-abi={chain.float_abi}"]
    command += [f"-DZephyr_DIR={HERE / 'zephyr'}", f"-DBOARD_SCRIPT={folder / 'board.ld'}"]
    run([*command, *(f"-D{setting}" for setting in config)], folder)
    run(["cmake", "--build", folder / "build"], folder)
    return folder / "build/zephyr.elf"


def _write_script(artifact: Artifact, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "board.ld").write_text(linker_script(artifact.target))
