"""A serial line to a board, 115200 baud 8N1, by the means of this system."""

from __future__ import annotations

import sys

from edgemnv2.runners.line_port import LinePort

__all__ = ["open_port"]


def open_port(device: str) -> LinePort:
    """The port `device` (`/dev/ttyACM0`, `COM3`), ours alone until the block is left.

    Raises RunnerError when it is not there, is no serial port, or another program has it.
    """
    if sys.platform == "win32":
        from edgemnv2.runners.any_port import AnyPort

        return AnyPort(device)
    else:  # noqa: RET505 (type checkers read one branch for each system)
        from edgemnv2.runners.posix_port import PosixPort

        return PosixPort(device)
