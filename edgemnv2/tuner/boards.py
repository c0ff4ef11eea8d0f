"""Where candidates are measured: on as many boards as a tracker has, at the same time."""

from __future__ import annotations

from edgemnv2.runners import Runner, make_runner
from edgemnv2.runners.place import Place
from edgemnv2.runners.tracker import Tracker, no_such_board
from edgemnv2.target import Target, missing_local_features

__all__ = ["board_count", "runners_for"]


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


def runners_for(place: Place, target: Target) -> list[Runner]:
    """Runners for code of `target`: as many as there are boards behind a tracker, else one."""
    local = not target.is_bare_metal and not missing_local_features(target)
    name = place.implied or ("local" if local else target.runner)
    boards = 1
    if name == "rpc" and place.rpc_tracker and place.rpc_key:
        boards = board_count(place.rpc_tracker, place.rpc_key)
    return [make_runner(name, place.options) for _ in range(boards)]
