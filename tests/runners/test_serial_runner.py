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
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
from edgemnv2.target import load_target
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


class OwnTime:
    """A line at whose other end `answer` replies at once, and the only clock the runner sees.

    The clock goes on where the runner waits for a line that does not come, so that no busy machine
    can change what a test finds.
    """

    device = "/dev/own-time"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self.now = 0.0
        self._buffer = b""
        for name, seconds in (("_ANSWER", 0.3), ("_INFERENCE", 0.3), ("_AGAIN", 0.05)):
            monkeypatch.setattr(f"edgemnv2.runners.serial.{name}_SECONDS", seconds)
        monkeypatch.setattr("edgemnv2.runners.serial.time", self)
        monkeypatch.setattr("edgemnv2.runners.serial.open_port", lambda _: nullcontext(self))

    def monotonic(self) -> float:
        """The time, in seconds."""
        return self.now

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """What the runner says, and is answered."""
        del timeout_seconds
        self._buffer += self.answer(data)

    def read_line(self, timeout_seconds: float) -> bytes | None:
        """The next line; None, and later, where there is none."""
        line, end, rest = self._buffer.partition(b"\n")
        if not end:
            self.now += timeout_seconds
            return None
        self._buffer = rest
        return line.strip()

    def pending(self) -> bytes:
        """What has come in without a line end."""
        return self._buffer


