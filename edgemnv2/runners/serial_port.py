"""A serial line to a board, 115200 baud 8N1, by the means of this system."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["SerialPort", "open_port"]


class SerialPort(Protocol):
    """An open port, ours alone."""

    device: str

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Send everything; RunnerError when the line takes nothing for that long."""

    def read_line(self, timeout_seconds: float) -> bytes | None:
        """The next line without its end; None when none is complete in that time."""

    def pending(self) -> bytes:
        """What has come in without a line end."""


def open_port(device: str) -> AbstractContextManager[SerialPort]:
    """The port `device` (`/dev/ttyACM0`, `COM3`), ours alone until the block is left.

    Raises RunnerError when it is not there, is no serial port, or another program has it.
    """
    if sys.platform == "win32":
        from edgemnv2.runners.any_port import AnyPort

        return AnyPort(device)
    else:  # noqa: RET505 (type checkers read one branch for each system)
        from edgemnv2.runners.posix_port import PosixPort

        return PosixPort(device)
