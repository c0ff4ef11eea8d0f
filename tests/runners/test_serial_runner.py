"""The serial runner against QEMU boards' UARTs on pseudo terminals, and against bad lines."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.codegen.toolchain import compile_object, link_executable
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners import RunnerOptions, make_runner
from edgemnv2.runners.local import RUNTIME, artifact_flags
from edgemnv2.runners.serial import MODEL_DIGITS, SerialRunner
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples

# Arm Application Notes AN385, AN386, AN500 (UART0) and AN547 (UART0, secure alias).
UART_BASE = {
    "mps2-an386": 0x40004000,
    "mps2-an500": 0x40004000,
    "mps3-an547": 0x59303000,
    "cortex-m0plus": 0x40004000,
}


def build_firmware(artifact: Artifact, folder: Path) -> Path:
    """What a bundle's example is: artefact, protocol, start code."""
    target = artifact.target
    (folder / "board.ld").write_text(linker_script(target))
    flags = artifact_flags(artifact)
    flags += [f"-DEDGEMNV2_UART_BASE={UART_BASE[target.name]:#x}u"]
    flags += [f'-DEDGEMNV2_MODEL="{artifact.manifest.model.sha256[:MODEL_DIGITS]}"']
    sources = [*artifact.files("src", ".c"), RUNTIME / "serial_main.c", RUNTIME / "startup.c"]
    objects = []
    for source in sources:
        objects.append(folder / f"{source.stem}.o")
        compile_object(target, source, objects[-1], [*flags, "-Wall", "-Wextra", "-Werror"])
    link_executable(target, objects, folder / "x.elf", linker_script=folder / "board.ld")
    return folder / "x.elf"


@contextmanager
def board(artifact: Artifact, folder: Path) -> Iterator[str]:
    """The device name of a running board's first UART."""
    program = build_firmware(artifact, folder)
    command = ["qemu-system-arm", "-M", artifact.target.machine, "-display", "none"]
    command += ["-monitor", "none", "-serial", "pty", "-kernel", str(program)]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline().decode()
        match = re.search(r"redirected to (\S+)", line)
        assert match, line
        yield match[1]
    finally:
        server.kill()
        server.wait()


