"""A serial line through pyserial, which knows the ports of Windows (and of other systems)."""

from __future__ import annotations

from typing import Any

from edgemnv2.errors import RunnerError, ToolchainError, reason
from edgemnv2.runners.line_port import LinePort

__all__ = ["AnyPort"]

BAUD = 115200
_SLICE_SECONDS = 0.05
"""How long one read waits: pyserial's time-outs are the port's, not the call's."""


class AnyPort(LinePort):
    """The open port `device`, ours alone until it is closed.

    Raises RunnerError when it is not there, is no serial port, or another program has it;
    ToolchainError without pyserial.
    """

    def __init__(self, device: str) -> None:
        try:
            import serial
        except ImportError as error:
            raise ToolchainError(
                "serial ports of this system are opened by pyserial, which is not installed "
                "(pip install pyserial)"
            ) from error
        super().__init__(device)
        self._refused: type[Exception] = serial.SerialTimeoutException
        try:
            self._port: Any = serial.Serial(device, BAUD, timeout=_SLICE_SECONDS, exclusive=True)
        except (OSError, ValueError) as error:
            raise RunnerError(
                f"{device}: cannot be opened ({reason(error)}); is the board plugged in, and does "
                "no other program use the port?"
            ) from error

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Send everything; RunnerError when the line takes nothing for that long."""
        self._port.write_timeout = timeout_seconds
        try:
            self._port.write(data)
        except self._refused as error:
            raise RunnerError(f"{self.device}: takes no data (is the board running?)") from error
        except OSError as error:
            raise RunnerError(f"{self.device}: was lost ({reason(error)})") from error

    def _receive(self, timeout_seconds: float) -> bytes:
        try:
            return bytes(self._port.read(max(1, self._port.in_waiting)))
        except OSError as error:
            raise RunnerError(f"{self.device}: was lost ({reason(error)})") from error

    def _close(self) -> None:
        self._port.close()
