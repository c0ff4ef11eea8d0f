"""One arena for all threads: shared tensors whole, private rings and scratch side by side.

Time is counted in stages. A shared tensor lives from the first to the last stage that touches it;
what a thread keeps to itself lives in its stage only. Ends of the network are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgemnv2.memory.items import Item
from edgemnv2.memory.live import LiveRows, ring_depth
from edgemnv2.memory.place import Placer
from edgemnv2.memory.thread_memory import Ring, ThreadPlan
from edgemnv2.memory.thread_verify import find_thread_fault
from edgemnv2.streaming.bands import BandProgram, BandStep

__all__ = ["Ring", "ThreadPlan", "plan_threads"]

TRIES = 24


def plan_threads(
    program: BandProgram, scratch_bytes: Callable[[BandStep], int], align_bytes: int
) -> ThreadPlan:
    """An arena for `program`; a step needs `scratch_bytes(step)`. Checked before it is returned."""
    sizes: dict[str, tuple[int, int, int]] = {}
    private_names = program.private()
    outside = {*program.inputs, *program.outputs}
    for name, tensor in program.tensors.items():
        used = program.used_in[name]
        if used and name not in private_names | outside:
            sizes[f"shared:{name}"] = (tensor.size_bytes, used[0], used[-1])
    depths: dict[tuple[int, str], int] = {}
    needs: dict[tuple[int, int], int] = {}
    for number, stage in enumerate(program.stages):
        for thread, steps in enumerate(stage.steps):
            need = max((scratch_bytes(step) for step in steps), default=0)
            if need:
                needs[number, thread] = need
                sizes[f"scratch:{number}:{thread}"] = (need, number, number)
            for name, depth in _ring_depths(program, steps, private_names).items():
                depths[thread, name] = depth
                extent = depth * program.tensors[name].row_bytes
                sizes[f"private:{thread}:{name}"] = (extent, number, number)
    items = {name: _item(name, *facts, align_bytes) for name, facts in sizes.items()}
    alive = [
        sum(size for size, first, last in sizes.values() if first <= number <= last)
        for number in range(len(program.stages))
    ]
    bound = max(alive, default=0)
    base: Mapping[str, int] = {}
    span = 0
    if items:
        placed = Placer(items, align_bytes).search([], bound, TRIES)
        base, span = placed.base, placed.span
    plan = ThreadPlan(
        shared={
            name: base[f"shared:{name}"] for name in program.tensors if f"shared:{name}" in sizes
        },
        private={
            (thread, name): Ring(base[f"private:{thread}:{name}"], depth)
            for (thread, name), depth in depths.items()
        },
        scratch={(n, thread): base[f"scratch:{n}:{thread}"] for n, thread in needs},
        arena_bytes=span,
        lower_bound_bytes=bound,
        align_bytes=align_bytes,
    )
    fault = find_thread_fault(program, plan, scratch_bytes)
    assert fault is None, fault
    return plan


def _item(name: str, size: int, first: int, last: int, align_bytes: int) -> Item:
    """An item of whole alignment units: on Linux no cache line has two private owners."""
    size = -(-size // align_bytes) * align_bytes
    one = np.zeros(1, np.int64)
    return Item(name, name, 0, size, 1, one, one + first, one + last)


def _ring_depths(
    program: BandProgram, steps: tuple[BandStep, ...], private: frozenset[str]
) -> dict[str, int]:
    """Fewest rows that this thread must keep of each private tensor that `steps` touch."""
    first: dict[str, dict[int, int]] = {}
    last: dict[str, dict[int, int]] = {}
    for now, step in enumerate(steps):
        op = program.ops[step.op]
        for number, read in enumerate(op.reads):
            if read.tensor in private:
                for row in op.rows_read(number, step.first, program.tensors[read.tensor].height):
                    last[read.tensor][row] = now
        for number, name in enumerate(op.outputs):
            if name in private:
                for row in op.rows_made(step.first, number):
                    first.setdefault(name, {}).setdefault(row, now)
                    last.setdefault(name, {})[row] = now
    depths = {}
    for name, made in first.items():
        rows = sorted(made)
        depths[name] = ring_depth(
            LiveRows(
                np.array([made[row] for row in rows], np.int64),
                np.array([last[name][row] for row in rows], np.int64),
                program.tensors[name].row_bytes,
            )
        )
    return depths
