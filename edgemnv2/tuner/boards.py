"""How many boards an RPC tracker has under a key, so that as many measure at the same time."""

from __future__ import annotations

from edgemnv2.runners.tracker import Tracker, no_such_board

__all__ = ["board_count"]


def board_count(address: str, key: str) -> int:
    """Servers that are registered under `key` at the tracker HOST:PORT, busy ones included.

    Raises UsageError for an address that is none, RunnerError when no tracker answers or it knows
    no such board.
    """
    tracker = Tracker.at(address)
    boards = tracker.boards()
    if not boards.registered.get(key):
        raise no_such_board(tracker, key, boards)
    return boards.registered[key]
