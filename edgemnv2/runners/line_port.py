"""An open serial port that is read by lines, whatever the system's means are."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["LinePort"]


class LinePort(ABC):
    """An open port, ours alone until the block is left."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._buffer = b""

    @abstractmethod
    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Send everything; RunnerError when the line takes nothing for that long."""

    @abstractmethod
    def _receive(self, timeout_seconds: float) -> bytes:
        """What comes in first, b"" where nothing does in that time (or sooner).

        Raises RunnerError when the port is lost.
        """

    @abstractmethod
    def _close(self) -> None:
        """Give the port back."""

    def read_line(self, timeout_seconds: float) -> bytes | None:
        """The next line without its end; None when none is complete in that time."""
        deadline = time.monotonic() + timeout_seconds
        while b"\n" not in self._buffer:
            self._buffer += self._receive(max(0.0, deadline - time.monotonic()))
            if b"\n" not in self._buffer and time.monotonic() >= deadline:
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.strip()

    def pending(self) -> bytes:
        """What has come in without a line end."""
        return self._buffer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
