"""What runs in the worker process of the rpc runner: one session with one board.

TVM's RPC client has no receive timeout, so a board that hangs would hang its caller; a worker can
be killed. The functions are called in order: `wait_for_board`, `connect`, `execute` (once or more
often), `disconnect`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["connect", "disconnect", "execute", "wait_for_board"]

_POLL_SECONDS = 0.05
_session: Any = None
_executor: Any = None


def wait_for_board(host: str, port: int, key: str, seconds: float) -> str:
    """ "free", or why not: "busy" (boards there, none free in time) or "none" (no such key)."""
    from tvm import rpc

    tracker = rpc.connect_tracker(host, port)
    deadline = time.monotonic() + seconds
    while True:
        summary = tracker.summary()
        if summary["queue_info"].get(key, {}).get("free", 0) > 0:
            return "free"
        if time.monotonic() > deadline:
            known = any(info["key"] == f"server:{key}" for info in summary["server_info"])
            return "busy" if known else "none"
        time.sleep(_POLL_SECONDS)


def connect(host: str, port: int, key: str, session_seconds: int) -> None:
    """Take a board; the server itself ends the session after `session_seconds`."""
    global _session, _executor
    from tvm import rpc

    tracker = rpc.connect_tracker(host, port)
    _executor = None
    _session = tracker.request(key, session_timeout=session_seconds, max_retry=1)


def execute(
    executor: bytes, files: Mapping[str, bytes], wanted: Sequence[str], seconds: int
) -> tuple[int, dict[str, bytes]]:
    """Upload `files`, run `job.sh`; its exit code and those of the `wanted` files that it made.

    `executor` is the library that runs jobs. Exit code -2: the board cannot load it, since it is
    for another processor.
    """
    global _executor
    if _executor is None:
        # Once: a library that is in use must not be written again.
        _session.upload(bytearray(executor), target="rpc_exec.so")
        try:
            _executor = _session.load_module("rpc_exec.so")
        except Exception as error:
            if "ELF" in str(error) or "shared object" in str(error):
                return -2, {}
            raise
    for name, content in files.items():
        _session.upload(bytearray(content), target=name)
    code = int(_executor["edgemnv2_exec"](seconds))
    made = {}
    for name in wanted:
        # Every file is made by job.sh, if only empty.
        made[name] = bytes(_session.download(name))
    return code, made


def disconnect() -> None:
    """Give the board back."""
    global _session, _executor
    _executor = None
    _session = None
