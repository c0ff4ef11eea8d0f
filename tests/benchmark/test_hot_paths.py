"""Paths follow the taken branch, hold no block twice, and cover what was executed."""

from __future__ import annotations

import random

from edgemnv2.benchmark.hot_paths import COVERED, hot_paths
from edgemnv2.runners.block_trace import Section


def test_a_loop_of_two_blocks_is_one_path() -> None:
    section = Section({0: 1, 1: 1000, 2: 1000}, {(0, 1): 1, (1, 2): 1000, (2, 1): 999})
    assert hot_paths(section, [5, 10, 8]) == [(1, 2)]


def test_a_path_ends_where_the_branch_goes_both_ways() -> None:
    section = Section(
        {0: 1000, 1: 500, 2: 500}, {(0, 1): 500, (0, 2): 500, (1, 0): 500, (2, 0): 500}
    )
    assert set(hot_paths(section, [10, 10, 10])) == {(0,), (1,), (2,)}


def test_a_loop_within_a_loop_is_a_path_of_its_own() -> None:
    section = Section({0: 10, 1: 1000}, {(0, 1): 10, (1, 1): 990, (1, 0): 10})
    assert hot_paths(section, [100, 10]) == [(1,), (0,)]


def test_no_block_is_in_two_paths_and_nearly_all_work_is_in_one() -> None:
    draw = random.Random(7)
    for _ in range(50):
        blocks = draw.randint(1, 60)
        edges = {
            (draw.randrange(blocks), draw.randrange(blocks)): draw.randint(1, 10**6)
            for _ in range(3 * blocks)
        }
        runs: dict[int, int] = dict.fromkeys(range(blocks), 1)
        for (_, end), count in edges.items():
            runs[end] += count
        lengths = [draw.randint(1, 30) for _ in range(blocks)]
        paths = hot_paths(Section(runs, edges), lengths)
        parts = [block for path in paths for block in path]
        assert len(parts) == len(set(parts))
        work = [lengths[block] * runs[block] for block in range(blocks)]
        assert sum(work[block] for block in parts) >= COVERED * sum(work)
