"""What runs in the worker process of the rpc runner: one session with one board.

TVM's RPC client has no receive timeout, so a board that hangs would hang its caller; a worker can
be killed, and each of its calls has its own limit. They come in order: `connect`; `upload`,
`execute` and `download`, once or more often; `disconnect`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["connect", "disconnect", "download", "execute", "upload"]
_session: Any = None
_executor: Any = None


def connect(host: str, port: int, word: str, session_seconds: int) -> None:
    """Open a session on the board that the tracker gave us; `word` lets us in.

    The server itself ends the session after `session_seconds`.
    """
    global _session, _executor
    from tvm import rpc

    _executor = None
    try:
        _session = rpc.connect(host, port, word, session_timeout=session_seconds)
    except Exception as error:
        raise ConnectionError("cannot be reached") from error


def upload(executor: bytes, files: Mapping[str, bytes]) -> bool:
    """Bring `files` to the board, and `executor`, the library that runs jobs.

    False: the board cannot load it, since it is for another processor.
    """
    global _executor
    if _executor is None:
        # Once: a library that is in use must not be written again.
        _session.upload(bytearray(executor), target="rpc_exec.so")
        try:
            _executor = _session.load_module("rpc_exec.so")
        except Exception as error:
            if "ELF" in str(error) or "shared object" in str(error):
                return False
            raise
    for name, content in files.items():
        _session.upload(bytearray(content), target=name)
    return True


def execute(seconds: int) -> float:
    """Run `job.sh`, which is killed after `seconds`; the seconds that it took."""
    began = time.monotonic()
    _executor["edgemnv2_exec"](seconds)
    return time.monotonic() - began


def download(wanted: Sequence[str]) -> dict[str, bytes]:
    """The `wanted` files, each of which job.sh has made, if only empty."""
    return {name: bytes(_session.download(name)) for name in wanted}


def disconnect() -> None:
    """Give the board back."""
    global _session, _executor
    _executor = None
    _session = None
