"""What the bundles of boards build by their README's commands, on emulators that have the chips.

QEMU's netduinoplus2 is an STM32F405 whose RCC and PWR answer nothing, so that the clock's waits
end; rp2040js, from npm, is an RP2040. What runs is what a board would be given.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.firmware.bundle import bundle
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.runners.serial import SerialRunner
from tests.conftest import missing
from tests.firmware.firmware_harness import BOOT_SECONDS, HERE, RESULT, compiled, fact, run, verdict

Need = Callable[[str], str]
NET = "digits-int8"
RP2040JS = "RP2040JS"
"""Environment variable: the folder of npm's package rp2040js."""


@pytest.fixture(autouse=True)
def tools(require_tool: Need) -> None:
    for name in ("cmake", "arm-none-eabi-gcc"):
        require_tool(name)


def readme_lines(folder: Path) -> list[str]:
    """The lines of the README's first block: configure, build, flash."""
    block = re.search(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert block
    return block[1].strip().splitlines()


class Board:
    """A program whose standard input and output are a board's serial line, on a pseudo terminal.

    All that the board said is in `said`.
    """

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.device = os.ttyname(self._theirs)
        self.said = ""
        self._threads = [threading.Thread(target=self._out), threading.Thread(target=self._in)]
        self._stop = threading.Event()
        for thread in self._threads:
            thread.start()

    def _out(self) -> None:
        assert self._process.stdout is not None
        while data := os.read(self._process.stdout.fileno(), 4096):
            self.said += data.decode("ascii", errors="replace")
            os.write(self._ours, data)

    def _in(self) -> None:
        assert self._process.stdin is not None
        while not self._stop.is_set():
            if select.select([self._ours], [], [], 0.05)[0]:
                self._process.stdin.write(os.read(self._ours, 4096))
                self._process.stdin.flush()

    def wait_for(self, pattern: re.Pattern[str]) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while not pattern.search(self.said):
            assert time.monotonic() < deadline, f"only {self.said!r}"
            time.sleep(0.02)

    def close(self) -> None:
        self._stop.set()
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def on(command: Sequence[str | Path]) -> Iterator[Board]:
    board = Board(command)
    try:
        yield board
    finally:
        board.close()


def check_over_the_line(artifact: Artifact, command: Sequence[str | Path]) -> str:
    """Self-test, verify while it is busy with it, verify and bench afterwards; what it said."""
    with on(command) as board:
        # At once: the board is in its self-test, and hears nothing.
        found = verify(artifact, SerialRunner(board.device), SampleChoice(random=1, seed=3))
        assert found.passed and found.exact
        board.wait_for(RESULT)
        assert verdict(board.said) == "PASS"
        arenas = artifact.manifest.threads_arena_bytes
        assert fact(board.said, "arena_bytes") == arenas.get(2, artifact.arena_bytes)
        assert 64 <= fact(board.said, "stack_bytes") <= 4096
        said = board.said
        found = verify(artifact, SerialRunner(board.device), SampleChoice(random=2, seed=4))
        assert found.exact and found.samples == 2
        # Somebody leaves in the middle of five inferences; the next one waits for their end.
        with Path(board.device).open("wb", buffering=0) as line:
            line.write(b"5:infer 5 0%")
        board.wait_for(re.compile(r"m-busy-4"))
        found = verify(artifact, SerialRunner(board.device), SampleChoice(random=1, seed=5))
        assert found.exact
    return said


def netduino(artifact: Artifact, folder: Path) -> str:
    bundle(artifact, "cmake", folder)
    *build, flash = readme_lines(folder)
    for line in build:
        run(["sh", "-c", line], folder, CFLAGS="-Wall -Wextra -Werror")
    program = re.findall(r"build/\S+\.elf", flash)[0]
    assert (folder / program).with_suffix(".bin").is_file()
    emulate = re.search(r"`(qemu-system-arm .*?)`", (folder / "README.md").read_text())
    assert emulate
    command = emulate[1].replace("mon:stdio", "stdio").replace(program, str(folder / program))
    return check_over_the_line(artifact, [*command.split(), "-monitor", "none"])


@pytest.mark.slow(ci=True)
def test_an_stm32f405_boots_talks_and_is_exact_though_its_clock_never_starts(
    tmp_path: Path, require_tool: Need
) -> None:
    require_tool("qemu-system-arm")
    said = netduino(compiled(NET, "nucleo-f429zi", tmp_path / "net"), tmp_path / "firmware")
    assert "clock_fault: 1 (board.h says what" in said


@pytest.mark.slow
def test_the_same_for_fomo_on_the_f446(tmp_path: Path, fomo: Path, require_tool: Need) -> None:
    require_tool("qemu-system-arm")
    netduino(compiled(fomo, "nucleo-f446re", tmp_path / "net"), tmp_path / "firmware")


@pytest.fixture(scope="session")
def pico(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compiled(NET, "rpi-pico", tmp_path_factory.mktemp("pico") / "net")


@pytest.fixture(scope="session")
def pico_two_cores(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("pico_two_cores") / "net"
    return compile_model(NET, "rpi-pico", folder, CompileOptions(threads=2))


def build_pico(artifact: Artifact, folder: Path) -> Path:
    """The project of the bundle, by the README's commands, against the stand-in for the SDK."""
    bundle(artifact, "cmake", folder)
    configure, build, load = readme_lines(folder)
    sdk = f"-DPICO_SDK_PATH={HERE / 'pico/sdk'}"
    configure = re.sub(r"-DPICO_SDK_PATH=\S+", sdk, configure)
    for line in (configure, build):
        run(["sh", "-c", line], folder, CFLAGS="-Wall -Wextra -Werror")
    program = folder / load.split()[-1]
    assert load.startswith("picotool load") and program.is_file()
    return program


@pytest.mark.slow(ci=True)
def test_the_picos_projects_build_and_their_code_passes_on_this_computer(
    pico: Artifact, tmp_path: Path, require_tool: Need
) -> None:
    require_tool("gcc")
    build_pico(pico, tmp_path / "pico")
    both = CompileOptions(threads=2)
    build_pico(compile_model(NET, "rpi-pico2", tmp_path / "art2", both), tmp_path / "pico2")
    run(["cmake", "-B", "build-host"], tmp_path / "pico")
    run(["cmake", "--build", "build-host"], tmp_path / "pico")
    said = run([f"build-host/{pico.name}_firmware"], tmp_path / "pico")
    assert verdict(said) == "PASS"


def test_a_pico_project_without_an_sdk_says_what_to_get(pico: Artifact, tmp_path: Path) -> None:
    bundle(pico, "cmake", tmp_path / "net")
    for words in ([], ["-DPICO_SDK_PATH=/nowhere"]):
        with pytest.raises(AssertionError) as told:
            run(["cmake", "-S", "pico", "-B", "b", *words], tmp_path / "net", PICO_SDK_PATH="")
        said = re.sub(r"\s+", " ", str(told.value))
        assert "where no Pico SDK is: give its folder, -DPICO_SDK_PATH=DIR" in said
        assert "git clone https://github.com/raspberrypi/pico-sdk" in said
    # The folder above is a library, and no firmware by itself.
    with pytest.raises(AssertionError, match=r"cmake -S pico\s+-B build"):
        run(["cmake", "-B", "b2", "-DCMAKE_SYSTEM_NAME=Generic"], tmp_path / "net")


@pytest.mark.slow(ci=True)
def test_an_rp2040_boots_talks_and_is_exact(
    pico: Artifact,
    pico_two_cores: Artifact,
    tmp_path: Path,
    require_tool: Need,
    request: pytest.FixtureRequest,
) -> None:
    """On one core, and on both: then rp2040js runs a second one beside its own."""
    node = require_tool("node")
    package = os.environ.get(RP2040JS)
    if not package or not Path(package, "package.json").is_file():
        missing(request.config, f"rp2040js (npm install rp2040js; {RP2040JS}=its folder)")
    for artifact in (pico, pico_two_cores):
        program = build_pico(artifact, tmp_path / str(max(artifact.manifest.threads)))
        command = [node, HERE / "pico/emulate.mjs", str(package), program]
        said = check_over_the_line(artifact, command)
        assert ("core 1 started" in said) == (artifact is pico_two_cores)
