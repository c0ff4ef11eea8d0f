"""A Cortex-M board on a serial line, running the firmware of a bundle (runtime/serial_protocol.h).

The metric is cycles by the core's own counter; where it has none, seconds by this machine's clock.

Commands are numbered, so that what a board still says to an earlier one is told from the answer. A
board at work hears nothing: the first command is sent again and again until it is answered, and how
long that may take, like every wait for an inference, comes from what one inference takes: by its
size until one was seen, by the longest one seen from then on.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgemnv2.artifact import Artifact
from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import Job, Runner, RunResult, Sample, pack_inputs, unpack_outputs
from edgemnv2.runners.line_port import LinePort
from edgemnv2.runners.serial_port import open_port

__all__ = ["MODEL_DIGITS", "SerialRunner"]

MODEL_DIGITS = 16
"""Digits of the model's sha256 that the firmware knows itself by."""

_ANSWER_SECONDS = 3.0
"""For what takes a board no time: the line, USB, and a busy machine here."""
_INFERENCE_SECONDS = 10.0
"""For a first inference, besides what its size says: an emulated board is slower than its clock."""
_AGAIN_SECONDS = 0.5
"""After which the first command is sent once more."""
_CYCLES_PER_MAC = 12
_PLAIN_CYCLES_PER_MAC = 40
"""Of integers, with the core's multiply-add instructions and without; twice what was ever seen."""
_FLOAT_FACTOR = 8
_UNKNOWN_HZ = 16_000_000
"""Where neither the target nor the board names its clock: that of many after reset."""
_MARGIN = 5
"""How many times longer than the longest one seen an inference may take."""
# Bytes of a `db` command: short enough that a lost byte costs little, long enough to be quick.
_CHUNK_BYTES = 256
_WARMUP = 1


class SerialRunner(Runner):
    """Runs on the board at the serial port `device`: whole inferences only."""

    name = "serial"

    def __init__(self, device: str) -> None:
        self._device = device

    def _run(self, artifact: Artifact, inputs: Sequence[Sample], job: Job) -> RunResult:
        if job.trace or job.rows or job.layers or job.budget:
            raise UsageError(
                "serial: traces, rows, pieces and figures by layer do not pass over a serial "
                "line (use runner=qemu-system)"
            )
        packed = pack_inputs(artifact, inputs)
        size = len(packed) // len(inputs) if inputs else 0
        with open_port(self._device) as port:
            board = _Board(port, artifact)
            board.check_firmware(artifact)
            results = b""
            for start in range(0, len(packed), size or 1):
                board.load(packed[start : start + size])
                board.infer(1, 0)
                results += board.results()
            outputs = unpack_outputs(artifact, results, len(inputs))
            if not job.repeat:
                return RunResult(outputs)
            runs = board.infer(job.repeat, _WARMUP)
        if any(run.cycles for run in runs):
            notes = (f"cycles by the counter of the core, {artifact.target.cpu.core}",)
            return RunResult(outputs, "cycles", tuple(float(r.cycles) for r in runs), notes=notes)
        notes = (
            "the core has no cycle counter: from line to line by this machine's clock, a few "
            "milliseconds of serial line included",
        )
        return RunResult(outputs, "seconds", tuple(run.seconds for run in runs), notes=notes)


@dataclass(frozen=True)
class _Run:
    """One measured inference; `cycles` 0 where the core cannot count."""

    cycles: int
    seconds: float


