"""Programs and plans counted in grains instead of bytes: the same check over a smaller table.

A grain is the largest number of bytes that divides every place and every size, so that all of its
bytes are always touched together: what holds of one holds of the others. Floats have grains of at
least 4 bytes. More than `MOST_GRAINS` are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import DoesNotFit
from edgemnv2.program import MemoryPlan, Placement, RowOp, RowTensor, Write

__all__ = [
    "NOBODY",
    "Owners",
    "expect_checkable",
    "grain_of",
    "ops_in",
    "owner_tables",
    "plan_in",
    "tensors_in",
]

MOST_GRAINS = 3 << 26
"""Of all tables of a check, which then stays below 2 GiB. As many floats are 768 MiB, more than any
board has for activations."""
NOBODY = 0
"""Has written a grain. Zeros take no memory until they are written."""
Owners = NDArray[np.int32]
"""Of every grain, a number for whoever wrote it last."""


def owner_tables(sizes: Mapping[str, int]) -> dict[str, Owners]:
    """Tables of so many grains that are NOBODY's; DoesNotFit for too many."""
    expect_checkable("the arena with the ends of the network", sum(sizes.values()))
    return {name: np.zeros(size, np.int32) for name, size in sizes.items()}


def expect_checkable(what: str, grains: int) -> None:
    """DoesNotFit, with `what`, where tables of that many grains would be too large."""
    if grains > MOST_GRAINS:
        raise DoesNotFit(
            f"{what}: {grains} places to be checked one by one, at most {MOST_GRAINS} can be "
            "(expected a smaller input)"
        )


def whole_row(size: int, owner: int) -> Owners:
    """A row of one owner, which takes no memory."""
    return np.broadcast_to(np.int32(owner), size)


def grain_of(
    tensors: Mapping[str, RowTensor], ops: tuple[RowOp, ...], others: Iterable[int]
) -> int:
    """The largest grain of rows, of parts of rows, and of `others`, places and sizes of a plan."""
    sizes = [tensor.row_bytes for tensor in tensors.values()]
    for op in ops:
        for write in op.writes:
            sizes += [write.offset_bytes, write.part_bytes, write.pitch_bytes]
    return gcd(*sizes, *others) or 1


def tensors_in(grain: int, tensors: Mapping[str, RowTensor]) -> dict[str, RowTensor]:
    """Rows in grains; alignment, which is checked in bytes, as it is."""
    return {k: replace(x, row_bytes=x.row_bytes // grain) for k, x in tensors.items()}


def ops_in(grain: int, ops: tuple[RowOp, ...]) -> tuple[RowOp, ...]:
    """Parts of rows and scratch in grains."""
    return tuple(
        replace(
            op,
            writes=tuple(_write_in(grain, write) for write in op.writes),
            scratch_bytes=op.scratch_bytes // grain,
        )
        for op in ops
    )


def _write_in(grain: int, write: Write) -> Write:
    return replace(
        write,
        offset_bytes=write.offset_bytes // grain,
        part_bytes=write.part_bytes // grain,
        pitch_bytes=write.pitch_bytes // grain,
    )


def plan_in(grain: int, plan: MemoryPlan) -> MemoryPlan:
    """Places in grains."""
    return replace(
        plan,
        placements={
            name: Placement(tuple(slot // grain for slot in placement.slots))
            for name, placement in plan.placements.items()
        },
        scratch={name: base // grain for name, base in plan.scratch.items()},
        arena_bytes=-(-plan.arena_bytes // grain),
    )
