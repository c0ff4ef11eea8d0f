"""Which blocks run one after another again and again: the paths that a core's model is asked about.

A block alone says nothing of a pipeline, since a loop may be cut into several (at a page's end, at
a call), and the next pass begins while the last one ends. So from the hottest block on, a path
follows the branch that is mostly taken, until it comes back or goes elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgemnv2.runners.block_trace import Section

__all__ = ["hot_paths"]

# Of all instructions; the rest costs what these cost on average.
COVERED = 0.995
# A path goes on with a block that follows so often, and that runs about as often as its first one.
_FOLLOWS = 0.7
_AS_OFTEN = 0.3
_LONGEST = 31


def hot_paths(section: Section, lengths: Sequence[int]) -> list[tuple[int, ...]]:
    """Blocks of each path, hottest first, no block in two; `lengths` in instructions by block."""
    runs = section.executions
    work = {block: lengths[block] * count for block, count in runs.items()}
    left = (1 - COVERED) * sum(work.values())
    following = _following(section)
    taken: set[int] = set()
    paths = []
    open_work = sum(work.values())
    for block in sorted(work, key=lambda block: (-work[block], block)):
        if block in taken:
            continue
        if open_work <= left:
            break
        path = _path(block, runs, following, taken)
        taken.update(path)
        open_work -= sum(work[part] for part in path)
        paths.append(path)
    return paths


def _path(
    first: int,
    runs: Mapping[int, int],
    following: Mapping[int, tuple[int, int]],
    taken: set[int],
) -> tuple[int, ...]:
    path = [first]
    while len(path) < _LONGEST and path[-1] in following:
        block, count = following[path[-1]]
        often = abs(runs.get(block, 0) - runs[first]) <= _AS_OFTEN * runs[first]
        if block in taken or block in path or count < _FOLLOWS * runs[path[-1]] or not often:
            break
        path.append(block)
    return tuple(path)


def _following(section: Section) -> dict[int, tuple[int, int]]:
    """For each block the one that most often follows it, and how often."""
    found: dict[int, tuple[int, int]] = {}
    for (start, end), count in sorted(section.edges.items()):
        if count > found.get(start, (0, 0))[1]:
            found[start] = end, count
    return found