class _Board:
    """The commands of the protocol, each waiting for its own `m-ready`."""

    def __init__(self, port: LinePort, artifact: Artifact) -> None:
        self._port = port
        # Another session's numbers are far away.
        self._number = random.randrange(10_000_000, 900_000_000)
        self._macs = artifact.manifest.macs
        target = artifact.target
        self._cycles_per_mac = _CYCLES_PER_MAC if target.has("dsp") else _PLAIN_CYCLES_PER_MAC
        if artifact.inputs[0].dtype.startswith("float"):
            self._cycles_per_mac *= _FLOAT_FACTOR
        self._clock_hz = 0
        self._longest_seconds: float | None = None

    def _inference_seconds(self) -> float:
        """How long the board may be silent for one inference."""
        if self._longest_seconds is not None:
            return _ANSWER_SECONDS + _MARGIN * self._longest_seconds
        clock_hz = self._clock_hz or _UNKNOWN_HZ
        return _INFERENCE_SECONDS + self._macs * self._cycles_per_mac / clock_hz

    def check_firmware(self, artifact: Artifact) -> None:
        """RunnerError unless the board answers, and runs this very model."""
        self._clock_hz = artifact.target.cpu.clock_hz
        name = self._synchronise()
        expected = f"{artifact.name}-{artifact.manifest.model.sha256[:MODEL_DIGITS]}"
        if name != expected:
            raise RunnerError(
                f"{self._port.device}: the board runs {name or 'nothing'}, expected {expected} "
                "(flash the firmware of this artefact)"
            )
        told = _values(self._command("profile"), "clock")
        self._clock_hz = int(told[0]) if told and told[0].isdigit() else 0

    def _synchronise(self) -> str:
        """The firmware's name; what the board still had to say before is skipped.

        A board in the middle of an inference loses what is sent to it, so the question is repeated
        until it is answered, or no inference can take so long.
        """
        # The first % ends what a broken session may have left half-typed.
        self._port.write(b"%", _ANSWER_SECONDS)
        waited = self._inference_seconds()
        deadline = time.monotonic() + waited
        asked: set[str] = set()
        again = 0.0
        answering = name = ""
        skipped: list[str] = []
        while time.monotonic() < deadline:
            if time.monotonic() >= again:
                asked.add(self._send("name"))
                again = time.monotonic() + _AGAIN_SECONDS
            line = self._port.read_line(_AGAIN_SECONDS)
            if line is None:
                continue
            text = self._text(line)
            if text.startswith("m-busy-"):
                # At work, and how many there are to come: nothing is asked meanwhile.
                count = max(1, int(text[7:])) if text[7:].isdigit() else 1
                deadline = time.monotonic() + count * self._inference_seconds()
                again = time.monotonic() + _AGAIN_SECONDS
            elif text.startswith("m-for-"):
                answering = text[6:] if text[6:] in asked else ""
            elif text.startswith("m-name-") and answering:
                name = text.removeprefix("m-name-")
            elif text.startswith("m-ready-") and name and text[8:] == answering:
                # Of the other questions, part of one may have been lost: its rest ends here.
                self._port.write(b"%", _ANSWER_SECONDS)
                return name
            elif not answering:
                skipped.append(text)
        if skipped and not answering and not self._port.pending():
            raise RunnerError(
                f"{self._port.device}: did not answer `name` as our firmware does, but "
                f"{skipped[-1]!r} (flash the firmware of a bundle of this edgemnv2)"
            )
        raise RunnerError(self._silence("name", skipped, waited))

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

    def infer(self, measured: int, warmup: int) -> list[_Run]:
        """Run the network; the measured inferences."""
        number = self._send(f"infer {measured} {warmup}")
        began: float | None = None
        runs: list[_Run] = []
        status: list[str] = []
        for text in self._answer("infer", number):
            now = time.monotonic()
            if began is not None and text.startswith(("m-busy-", "m-cycles-", "m-status-")):
                self._longest_seconds = max(self._longest_seconds or 0.0, now - began)
            if text.startswith("m-cycles-") and began is not None:
                runs.append(_Run(int(text[9:]), now - began))
            began = now if text.startswith("m-busy-") else None
            status += _values([text], "status")
        if status != ["0"] or len(runs) != measured:
            raise RunnerError(
                f"{self._port.device}: the code answered status {', '.join(status) or 'nothing'}"
            )
        return runs

    def results(self) -> bytes:
        """The output; RunnerError when its checksum differs."""
        lines = self._command("results")
        try:
            data = bytes.fromhex("".join(_values(lines, "results")))
        except ValueError:
            data = b""
        if _values(lines, "crc") != [f"{zlib.crc32(data):08x}"]:
            raise RunnerError(f"{self._port.device}: output bytes were lost on the line")
        return data

    def _ask(self, command: str, key: str) -> list[str]:
        values = _values(self._command(command), key)
        if not values:
            raise RunnerError(
                f"{self._port.device}: did not answer `{command[:12]}` as our firmware does "
                "(flash the firmware of a bundle)"
            )
        return values

    def _command(self, command: str) -> list[str]:
        """The lines of the answer, without the first and the last."""
        return list(self._answer(command, self._send(command)))

    def _send(self, command: str) -> str:
        """Send a command under a new number; that number."""
        self._number += 1
        self._port.write(f"{self._number}:{command}%".encode("ascii"), _ANSWER_SECONDS)
        return str(self._number)

    def _answer(self, command: str, number: str) -> Iterator[str]:
        """The lines between `m-for-NUMBER` and `m-ready-NUMBER`, as they come; others are skipped.

        A board that said that it is busy may be silent for as long as an inference may take.
        """
        lines: list[str] = []
        is_ours = False
        patience = _ANSWER_SECONDS
        while True:
            line = self._port.read_line(patience)
            if line is None:
                raise RunnerError(self._silence(command, lines, patience))
            text = self._text(line)
            patience = self._inference_seconds() if text.startswith("m-busy-") else _ANSWER_SECONDS
            if text == f"m-for-{number}":
                is_ours = True
            elif text == f"m-ready-{number}":
                return
            elif is_ours and text.startswith("m-error-"):
                raise RunnerError(f"{self._port.device}: the board answered {text[8:]!r}")
            elif is_ours:
                lines.append(text)
                yield text

    def _text(self, line: bytes) -> str:
        text = line.decode("ascii", errors="replace")
        if not text.isascii() or not text.isprintable():
            raise RunnerError(self._garbage())
        return text

    def _silence(self, command: str, lines: Sequence[str], waited: float) -> str:
        noise = self._port.pending()
        place = self._port.device
        if noise and any(byte >= 0x80 or byte < 9 for byte in noise):
            return self._garbage()
        if lines and lines[-1].startswith("m-busy-"):
            return (
                f"{place}: no sign of life for {waited:.0f} s in the middle of an inference, "
                "which cannot take so long (reset the board)"
            )
        if noise or lines:
            return f"{place}: stopped in the middle of answering `{command[:12]}`"
        return (
            f"{place}: no answer to `{command[:12]}` in {waited:.0f} s, longer than an inference "
            "takes (is the board powered, and is the firmware of a bundle on it?)"
        )

    def _garbage(self) -> str:
        return f"{self._port.device}: answers garbage (is the board's baud rate 115200, 8N1?)"


def _values(lines: Sequence[str], key: str) -> list[str]:
    """What follows `m-KEY-` in each line that starts so."""
    prefix = f"m-{key}-"
    return [line[len(prefix) :] for line in lines if line.startswith(prefix)]