@contextmanager
def line_that(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """A pseudo terminal at whose other end `answer` replies to whatever comes in."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def serve() -> None:
        os.set_blocking(ours, False)
        while not stop.is_set():
            try:
                data = os.read(ours, 4096)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            except OSError:
                return
            os.write(ours, answer(data))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        stop.set()
        thread.join()
        os.close(ours)
        os.close(theirs)


@pytest.fixture
def tiny(tmp_path: Path) -> Artifact:
    return make_tiny_artifact(tmp_path / "art", "mps2-an386")


@pytest.mark.parametrize("target", UART_BASE)
def test_outputs_are_exact_over_a_serial_line(
    target: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    artifact = make_tiny_artifact(tmp_path / "art", target)
    samples = tiny_samples(3)
    with board(artifact, tmp_path) as device:
        runner = make_runner("serial", RunnerOptions(serial=device))
        first = runner.run(artifact, samples)
        for sample, output in zip(samples, first.outputs, strict=True):
            np.testing.assert_array_equal(output, sample + 1)
        # The line is free again, and QEMU's cores have no cycle counter.
        second = runner.run(artifact, samples[:1], repeat=5)
    assert second.metric == "seconds" and len(second.values) == 5 and second.values[0] > 0
    assert "no cycle counter" in second.notes[0]


def test_another_model_on_the_board_is_named(
    tiny: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    other = replace(
        tiny,
        manifest=replace(tiny.manifest, model=replace(tiny.manifest.model, sha256="f" * 64)),
    )
    with (
        board(tiny, tmp_path) as device,
        pytest.raises(
            RunnerError, match=f"the board runs tiny-{'0' * 16}, expected tiny-{'f' * 16}"
        ),
    ):
        SerialRunner(device).run(other, tiny_samples(1))


def test_an_error_status_of_the_board_is_told(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    artifact = make_tiny_artifact(tmp_path / "art", "mps2-an386", "status")
    with (
        board(artifact, tmp_path) as device,
        pytest.raises(RunnerError, match="the code answered status -2"),
    ):
        SerialRunner(device).run(artifact, tiny_samples(1))


def test_no_answer_is_told(tiny: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemnv2.runners.serial._ANSWER_SECONDS", 0.3)
    with (
        line_that(lambda data: b"") as device,
        pytest.raises(RunnerError, match=r"no answer to `name` \(is the board powered"),
    ):
        SerialRunner(device).run(tiny, tiny_samples(1))


@pytest.mark.parametrize("noise", [b"\xf8\x80\x9e\xff\n", b"\xf8\x80\x9e"])
def test_garbage_hints_at_the_baud_rate(
    noise: bytes, tiny: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemnv2.runners.serial._ANSWER_SECONDS", 0.3)
    with (
        line_that(lambda data: noise) as device,
        pytest.raises(RunnerError, match=r"answers garbage \(is the board's baud rate 115200"),
    ):
        SerialRunner(device).run(tiny, tiny_samples(1))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"hello\r\nm-ready\r\n", "did not answer `name` as our firmware does"),
        (b"m-name-ti", "stopped in the middle of answering `name`"),
    ],
)
def test_foreign_firmware_is_told(
    answer: bytes, message: str, tiny: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemnv2.runners.serial._ANSWER_SECONDS", 0.3)
    with (
        line_that(lambda data: answer if b"name" in data else b"") as device,
        pytest.raises(RunnerError, match=message),
    ):
        SerialRunner(device).run(tiny, tiny_samples(1))


def test_bytes_lost_on_the_way_in_and_out_are_noticed(tiny: Artifact) -> None:
    name = f"m-name-tiny-{'0' * 16}\r\nm-ready\r\n".encode()

    def lossy(loaded: bytes, load: bytes = b"m-load-90\r\nm-ready\r\n") -> Callable[[bytes], bytes]:
        def answer(data: bytes) -> bytes:
            if b"name" in data:
                return name
            if b"db load" in data:
                return load
            if b"db" in data:
                return loaded + b"\r\nm-ready\r\n"
            if b"infer" in data:
                return b"m-status-0\r\nm-ready\r\n"
            if b"results" in data:
                return b"m-results-0011\r\nm-crc-12345678\r\nm-ready\r\n"
            return b""

        return answer

    sample = tiny_samples(1)
    busy = b"m-error-busy\r\nm-ready\r\n"
    with (
        line_that(lossy(b"", load=busy)) as device,
        pytest.raises(RunnerError, match="the board answered 'busy'"),
    ):
        SerialRunner(device).run(tiny, sample)
    with (
        line_that(lossy(b"m-loaded-00000059-00000000")) as device,
        pytest.raises(RunnerError, match="input bytes were lost on the line"),
    ):
        SerialRunner(device).run(tiny, sample)
    import zlib

    right = f"m-loaded-0000005a-{zlib.crc32(sample[0].tobytes()):08x}".encode()
    with (
        line_that(lossy(right)) as device,
        pytest.raises(RunnerError, match="output bytes were lost on the line"),
    ):
        SerialRunner(device).run(tiny, sample)


def test_a_port_in_use_missing_or_of_another_kind_is_told(tiny: Artifact, tmp_path: Path) -> None:
    with line_that(lambda data: b"") as device:
        taken = os.open(device, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(taken, fcntl.LOCK_EX)
        with pytest.raises(RunnerError, match="another program uses this port"):
            SerialRunner(device).run(tiny, tiny_samples(1))
        os.close(taken)
    with pytest.raises(RunnerError, match=r"cannot be opened \(No such file"):
        SerialRunner(str(tmp_path / "ttyACM9")).run(tiny, tiny_samples(1))
    (tmp_path / "file").touch()
    with pytest.raises(RunnerError, match="is no serial port"):
        SerialRunner(str(tmp_path / "file")).run(tiny, tiny_samples(1))


def test_what_a_serial_line_cannot_do_is_refused(tiny: Artifact) -> None:
    with pytest.raises(UsageError, match="do not pass over a serial line"):
        SerialRunner("/dev/null").run(tiny, tiny_samples(1), trace=True)
    with pytest.raises(UsageError, match="runner=serial needs serial="):
        make_runner("serial")
