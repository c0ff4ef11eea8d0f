"""How many boards an RPC tracker has under a key, so that as many measure at the same time."""

from __future__ import annotations

import socket

from edgemnv2.errors import RunnerError, UsageError

__all__ = ["board_count"]

_CONNECT_SECONDS = 15.0


def board_count(address: str, key: str) -> int:
    """Servers that are registered under `key` at the tracker HOST:PORT, busy ones included.

    Raises UsageError for an address that is none, RunnerError when no tracker answers or it knows
    no such board.
    """
    host, colon, port = address.rpartition(":")
    if not host or not colon or not port.isdigit():
        raise UsageError(f"rpc_tracker={address}: expected HOST:PORT")
    try:
        # TVM's own connection would try for a minute.
        with socket.create_connection((host, int(port)), _CONNECT_SECONDS):
            pass
        from tvm import rpc

        servers = rpc.connect_tracker(host, int(port)).summary()["server_info"]
    except (OSError, RuntimeError, ImportError) as error:
        raise RunnerError(
            f"{address}: no RPC tracker answers (python -m tvm.exec.rpc_tracker starts one)"
        ) from error
    found = sum(1 for server in servers if str(server["key"]) == f"server:{key}")
    if not found:
        raise RunnerError(
            f"{address}: no board under key {key!r} (on the board: python -m tvm.exec.rpc_server "
            f"--tracker {address} --key {key})"
        )
    return found
