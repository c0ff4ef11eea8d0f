"""Which order of steps, and of operations, needs the fewest bytes.

Chains with one root have one order. Of the others each is tried; what decides is the most that is
alive at any step, which is known without placing anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgemnv2.memory.live import live_bytes_per_step, live_rows
from edgemnv2.program import FEED, Program, RowOp, RowOps, Step
from edgemnv2.streaming.chains import choose_chains
from edgemnv2.streaming.crossing import Crossings, chain_of, chain_roots
from edgemnv2.streaming.order import ORDERS, block_cuts, chain_steps, cut_points, make_program

__all__ = [
    "ChainPeaks",
    "best_program",
    "chain_cuts",
    "chain_program",
    "operation_orders",
    "peak_bytes",
]


def peak_bytes(program: Program) -> int:
    """Most bytes of live rows and scratch at any step of `program`."""
    per_step = live_bytes_per_step(program, live_rows(program))
    return int(per_step.max()) if len(per_step) else 0


def chain_cuts(rows: RowOps) -> list[int]:
    """Where chains may be cut for the least memory.

    With several outputs each chain is tried in several orders; then only those positions count
    between which more is alive.
    """
    return cut_points(rows) if len(rows.outputs) == 1 else block_cuts(rows)


class ChainPeaks:
    """Most bytes alive in chains of `rows`, each computed once."""

    def __init__(self, rows: RowOps) -> None:
        self.rows = rows
        self._crossings: dict[tuple[str, ...], Crossings] = {}
        self._known: dict[tuple[object, ...], int] = {}

    def crossings(self, fed: Sequence[str]) -> Crossings:
        """Those of `rows` with the inputs `fed`."""
        key = tuple(fed)
        if key not in self._crossings:
            self._crossings[key] = Crossings(self.rows, fed)
        return self._crossings[key]

    def peak(self, first: int, last: int, fed: Sequence[str], external: frozenset[str]) -> int:
        """That of the chain `first .. last - 1` in its best order."""
        crossings = self.crossings(fed)
        part = chain_of(crossings, first, last)
        arriving = crossings.fed_in(first, last)
        key = (
            first,
            last,
            part.inputs,
            arriving,
            external.intersection(part.inputs + part.outputs),
        )
        if key not in self._known:
            self._known[key] = min(
                map(peak_bytes, _chain_programs(crossings, first, last, external))
            )
        return self._known[key]

    def least(self, fed: Sequence[str], external: frozenset[str]) -> int:
        """The least that the largest chain of any cut needs, before anything is placed."""

        def bound(first: int, last: int) -> int:
            return self.peak(first, last, fed, external)

        chains = choose_chains(chain_cuts(self.rows), bound, lambda i, j, _: bound(i, j))
        return max(bound(first, last) for first, last in chains)


def chain_program(crossings: Crossings, first: int, last: int, external: frozenset[str]) -> Program:
    """The chain `first .. last - 1` alone, in the order that needs the fewest bytes."""
    programs = _chain_programs(crossings, first, last, external)
    return programs[0] if len(programs) == 1 else min(programs, key=peak_bytes)


def _chain_programs(
    crossings: Crossings, first: int, last: int, external: frozenset[str]
) -> list[Program]:
    """The chain `first .. last - 1` alone, in each order that its roots leave open."""
    part = chain_of(crossings, first, last)
    arriving = crossings.fed_in(first, last)
    number = {FEED - crossings.fed.index(name): FEED - n for n, name in enumerate(arriving)}
    several = len(chain_roots(crossings, first, last)) > 1
    programs = []
    for order in ORDERS if several else ORDERS[:1]:
        steps = [
            Step(number[step.op] if step.op < 0 else step.op - first, step.row)
            for step in chain_steps(crossings, first, last, order)
        ]
        programs.append(
            Program(
                tensors=part.tensors,
                ops=part.ops,
                steps=tuple(steps),
                chains=((0, len(part.ops)),),
                inputs=part.inputs,
                outputs=part.outputs,
                fed=arriving,
                external=external.intersection({*part.inputs, *part.outputs}),
            )
        )
    return programs


def best_program(
    rows: RowOps,
    chains: Sequence[tuple[int, int]],
    *,
    fed: Sequence[str] = (),
    external: frozenset[str] = frozenset(),
) -> Program:
    """The program of `rows` cut into `chains`, each in the order that needs the fewest bytes."""
    steps: list[Step] = []
    arriving = {name: number for number, name in enumerate(fed)}
    crossings = Crossings(rows, fed)
    for first, last in chains:
        if len(chain_roots(crossings, first, last)) == 1:
            steps += chain_steps(crossings, first, last)
            continue
        alone = chain_program(crossings, first, last, external)
        for step in alone.steps:
            name = alone.fed_by(step)
            op = step.op + first if name is None else FEED - arriving[name]
            steps.append(replace(step, op=op))
    program = make_program(rows, (), fed=fed, external=external)
    return replace(program, steps=tuple(steps), chains=tuple(chains))


def operation_orders(rows: RowOps) -> list[RowOps]:
    """`rows` as they are, and, where there are several ends, with operations as early as is good.

    Sources often have all heads behind the backbone; right behind what they read, their operands
    need not be kept. As whole tensors a head may be larger than what it reads, though its rows
    never exist at once: so there is an order with heads early whatever their size, too.
    """
    carried = any(Crossings(rows).is_carried(name) for name in rows.tensors)
    if len(rows.outputs) == 1 and not carried:
        return [rows]
    orders = [rows]
    for ops in (_early(rows), _heads_first(rows)):
        if all(ops != known.ops for known in orders):
            orders.append(replace(rows, ops=ops))
    return orders


def _heads_first(rows: RowOps) -> tuple[RowOp, ...]:
    """Each head right behind the operation that makes what it reads, else the order that it was.

    A head is a line of operations with one operand each that ends in an output of the network and
    begins at a tensor with other readers.
    """
    before = _dependencies(rows.ops)
    makers: dict[str, list[int]] = {}
    readers: dict[str, set[int]] = {}
    for index, op in enumerate(rows.ops):
        for name in op.outputs:
            makers.setdefault(name, []).append(index)
        for read in op.reads:
            readers.setdefault(read.tensor, set()).add(index)
    place: dict[int, tuple[int, int]] = {index: (index, -1) for index in range(len(rows.ops))}
    for end, op in enumerate(rows.ops):
        if not set(rows.outputs).issuperset(op.outputs):
            continue
        line = [end]
        while True:
            names = {read.tensor for read in rows.ops[line[-1]].reads}
            name = names.pop() if len(names) == 1 else ""
            if len(readers.get(name, ())) != 1 or len(makers.get(name, ())) != 1:
                break
            line += makers[name]
        if len(readers.get(name, ())) > 1 and name in makers:
            for index in line:
                place[index] = (makers[name][-1], index)
    done: list[int] = []
    left = sorted(place, key=lambda index: place[index])
    while left:
        chosen = next(index for index in left if before[index].issubset(done))
        left.remove(chosen)
        done.append(chosen)
    return tuple(rows.ops[index] for index in done)


def _early(rows: RowOps) -> tuple[RowOp, ...]:
    """Operations in an order in which, as whole tensors, as little as possible is alive."""
    before = _dependencies(rows.ops)
    readers: dict[str, set[int]] = {}
    for index, op in enumerate(rows.ops):
        for name in (*(read.tensor for read in op.reads), *op.outputs):
            readers.setdefault(name, set()).add(index)
    kept = set(rows.outputs)
    made: set[str] = set(rows.inputs)
    done: list[int] = []

    def growth(index: int) -> int:
        op = rows.ops[index]
        new = sum(rows.tensors[n].size_bytes for n in op.outputs if n not in made)
        gone = {r.tensor for r in op.reads if readers[r.tensor] <= {*done, index}} - kept
        return new - sum(rows.tensors[name].size_bytes for name in gone)

    while len(done) < len(rows.ops):
        ready = [i for i in range(len(rows.ops)) if i not in done and before[i].issubset(done)]
        # What does not need more memory does not wait; else the order stays as it was.
        best = min(ready, key=lambda i: (growth(i), i))
        chosen = best if growth(best) <= 0 else ready[0]
        done.append(chosen)
        made |= set(rows.ops[chosen].outputs)
    return tuple(rows.ops[index] for index in done)


def _dependencies(ops: Sequence[RowOp]) -> list[set[int]]:
    """For each operation those that must come before it: it reads or changes what they make."""
    before: list[set[int]] = []
    for index, op in enumerate(ops):
        found = set()
        reads = {read.tensor for read in op.reads}
        for number, earlier in enumerate(ops[:index]):
            made = set(earlier.outputs)
            used = {read.tensor for read in earlier.reads}
            changed = made.intersection(op.outputs) if op.updates or earlier.updates else set()
            if made & reads or used.intersection(op.outputs) or changed:
                found.add(number)
        before.append(found)
    return before
