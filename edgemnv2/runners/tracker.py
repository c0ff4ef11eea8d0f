"""TVM's RPC tracker, asked with a time limit: which boards there are, and for one of them.

TVM's own client waits for an answer for ever, and for a connection for a minute. The tracker's
protocol is small: a magic number each way, then messages of JSON behind their length, each answered
by one (TVM 0.27, python/tvm/rpc/base.py and tracker.py).
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgemnv2.errors import RunnerError, UsageError
from edgemnv2.runners.base import TrackerLost

__all__ = ["Boards", "Tracker", "no_such_board"]

ANSWER_SECONDS = 10.0
"""A tracker does nothing but answer, so one that takes longer is asleep."""
_MAGIC = 0x2F271
_REQUEST, _SUMMARY, _SUCCESS = 4, 6, 0
_MOST_BYTES = 2**24


@dataclass(frozen=True)
class Boards:
    """What a tracker knows: `free` boards by key, and all that are registered, busy ones too."""

    free: Mapping[str, int]
    registered: Mapping[str, int]


@dataclass(frozen=True)
class Tracker:
    """The tracker at `host`:`port`.

    Every question raises TrackerLost when nobody answers there within `seconds`.
    """

    host: str
    port: int
    seconds: float

    @staticmethod
    def at(address: str) -> Tracker:
        """The tracker at HOST:PORT; UsageError for anything else."""
        host, colon, port = address.rpartition(":")
        if not host or not colon or not port.isdigit():
            raise UsageError(f"rpc_tracker={address}: expected HOST:PORT")
        return Tracker(host, int(port), ANSWER_SECONDS)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{self.host}:{self.port}"

    def boards(self) -> Boards:
        """The boards that it has now."""
        try:
            summary = self._ask([_SUMMARY])
        except TimeoutError as error:
            raise TrackerLost(
                f"{self.address}: the RPC tracker takes the connection and does not answer in "
                f"{self.seconds:.0f} s (it is asleep, or it is no tracker: start it again)"
            ) from error
        queues = summary.get("queue_info", {})
        # As "server:KEY"; somebody else's tracker may say anything.
        keys = [str(server["key"]) for server in summary.get("server_info", ())]
        counted = Counter(key.removeprefix("server:") for key in keys if key.startswith("server:"))
        return Boards(
            {str(key): int(queue.get("free", 0)) for key, queue in queues.items()}, counted
        )

    def request(self, key: str) -> tuple[str, int, str] | None:
        """A free board for ourselves: host, port and the word that it lets us in by.

        None when somebody else was quicker: the tracker answers once there is one again, and drops
        what nobody waits for any more.
        """
        try:
            host, port, word = self._ask([_REQUEST, key, "", 1])
        except TimeoutError:
            return None
        return str(host), int(port), str(word)

    def _ask(self, question: Sequence[Any]) -> Any:
        """The answer to `question`; TimeoutError when there is none in time."""
        deadline = time.monotonic() + self.seconds
        try:
            with socket.create_connection((self.host, self.port), self.seconds) as line:
                line.sendall(struct.pack("<i", _MAGIC))
                if struct.unpack("<i", _receive(line, 4, deadline))[0] != _MAGIC:
                    raise TrackerLost(
                        f"{self.address}: is no RPC tracker of TVM's, another program answers there"
                    )
                text = json.dumps(question).encode()
                line.sendall(struct.pack("<i", len(text)) + text)
                size = struct.unpack("<i", _receive(line, 4, deadline))[0]
                if not 0 <= size <= _MOST_BYTES:
                    raise ValueError(f"an answer of {size} bytes")
                code, answer = json.loads(_receive(line, size, deadline))
        except TimeoutError:
            raise
        except (OSError, ValueError, TypeError) as error:
            raise TrackerLost(
                f"{self.address}: no RPC tracker answers (python -m tvm.exec.rpc_tracker --host "
                f"0.0.0.0 --port {self.port} starts one)"
            ) from error
        if code != _SUCCESS:
            raise TrackerLost(f"{self.address}: the RPC tracker refuses ({answer})")
        return answer


def no_such_board(tracker: Tracker, key: str, boards: Boards) -> RunnerError:
    """The error for a key under which no board is registered."""
    known = ", ".join(f"{k!r} ({n})" for k, n in sorted(boards.registered.items()))
    return RunnerError(
        f"{tracker.address}: no board under key {key!r}, there are {known or 'none at all'} (on "
        f"the board: python -m tvm.exec.rpc_server --tracker {tracker.address} --key {key})"
    )


def _receive(line: socket.socket, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes; TimeoutError at the deadline, OSError at the end of the connection."""
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        line.settimeout(left)
        more = line.recv(size - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data
