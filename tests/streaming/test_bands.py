"""Bands and parts: everything is made, shared rows exactly once, by steps that can run."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from edgemnv2.memory.thread_plan import plan_threads
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.plain_kernels import plain_kernels
from edgemnv2.program import Read, RowOp, RowTensor, Write
from edgemnv2.streaming.bands import BandStep, Split, bounds, make_bands
from edgemnv2.streaming.chains import layer_by_layer
from edgemnv2.streaming.lower import RowOps, lower_to_rows
from edgemnv2.streaming.order import block_cuts, cut_points
from tests.streaming.random_networks import random_graph


@pytest.mark.parametrize(("total", "parts", "granule"), [(7, 2, 1), (3, 5, 1), (1000, 4, 64)])
def test_parts_are_nearly_equal_and_cover_everything(total: int, parts: int, granule: int) -> None:
    ends = bounds(total, parts, granule)
    assert ends[0] == 0 and ends[-1] == total and ends == sorted(ends)
    sizes = [b - a for a, b in itertools.pairwise(ends)]
    assert max(sizes) - min(sizes) <= 2 * granule - 1
    assert all(end % granule == 0 for end in ends[:-1])


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("merged", [False, True])
def test_shared_rows_are_made_once_and_plans_hold(threads: int, merged: bool) -> None:
    """`plan_threads` runs the independent check on all of it."""
    for seed in range(24):
        graph = random_graph(seed)
        kernels = {}
        for layer in graph.layers:
            kernels |= plain_kernels(graph, layer)
        rows = lower_to_rows(graph, kernels, {})
        cuts = cut_points(rows)
        # All in one chain is the hardest: stages must be cut where threads would wait.
        chains = [(0, len(rows.ops))] if merged else layer_by_layer(cuts)
        splits = {
            layer.name: Split("channels", graph.tensor_out(layer).channels)
            for layer in graph.layers
            if isinstance(layer, Conv2D)
            and graph.tensor_out(layer).shape[:2] == (1, 1)
            # A window onto one row reads more than the first row.
            and layer.op == "pointwise"
        }
        program = make_bands(rows, chains, splits, threads)
        plan_threads(program, lambda step, ops=rows.ops: ops[step.op].scratch_bytes, 8)
        private = program.private()
        made = Counter(
            (step.op, step.first + i)
            for stage in program.stages
            for steps in stage.steps
            for step in steps
            for i in range(step.count if step.unit != "rows" else 1)
        )
        for index, op in enumerate(rows.ops):
            if op.output in private:
                continue
            whole = splits[op.name].total if op.name in splits else op.steps
            assert [made[index, i] for i in range(whole)] == [1] * whole, (seed, op.name)


def test_a_reader_of_rows_of_another_thread_waits() -> None:
    """A tensor that leaves the stage and is read through a window in it forces a cut."""
    tensors = {n: RowTensor(n, 8, 4) for n in ("in", "a", "b", "out")}
    ops = (
        RowOp("first", 0, (Read("in"),), (Write("a"),), 8),
        RowOp("window", 1, (Read("a", 3, 1, 1, fill=b"\0"),), (Write("b"),), 8),
        RowOp("late", 2, (Read("b"), Read("a")), (Write("out"),), 8),
    )
    rows = RowOps(tensors, ops, ("in",), ("out",))
    together = make_bands(rows, [(0, 3)], {}, 2)
    assert [(s.first, s.last) for s in together.stages] == [(0, 3)]
    # Cut behind the window, "a" is shared.
    apart = make_bands(rows, [(0, 2), (2, 3)], {}, 2)
    assert [(s.first, s.last) for s in apart.stages] == [(0, 1), (1, 2), (2, 3)]


def test_border_rows_are_made_twice_inside_a_stage() -> None:
    tensors = {n: RowTensor(n, 8, 4) for n in ("in", "a", "out")}
    ops = (
        RowOp("expand", 0, (Read("in"),), (Write("a"),), 8),
        RowOp("window", 1, (Read("a", 3, 1, 1, fill=b"\0"),), (Write("out"),), 8),
    )
    stage = make_bands(RowOps(tensors, ops, ("in",), ("out",)), [(0, 2)], {}, 2).stages[0]
    inner = [[s.first for s in steps if s.op == 0] for steps in stage.steps]
    assert inner == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]]


def test_classifiers_in_a_row_do_not_share_a_stage() -> None:
    tensors = {
        "in": RowTensor("in", 1, 8),
        "a": RowTensor("a", 1, 8),
        "out": RowTensor("out", 1, 8),
    }
    ops = (
        RowOp("one", 0, (Read("in"),), (Write("a"),), 1),
        RowOp("two", 1, (Read("a"),), (Write("out"),), 1),
    )
    splits = {name: Split("channels", 8, 4) for name in ("one", "two")}
    program = make_bands(RowOps(tensors, ops, ("in",), ("out",)), [(0, 1), (1, 2)], splits, 2)
    assert [stage.steps for stage in program.stages] == [
        ((BandStep(0, 0, 4, "channels"),), (BandStep(0, 4, 4, "channels"),)),
        ((BandStep(1, 0, 4, "channels"),), (BandStep(1, 4, 4, "channels"),)),
    ]


def test_blocks_are_cut_where_little_is_alive() -> None:
    """Expanded tensors stay inside a chain; steps on whole maps are chains of their own."""
    sizes = {"in": 16, "narrow": 8, "wide": 48, "deep": 40, "out": 12, "late": 30, "last": 5}
    tensors = {name: RowTensor(name, 8, size) for name, size in sizes.items()}
    names = list(sizes)
    ops = tuple(
        RowOp(
            f"to {b}",
            index,
            (Read(a),),
            (Write(b),),
            1 if b == "late" else 8,
            rows_per_step=8 if b == "late" else 1,
        )
        for index, (a, b) in enumerate(itertools.pairwise(names))
    )
    rows = RowOps(tensors, ops, ("in",), ("last",))
    assert cut_points(rows) == [0, 1, 2, 3, 4, 5, 6]
    assert block_cuts(rows) == [0, 1, 4, 5, 6]
    # Without whole maps, "late" is but a wide tensor.
    plain = tuple(replace(op, steps=8, rows_per_step=1) for op in ops)
    assert block_cuts(replace(rows, ops=plain)) == [0, 1, 4, 6]
