"""A Cortex-M board on a serial line, running the firmware of a bundle (runtime/serial_protocol.h).

The metric is cycles by the core's own counter; where it has none, seconds by this machine's clock.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample, pack_inputs, unpack_outputs
from edgemnv2.runners.serial_port import SerialPort

__all__ = ["MODEL_DIGITS", "SerialRunner"]

MODEL_DIGITS = 16
"""Digits of the model's sha256 that the firmware knows itself by."""

_ANSWER_SECONDS = 3.0
_SECONDS_PER_INFERENCE = 60.0
# Bytes of a `db` command: short enough that a lost byte costs little, long enough to be quick.
_CHUNK_BYTES = 256
_WARMUP = 1


class SerialRunner(Runner):
    """Runs on the board at the serial port `device`: no trace, no fed rows, no figures by layer."""

    name = "serial"

    def __init__(self, device: str) -> None:
        self._device = device

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        if job.trace or job.rows or job.layers:
            raise UsageError(
                "serial: traces, fed rows and figures by layer do not pass over a serial line "
                "(use --runner qemu-system)"
            )
        packed = pack_inputs(artifact, inputs)
        size = len(packed) // len(inputs) if inputs else 0
        with SerialPort(self._device) as port:
            board = _Board(port)
            board.check_firmware(artifact)
            results = b""
            for start in range(0, len(packed), size or 1):
                board.load(packed[start : start + size])
                board.infer(1, 0)
                results += board.results()
            outputs = unpack_outputs(artifact, results, len(inputs))
            if not job.repeat:
                return RunResult(outputs)
            began = time.monotonic()
            cycles = board.infer(job.repeat, _WARMUP)
            seconds = (time.monotonic() - began) / (job.repeat + _WARMUP)
        if any(cycles):
            notes = (f"cycles by the counter of the core, {artifact.target.cpu.core}",)
            return RunResult(outputs, "cycles", tuple(map(float, cycles)), notes=notes)
        notes = (
            f"the core has no cycle counter: mean of {job.repeat + _WARMUP} inferences by this "
            "machine's clock, serial line included",
        )
        return RunResult(outputs, "seconds", (seconds,) * job.repeat, notes=notes)


class _Board:
    """The commands of the protocol, each waiting for its `m-ready`."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port

    def check_firmware(self, artifact: Artifact) -> None:
        """RunnerError unless the board answers, and runs this very model."""
        name = self._synchronise()
        expected = f"{artifact.name}-{artifact.manifest['model']['sha256'][:MODEL_DIGITS]}"
        if name != expected:
            raise RunnerError(
                f"{self._port.device}: the board runs {name}, expected {expected} "
                "(flash the firmware of this artefact)"
            )

    def _synchronise(self) -> str:
        """The firmware's name; what the board still had to say before is skipped."""
        # The first % ends what a broken session may have left half-typed.
        self._port.write(b"%name%", _ANSWER_SECONDS)
        name, skipped = "", list[str]()
        while True:
            line = self._port.read_line(_ANSWER_SECONDS)
            if line is None and skipped and not self._port.pending():
                raise RunnerError(
                    f"{self._port.device}: did not answer `name` as our firmware does, but "
                    f"{skipped[-1]!r} (flash the firmware of a bundle)"
                )
            if line is None:
                raise RunnerError(self._silence("name", skipped))
            text = self._text(line)
            if text.startswith("m-name-"):
                name = text.removeprefix("m-name-")
            elif text == "m-ready" and name:
                return name
            else:
                skipped.append(text)

    def load(self, data: bytes) -> None:
        """Send one input; RunnerError when a checksum differs."""
        self._ask(f"db load {len(data)}", "load")
        for start in range(0, len(data), _CHUNK_BYTES):
            chunk = data[start : start + _CHUNK_BYTES]
            answer = self._ask(f"db {chunk.hex()}", "loaded")
            done = start + len(chunk)
            if answer != [f"{done:08x}-{zlib.crc32(data[:done]):08x}"]:
                raise RunnerError(
                    f"{self._port.device}: input bytes were lost on the line, after {start}"
                )

    def infer(self, measured: int, warmup: int) -> list[int]:
        """Cycles of each measured inference, 0 where the core cannot count."""
        seconds = _SECONDS_PER_INFERENCE * (measured + warmup)
        lines = self._command(f"infer {measured} {warmup}", seconds)
        status = _values(lines, "status")
        if status != ["0"]:
            raise RunnerError(
                f"{self._port.device}: the code answered status {', '.join(status) or 'nothing'}"
            )
        return [int(value) for value in _values(lines, "cycles")]

    def results(self) -> bytes:
        """The output; RunnerError when its checksum differs."""
        lines = self._command("results", _ANSWER_SECONDS + 60)
        try:
            data = bytes.fromhex("".join(_values(lines, "results")))
        except ValueError:
            data = b""
        if _values(lines, "crc") != [f"{zlib.crc32(data):08x}"]:
            raise RunnerError(f"{self._port.device}: output bytes were lost on the line")
        return data

    def _ask(self, command: str, key: str) -> list[str]:
        values = _values(self._command(command, _ANSWER_SECONDS), key)
        if not values:
            raise RunnerError(
                f"{self._port.device}: did not answer `{command[:12]}` as our firmware does "
                "(flash the firmware of a bundle)"
            )
        return values

    def _command(self, command: str, timeout_seconds: float) -> list[str]:
        """The lines of the answer, without the closing `m-ready`."""
        self._port.write(command.encode("ascii") + b"%", _ANSWER_SECONDS)
        lines: list[str] = []
        while True:
            line = self._port.read_line(timeout_seconds)
            if line is None:
                raise RunnerError(self._silence(command, lines))
            text = self._text(line)
            if text == "m-ready":
                return lines
            if text.startswith("m-error-"):
                raise RunnerError(f"{self._port.device}: the board answered {text[8:]!r}")
            lines.append(text)

    def _text(self, line: bytes) -> str:
        text = line.decode("ascii", errors="replace")
        if not text.isascii() or not text.isprintable():
            raise RunnerError(self._garbage())
        return text

    def _silence(self, command: str, lines: list[str]) -> str:
        noise = self._port.pending()
        if noise and any(byte >= 0x80 or byte < 9 for byte in noise):
            return self._garbage()
        if noise or lines:
            return f"{self._port.device}: stopped in the middle of answering `{command[:12]}`"
        return (
            f"{self._port.device}: no answer to `{command[:12]}` (is the board powered, and is "
            "the firmware of a bundle on it?)"
        )

    def _garbage(self) -> str:
        return f"{self._port.device}: answers garbage (is the board's baud rate 115200, 8N1?)"


def _values(lines: Sequence[str], key: str) -> list[str]:
    """What follows `m-KEY-` in each line that starts so."""
    prefix = f"m-{key}-"
    return [line[len(prefix) :] for line in lines if line.startswith(prefix)]
