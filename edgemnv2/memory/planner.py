"""Row operations -> chains -> one arena, checked by the independent verifier."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgemnv2.memory.items import Item, contiguous_rows, make_items, split_ring
from edgemnv2.memory.live import LiveRows, live_bytes_per_step, live_rows
from edgemnv2.memory.orders import ChainPeaks, chain_cuts, chain_program
from edgemnv2.memory.place import Placed, Placer
from edgemnv2.memory.verify import find_fault
from edgemnv2.program import MemoryPlan, Placement, Program, RowOps
from edgemnv2.streaming.chains import choose_chains
from edgemnv2.streaming.crossing import Crossings

__all__ = ["Planned", "least_memory_chains", "plan_items", "plan_memory"]

ALIGN_BYTES = 8
"""Of every base in the arena: what Cortex-M's LDRD and int64 want."""
CHAIN_TRIES = 24
JOINT_TRIES = 72
REFINE_FACTOR = 8
REFINE_PAIRS = 200_000_000
"""Pairs of items that refinement may look at, some seconds: while chains are chosen, and for what
is chosen. Networks of one large input need 5 to 50 million. Where an input alone decides the arena,
as one of floats does, every cut is as good as another; and where rows are of few bytes, as those of
a signal, alignment keeps every order from the bound, however long it is tried."""
PLACE_PAIRS = 100_000_000
"""The same for placing chains while they are chosen; of those that come later the bound counts.
Networks of maps need 1 to 30 million; a recurrent one, whose many small tensors alignment keeps
from the bound, asks for thousands of chains."""
CYCLE_MULTIPLES = (1, 2, 3)
"""Rows of the chain's output after which the addresses of its rings repeat."""


@dataclass(frozen=True)
class Planned:
    """A program with its memory plan."""

    program: Program
    plan: MemoryPlan


@dataclass
class _Effort:
    """How many pairs of items may still be looked at."""

    pairs: int


def least_memory_chains(
    rows: RowOps,
    *,
    fed: Sequence[str] = (),
    external: frozenset[str] = frozenset(),
    align_bytes: int = ALIGN_BYTES,
    peaks: ChainPeaks | None = None,
) -> list[tuple[int, int]]:
    """The chains of `rows` whose largest arena is least; exact over all cuts for placed sizes.

    `peaks` of the same `rows`, where some are known already.
    """
    known = peaks or ChainPeaks(rows)
    effort, placing = _Effort(REFINE_PAIRS), _Effort(PLACE_PAIRS)

    def single(first: int, last: int) -> Program:
        return chain_program(known.crossings(fed), first, last, external)

    def bound(first: int, last: int) -> int:
        return known.peak(first, last, fed, external)

    def cost(first: int, last: int, enough: int) -> int:
        program = single(first, last)
        live = live_rows(program)
        items = make_items(program, live, align_bytes)
        if not items:
            return 0
        target = max(enough, int(live_bytes_per_step(program, live).max()))
        if placing.pairs <= 0:
            return target
        leading = [
            name for name in dict.fromkeys(program.inputs + program.outputs) if name in items
        ]
        placer = Placer(items, align_bytes)
        placed = placer.search(leading, target, CHAIN_TRIES)
        placing.pairs -= placer.pairs
        if first == 0 and placed.span >= target + align_bytes:
            _, placed = _refine(program, items, placed, target, align_bytes, CHAIN_TRIES, effort)
        return placed.span

    return choose_chains(chain_cuts(rows), bound, cost)


def plan_memory(
    program: Program, align_bytes: int = ALIGN_BYTES, tries: int | None = None
) -> MemoryPlan:
    """An arena for `program`: rings of least depth, whole tensors and scratch, one base each.

    Fewer `tries` answer sooner with a larger arena. The plan is verified before it is returned; a
    fault is a bug of ours.
    """
    live = live_rows(program)
    items = make_items(program, live, align_bytes)
    plan = plan_items(program, live, items, align_bytes, tries)
    fault = find_fault(program, plan)
    assert fault is None, fault
    return plan


def plan_items(
    program: Program,
    live: Mapping[str, LiveRows],
    items: dict[str, Item],
    align_bytes: int,
    tries: int | None = None,
) -> MemoryPlan:
    """An arena for `items`, which hold the rows `live` of `program` and scratch; not verified."""
    tries = JOINT_TRIES if tries is None else tries
    per_step = live_bytes_per_step(program, live)
    bound = int(per_step.max()) if len(per_step) else 0
    if not items:
        return MemoryPlan({}, {}, 0, 0, align_bytes)
    placed = _place_jointly(program, items, per_step.tolist(), bound, align_bytes, tries)
    if placed.span >= bound + align_bytes:
        effort = _Effort(REFINE_PAIRS)
        items, placed = _refine(program, items, placed, bound, align_bytes, tries, effort)
    return _as_plan(items, placed, bound, align_bytes)


