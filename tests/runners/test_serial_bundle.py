"""A bundle's firmware on a QEMU board, verified and measured over its UART's pseudo terminal."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.cli.main import main
from edgemnv2.firmware.bundle import bundle
from edgemnv2.pipeline import compile_model

MACHINE = "mps2-an500"


@pytest.fixture(autouse=True)
def tools(require_tool: Callable[[str], str]) -> None:
    for name in ("cmake", "arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(name)


@contextmanager
def board(model: str, folder: Path) -> Iterator[tuple[Artifact, str]]:
    """The artefact of `model`, and the device name of a board that runs its bundle."""
    compile_model(model, MACHINE, folder / "artifact")
    artifact = load_artifact(folder / "artifact")
    bundle(artifact, "cmake", folder / "net")
    build = folder / "build"
    configure = ["cmake", "-S", str(folder / "net"), "-B", str(build)]
    configure += [f"-DCMAKE_TOOLCHAIN_FILE={folder / 'net/toolchain.cmake'}"]
    for command in (configure, ["cmake", "--build", str(build)]):
        subprocess.run(command, check=True, capture_output=True)
    (program,) = build.glob("*.elf")
    command = ["qemu-system-arm", "-M", MACHINE, "-display", "none", "-monitor", "none"]
    server = subprocess.Popen(
        [*command, "-serial", "pty", "-kernel", str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline().decode()
        match = re.search(r"redirected to (\S+)", line)
        assert match, line
        yield artifact, match[1]
    finally:
        server.kill()
        server.wait()


def check(model: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with board(model, folder) as (artifact, device):
        words = [str(artifact.path), "--serial", device, "--json"]
        assert main(["verify", *words, "--random", "3", "--seed", "5"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["passed"] and said["exact"] and said["samples"] == 3
        assert said["runner"] == "serial"
        assert main(["bench", *words, "--repeat", "4"]) == 0
        said = json.loads(capsys.readouterr().out)
        # QEMU has no cycle counter, so this machine's clock.
        assert said["metric"] == "seconds" and said["median"] > 0 and said["runner"] == "serial"


@pytest.mark.slow(ci=True)
def test_verify_is_exact_and_bench_measures_over_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check("mobilenetv2-0.35-32-int8", tmp_path, capsys)


@pytest.mark.slow
def test_the_same_at_96_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("mobilenetv2-0.35-96-int8", tmp_path, capsys)


@pytest.mark.slow
def test_the_same_for_fomo(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(str(shared_data / "models/fomo_face_detection.tflite"), tmp_path, capsys)


@pytest.mark.slow
def test_another_models_firmware_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compile_model("mobilenetv2-0.5-32-int8", MACHINE, tmp_path / "other")
    with board("mobilenetv2-0.35-32-int8", tmp_path) as (_, device):
        assert main(["verify", str(tmp_path / "other"), "--serial", device]) == 1
    assert "the board runs mobilenetv2_0_35_32_int8-" in capsys.readouterr().err
