"""What Linux boards share, whether ssh or TVM's RPC leads to them."""

from __future__ import annotations

from edgemnv2.artifact import Artifact
from edgemnv2.errors import UsageError
from edgemnv2.runners.device_state import STATE_FILES, DeviceState, read_state

__all__ = ["STATE_COMMAND", "check_linux", "parse_states"]

_MARK = "--edgemnv2--"
STATE_COMMAND = "; ".join(f"cat {path} 2>/dev/null; echo {_MARK}" for path in STATE_FILES.values())
"""A shell command that prints the board's clock, governor, load and throttling."""


def check_linux(artifact: Artifact) -> None:
    """UsageError for bare-metal code."""
    if artifact.target.is_bare_metal:
        raise UsageError(
            f"{artifact.path}: code for {artifact.target.cpu.core} does not run on Linux "
            "(use serial= for a board)"
        )


def parse_states(text: str) -> list[DeviceState]:
    """What `STATE_COMMAND` printed, once for each time that it ran."""
    parts = text.split(_MARK)
    paths = list(STATE_FILES.values())
    return [
        read_state(dict(zip(paths, parts[start:], strict=False)).get)
        for start in range(0, len(parts) - 1, len(paths))
    ]