def _place_jointly(
    program: Program,
    items: dict[str, Item],
    per_step: list[int],
    bound: int,
    align_bytes: int,
    tries: int,
) -> Placed:
    """All items at once: chains by falling need, in each its ends first, then its rings by size."""
    chain_of_op = {
        op: number
        for number, (first, last) in enumerate(program.chains)
        for op in range(first, last)
    }
    crossings = Crossings(
        RowOps(program.tensors, program.ops, program.inputs, program.outputs), program.fed
    )
    need = dict.fromkeys(range(len(program.chains)), 0)
    number = 0
    for step, live in zip(program.steps, per_step, strict=True):
        number = chain_of_op.get(step.op, number)
        need[number] = max(need[number], live)
    members: dict[int, list[str]] = {number: [] for number in need}
    ends: dict[int, list[str]] = {number: [] for number in need}
    for number, (first, last) in enumerate(program.chains):
        sources = program.inputs if first == 0 else (program.ops[first - 1].output,)
        ends[number] = [*sources, program.ops[last - 1].output]
        ends[number] += crossings.extras(first) + crossings.extras(last)
        members[number] = [name for op in program.ops[first:last] for name in op.outputs]
        members[number] += ["scratch:" + op.name for op in program.ops[first:last]]
    placer = Placer(items, align_bytes)
    best: Placed | None = None
    for seed in range(tries):
        rng = random.Random(seed)
        order: list[str] = []
        seen: set[str] = set()
        for number in sorted(need, key=lambda n: (-need[n], n)):
            leading = [n for n in dict.fromkeys(ends[number]) if n in items and n not in seen]
            rest = [
                n
                for n in dict.fromkeys(members[number])
                if n in items and n not in {*seen, *leading}
            ]
            jitter = {n: rng.uniform(0.3, 1.7) if seed > 1 else 1.0 for n in rest}
            rest.sort(key=lambda n: (-items[n].extent * jitter[n], n))
            part = [*rest[:2], *leading, *rest[2:]] if seed % 4 == 1 else [*leading, *rest]
            order += part
            seen |= set(part)
        order += [name for name in sorted(items) if name not in seen]
        result = placer.place(order, None if best is None else best.span, rng if seed > 1 else None)
        if isinstance(result, Placed):
            best = result
            if best.span < bound + align_bytes:
                return best
    assert best is not None  # the first attempt has no limit
    for seed in range(3):
        best = placer.improve(best, bound, 2 * tries, seed)
    return best


def _refine(
    program: Program,
    items: dict[str, Item],
    placed: Placed,
    bound: int,
    align_bytes: int,
    tries: int,
    effort: _Effort,
) -> tuple[dict[str, Item], Placed]:
    """Try to place the rows of the first chain's rings one residue class at a time.

    The classes of one tensor stay together in the order; what varies is the order of tensors. Ends
    early where `effort`, which is used up by it, has no more pairs.
    """
    best_items, best = items, placed
    leading = [name for name in placed.order if len(items[name].first) == items[name].depth]
    for multiple in CYCLE_MULTIPLES:
        split = _split_rings(program, items, multiple)
        if len(split) == len(items) or len(split) ** 2 > effort.pairs:
            break
        parts: dict[str, list[str]] = {}
        for name in split:
            parts.setdefault(name.split("#")[0], []).append(name)
        placer = Placer(split, align_bytes)
        rng = random.Random(multiple)
        size = {name: items[name].row_bytes for name in items}
        good: dict[str, float] = dict(size)
        for attempt in range(REFINE_FACTOR * tries):
            if best.span < bound + align_bytes or effort.pairs <= 0:
                break
            effort.pairs -= len(split) ** 2
            if attempt == 0:
                weight: dict[str, float] = dict(size)
            elif attempt % 3 == 1:
                weight = {name: size[name] * rng.uniform(0.4, 1.6) for name in size}
            else:
                weight = {name: good[name] * rng.uniform(0.85, 1.15) for name in size}
            rest = sorted(
                (name for name in size if name not in leading), key=lambda n: (-weight[n], n)
            )
            order = [part for name in [*leading, *rest] for part in parts[name]]
            result = placer.place(order, best.span, rng if attempt % 2 else None)
            if isinstance(result, Placed):
                best_items, best, good = split, result, weight
    return best_items, best


def _split_rings(program: Program, items: dict[str, Item], multiple: int) -> dict[str, Item]:
    """Rings inside the first chain as classes of a cycle of `multiple` rows of its output."""
    first, last = program.chains[0]
    inside = {name for op in program.ops[first:last] for name in op.outputs}
    inside -= {*program.ops[last - 1].outputs, *program.outputs}
    inside |= set(program.fed)
    height_out = program.tensors[program.ops[last - 1].output].height
    split: dict[str, Item] = {}
    contiguous = contiguous_rows(program)
    for name, item in items.items():
        ring = name in inside and item.depth < len(item.first)
        # Classes of rows that are made out of their order may be alive at once.
        if ring and np.all(np.diff(item.first) >= 0) and name not in contiguous:
            ratio = -(-program.tensors[name].height // max(1, height_out))
            # A class holds one row at a time: no fewer classes than the ring is deep.
            residues = max(multiple, -(-item.depth // ratio)) * ratio
            residues = min(residues, len(item.first))
            split |= {part.name: part for part in split_ring(item, residues)}
        else:
            split[name] = item
    return split


def _as_plan(items: dict[str, Item], placed: Placed, bound: int, align_bytes: int) -> MemoryPlan:
    slots: dict[str, list[tuple[int, int]]] = {}
    scratch: dict[str, int] = {}
    for name, item in items.items():
        base = placed.base[name]
        if item.is_scratch:
            scratch[item.tensor] = base
        elif item.depth > 1:
            slots[item.tensor] = [(k, base + k * item.row_bytes) for k in range(item.depth)]
        else:
            slots.setdefault(item.tensor, []).append((item.residue, base))
    placements = {
        name: Placement(tuple(offset for _, offset in sorted(found)))
        for name, found in slots.items()
    }
    return MemoryPlan(placements, scratch, placed.span, bound, align_bytes)