def numbered(answer: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """What a board does with commands: a whole one is answered under its number."""
    waiting = bytearray()

    def serve(data: bytes) -> bytes:
        waiting.extend(data)
        said = b""
        while b"%" in waiting:
            command, _, rest = bytes(waiting).partition(b"%")
            waiting[:] = rest
            number, colon, words = command.partition(b":")
            if colon:
                said += b"m-for-%s\r\n%sm-ready-%s\r\n" % (number, answer(words), number)
        return said

    return serve


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
    assert "no cycle counter" in second.notes[0] and len(set(second.values)) > 1


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
    line = OwnTime(monkeypatch, lambda data: b"")
    with pytest.raises(RunnerError, match=r"no answer to `name` in 0 s, .*\(is the board powered"):
        SerialRunner(line.device).run(tiny, tiny_samples(1))


@pytest.mark.parametrize("noise", [b"\xf8\x80\x9e\xff\n", b"\xf8\x80\x9e"])
def test_garbage_hints_at_the_baud_rate(
    noise: bytes, tiny: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = OwnTime(monkeypatch, lambda data: noise)
    with pytest.raises(RunnerError, match=r"answers garbage \(is the board's baud rate 115200"):
        SerialRunner(line.device).run(tiny, tiny_samples(1))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"hello\r\nm-ready\r\n", "did not answer `name` as our firmware does, but 'm-ready'"),
        (b"m-name-tiny-0\r\nm-ready\r\n", "did not answer `name` as our firmware does"),
        (b"m-name-ti", "stopped in the middle of answering `name`"),
        (b"m-for-1\r\nm-name-x\r\nm-ready-1\r\n", "did not answer `name` as our firmware does"),
    ],
)
def test_foreign_firmware_is_told(
    answer: bytes, message: str, tiny: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = OwnTime(monkeypatch, lambda data: answer if b"name" in data else b"")
    with pytest.raises(RunnerError, match=message):
        SerialRunner(line.device).run(tiny, tiny_samples(1))


NAME = f"m-name-tiny-{'0' * 16}\r\n".encode()
LOADED = f"m-loaded-0000005a-{zlib.crc32(tiny_samples(1)[0].tobytes()):08x}\r\n".encode()
RESULT = tiny_samples(1)[0] + 1
RESULTS = f"m-results-{RESULT.tobytes().hex()}\r\nm-crc-{zlib.crc32(RESULT.tobytes()):08x}\r\n"


def good_board(words: bytes) -> bytes:
    """The answers of a board with the tiny network."""
    for start, said in (
        (b"name", NAME),
        (b"profile", b"m-input-90\r\nm-output-90\r\nm-arena-1\r\nm-clock-1000000\r\n"),
        (b"db load", b"m-load-90\r\n"),
        (b"db", LOADED),
        (b"infer 1 0", b"m-busy-1\r\nm-cycles-7\r\nm-status-0\r\n"),
        (
            b"infer 2 1",
            b"m-busy-3\r\nm-busy-2\r\nm-cycles-7\r\nm-busy-1\r\nm-cycles-8\r\nm-status-0\r\n",
        ),
        (b"results", RESULTS.encode()),
    ):
        if words.startswith(start):
            return said
    return b"m-error-command\r\n"


@pytest.mark.parametrize(
    ("command", "said", "message"),
    [
        (b"db load", b"m-error-busy\r\n", "the board answered 'busy'"),
        (rb"db (?!load)", b"m-loaded-00000059-00000000\r\n", "input bytes were lost on the line"),
        (b"results", b"m-results-0011\r\nm-crc-12345678\r\n", "output bytes were lost"),
        (b"results", b"m-results-001\r\nm-crc-12345678\r\n", "output bytes were lost"),
        (b"infer", b"m-busy-1\r\nm-status--2\r\n", "the code answered status -2"),
        (b"infer", b"m-busy-1\r\nm-status-0\r\n", "the code answered status 0"),
        (b"db load", b"", "did not answer `db load 90` as our firmware does"),
    ],
)
def test_what_a_board_or_a_line_does_wrong_is_told(
    command: bytes, said: bytes, message: str, tiny: Artifact
) -> None:
    def answer(words: bytes) -> bytes:
        return said if re.match(command, words) else good_board(words)

    with (
        line_that(numbered(answer)) as device,
        pytest.raises(RunnerError, match=message),
    ):
        SerialRunner(device).run(tiny, tiny_samples(1))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_left_over_from_before_is_never_taken_for_an_answer(
    seed: int, tiny: Artifact
) -> None:
    """Before every answer come answers of another session, whole or from their middle."""
    random = np.random.default_rng(seed)
    old = [
        b"m-for-17\r\nm-name-other-1\r\nm-ready-17\r\n",
        b"m-results-00\r\nm-crc-00000000\r\nm-ready-18\r\n",
        b"m-cycles-99\r\nm-status--3\r\nm-ready-19\r\n",
        b"m-error-data\r\nm-loaded-00000001-00000000\r\nm-ready\r\n",
        b"m-busy-1\r\nm-cycles-5\r\n",
        b"Test_result: PASS\r\nm-ready\r\n",
    ]
    board = numbered(good_board)

    def answer(data: bytes) -> bytes:
        said = board(data)
        return b"".join(random.permutation(old)[: random.integers(7)]) + said if said else b""

    with line_that(answer) as device:
        result = SerialRunner(device).run(tiny, tiny_samples(1), repeat=2)
    np.testing.assert_array_equal(result.outputs[0], RESULT)
    assert (result.metric, result.values) == ("cycles", (7.0, 8.0))


@pytest.mark.parametrize("says_so", [False, True])
def test_a_board_at_work_is_waited_for_as_long_as_an_inference_takes(
    says_so: bool, tiny: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears nothing until it is done, and says that it is busy, or has said so before."""
    network = replace(tiny, manifest=replace(tiny.manifest, macs=180_000_000 * 2 // 12))
    network = replace(network, target=load_target("nucleo-f446re"))  # 2 s an inference
    board = numbered(good_board)
    lost: list[bytes] = []

    def answer(data: bytes) -> bytes:
        if line.now > 1.2:
            return board(data)
        lost.append(data)
        return b"m-busy-1\r\n" if says_so and len(lost) == 1 else b""

    line = OwnTime(monkeypatch, answer)
    result = SerialRunner(line.device).run(network, tiny_samples(1))
    assert len(lost) > 1 or says_so
    np.testing.assert_array_equal(result.outputs[0], RESULT)


def test_a_board_that_freezes_in_an_inference_is_told_by_what_one_took(
    tiny: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezes = b"m-busy-3\r\nm-busy-2\r\nm-cycles-7\r\nm-busy-1\r\n"
    waiting = bytearray()

    def answer(data: bytes) -> bytes:
        waiting.extend(data)
        if b"infer 2 1%" in waiting:
            number = bytes(waiting).split(b"%")[-2].partition(b":")[0]
            waiting.clear()
            return b"m-for-%s\r\n%s" % (number, freezes)
        return board(data)

    board = numbered(good_board)
    line = OwnTime(monkeypatch, answer)
    with pytest.raises(RunnerError, match="no sign of life for 0 s in the middle of an inference"):
        SerialRunner(line.device).run(tiny, tiny_samples(1), repeat=2)
    assert line.now < 5


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
