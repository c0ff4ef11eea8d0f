"""The order of steps: who needs it makes it; heads follow; chains are cut beside what waits."""

from __future__ import annotations

import pytest

from edgemnv2.memory.orders import best_program, operation_orders, peak_bytes
from edgemnv2.program import FEED, Read, RowOp, RowOps, RowTensor, Step, Write
from edgemnv2.streaming.crossing import Crossings
from edgemnv2.streaming.order import ORDERS, chain_steps, cut_points, make_program


def _op(name: str, source: str, target: str, steps: int = 8, **read: int) -> RowOp:
    return RowOp(name, 0, (Read(source, **read),), (Write(target),), steps)


def _rows(ops: tuple[RowOp, ...], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> RowOps:
    heights = {name: 1 for op in ops for name in inputs}
    for op in ops:
        heights |= dict.fromkeys(op.outputs, op.steps)
    names = {r.tensor for op in ops for r in op.reads} | set(heights)
    tensors = {n: RowTensor(n, 8 if n in inputs else heights[n], 8) for n in sorted(names)}
    return RowOps(tensors, ops, inputs, outputs)


def _two_heads(tail: int) -> RowOps:
    """A head right behind the first tensor, and `tail` operations behind that."""
    ops = [_op("stem", "image", "t0"), _op("head", "t0", "early")]
    ops += [_op(f"tail{i}", f"t{i}", f"t{i + 1}") for i in range(tail)]
    return _rows(tuple(ops), ("image",), ("early", f"t{tail}"))


def test_every_root_gets_all_of_its_steps() -> None:
    rows = _two_heads(3)
    for order in ORDERS:
        steps = chain_steps(Crossings(rows, ("image",)), 0, len(rows.ops), order)
        assert len(steps) == len(set(steps))
        for index, op in enumerate(rows.ops):
            assert [s.row for s in steps if s.op == index] == list(range(op.steps)), order
        assert [s.row for s in steps if s.op == FEED] == list(range(8))


def test_followers_take_rows_while_they_are_there() -> None:
    """Each row of the head right behind the row that it reads."""
    rows = _two_heads(2)
    steps = chain_steps(Crossings(rows), 0, len(rows.ops), "last")
    for row in range(8):
        assert steps.index(Step(1, row)) == steps.index(Step(0, row)) + 1


def test_one_after_the_other_keeps_what_the_second_needs() -> None:
    rows = _two_heads(2)
    whole = [(0, len(rows.ops))]
    outside = frozenset(rows.outputs)
    peaks = {
        order: peak_bytes(
            make_program(rows, whole, fed=("image",), external=outside, orders=[order])
        )
        for order in ORDERS
    }
    assert peaks["each"] >= 8 * 8 > 4 * 8 >= peaks["last"]
    best = best_program(rows, whole, fed=("image",), external=outside)
    assert peak_bytes(best) == min(peaks.values())


def test_sums_take_rows_as_they_come() -> None:
    """A mean beside a tail does not keep the tensor that it is of."""
    ops = (
        _op("stem", "image", "x"),
        RowOp("sum", 0, (Read("x"),), (Write("sums"),), 8, accumulates=True),
        _op("mean", "sums", "out", 1),
        _op("tail", "x", "late"),
    )
    rows = _rows(ops, ("image",), ("out", "late"))
    rows.tensors["sums"] = RowTensor("sums", 1, 8)  # type: ignore[index]
    steps = chain_steps(Crossings(rows), 0, 4, "last")
    assert [steps.index(Step(1, r)) - steps.index(Step(0, r)) for r in range(8)] == [1] * 8


def test_cut_points_survive_an_early_head() -> None:
    rows = _two_heads(4)
    # Nowhere but between the stem and its head, and behind, is something else in the way.
    assert cut_points(rows) == list(range(len(rows.ops) + 1))


@pytest.mark.parametrize(("length", "cut"), [(3, False), (12, True)])
def test_what_lives_long_is_carried_along(length: int, cut: bool) -> None:
    """Chains are not cut inside a short residual; but inside a long skip connection."""
    ops = [_op("stem", "image", "t0")]
    ops += [_op(f"body{i}", f"t{i}", f"t{i + 1}") for i in range(length)]
    join = RowOp("join", 0, (Read("t0"), Read(f"t{length}")), (Write("out"),), 8)
    rows = _rows((*ops, join), ("image",), ("out",))
    assert (3 in cut_points(rows)) is cut


def test_heads_at_the_end_of_the_source_move_to_what_they_read() -> None:
    ops = [_op("stem", "image", "t0", 8)]
    ops += [_op(f"body{i}", f"t{i}", f"t{i + 1}", 8) for i in range(3)]
    ops += [RowOp(f"head{i}", 0, (Read(f"t{i}", 2, 2),), (Write(f"h{i}"),), 4) for i in range(4)]
    rows = _rows(tuple(ops), ("image",), tuple(f"h{i}" for i in range(4)))
    given, *moved = operation_orders(rows)
    assert given is rows and moved
    for early in moved:
        names = [op.name for op in early.ops]
        assert sorted(names) == sorted(op.name for op in ops)
        assert names.index("head0") < names.index("body2")
    # One output and nothing that waits: one order.
    line = _rows(tuple(ops[:3]), ("image",), ("t2",))
    assert operation_orders(line) == [line]


def test_an_input_that_is_first_read_late_is_fed_there() -> None:
    ops = (_op("a", "other", "x"), RowOp("b", 0, (Read("x"), Read("image")), (Write("out"),), 8))
    rows = _rows(ops, ("image", "other"), ("out",))
    program = make_program(rows, [(0, 1), (1, 2)], fed=("image",))
    feeds = [number for number, step in enumerate(program.steps) if step.op == FEED]
    assert len(feeds) == 8 and min(feeds) > max(
        number for number, step in enumerate(program.steps) if step.op == 0
    )


def test_feeds_name_their_input() -> None:
    ops = (RowOp("b", 0, (Read("left"), Read("right")), (Write("out"),), 8),)
    rows = _rows(ops, ("left", "right"), ("out",))
    program = make_program(rows, [(0, 1)], fed=("left", "right"))
    assert [program.fed_by(step) for step in program.steps[:3]] == ["left", "right", None]


def test_a_follower_with_many_ways_to_what_it_waits_for_is_looked_through_once() -> None:
    """2 ** 60 ways lead from the last cell to the first; each order comes to an end, and right."""
    cells = 60
    ops = [_op("begin", "image", "h0", steps=1)]
    for i in range(cells):
        ops += [_op(f"update{i}", f"h{i}", f"u{i}", steps=1)]
        ops += [_op(f"reset{i}", f"h{i}", f"r{i}", steps=1)]
        ops += [
            RowOp(f"cell{i}", 0, (Read(f"u{i}"), Read(f"r{i}")), (Write(f"h{i + 1}"),), 1),
        ]
    ops += [_op("other", "image", "end")]
    rows = _rows(tuple(ops), ("image",), (f"h{cells}", "end"))
    for order in ORDERS:
        steps = chain_steps(Crossings(rows, ("image",)), 0, len(ops), order)
        assert len(steps) == sum(op.steps for op in ops) + 8
