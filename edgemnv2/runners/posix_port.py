"""A serial line, 115200 baud 8N1, through the terminal interface of POSIX systems (termios)."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import termios

from edgemnv2.errors import RunnerError
from edgemnv2.runners.line_port import LinePort

__all__ = ["PosixPort"]

# Type checkers for Windows need not read on: its ports are those of `any_port`.
assert sys.platform != "win32"


class PosixPort(LinePort):
    """The open port `device`, ours alone until it is closed.

    Raises RunnerError when it is not there, is no serial port, or another program has it.
    """

    def __init__(self, device: str) -> None:
        super().__init__(device)
        try:
            self._file = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            remedy = "is the board plugged in?"
            if isinstance(error, PermissionError):
                remedy = "add yourself to the group dialout"
            raise RunnerError(f"{device}: cannot be opened ({error.strerror}); {remedy}") from error
        try:
            self._configure()
        except RunnerError:
            os.close(self._file)
            raise

    def _configure(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunnerError(
                f"{self.device}: another program uses this port (close its monitor)"
            ) from error
        try:
            fcntl.ioctl(self._file, termios.TIOCEXCL)
            speed = termios.B115200
            control = termios.CS8 | termios.CREAD | termios.CLOCAL
            characters = termios.tcgetattr(self._file)[6]
            # Raw: no echo, no translation, no flow control.
            mode = [0, 0, control, 0, speed, speed, characters]
            termios.tcsetattr(self._file, termios.TCSANOW, mode)
            termios.tcflush(self._file, termios.TCIOFLUSH)
        except (OSError, termios.error) as error:
            raise RunnerError(f"{self.device}: is no serial port ({error.args[-1]})") from error

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Send everything; RunnerError when the line takes nothing for that long."""
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [self._file], [], timeout_seconds)
            if not ready:
                raise RunnerError(f"{self.device}: takes no data (is the board running?)")
            try:
                view = view[os.write(self._file, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise RunnerError(f"{self.device}: was lost ({error.strerror})") from error

    def _receive(self, timeout_seconds: float) -> bytes:
        if not select.select([self._file], [], [], timeout_seconds)[0]:
            return b""
        try:
            data = os.read(self._file, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise RunnerError(f"{self.device}: was lost ({error.strerror})") from error
        if not data:
            raise RunnerError(f"{self.device}: was lost (unplugged?)")
        return data

    def _close(self) -> None:
        os.close(self._file)
