"""What the helpers of `ops/rows.py` declare."""

from __future__ import annotations

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Read, RowOp, Write

TENSORS = {
    t.name: t
    for t in (
        Tensor("x", 8, 4, 2, "int8", QuantParams(0.1, -3)),
        Tensor("y", 8, 4, 2, "int8", QuantParams(0.1, 5)),
        Tensor("classes", 8, 4, 1, "int64"),
    )
}


def _context(
    layer: Layer, layouts: dict[str, RowLayout] | None = None, homes: dict[str, Write] | None = None
) -> RowContext:
    graph = Graph("g", TENSORS, (layer,), ("x",), (layer.output,), (), ())
    return RowContext(graph, {layer.name: RowKernel("k", (), 12)}, layouts or {}, homes)


def _op(context: RowContext) -> RowOp:
    (op,) = context.row_ops().ops
    return op


LAYER = Layer("layer", ("x",), "y")


def test_a_window_has_a_pointer_per_tap_and_the_zero_point_outside() -> None:
    context = _context(LAYER)
    context.windowed(LAYER, window=3, stride=1, before=2, dilation=2)
    op = _op(context)
    assert op.reads == (Read("x", 5, 1, 2, fill=b"\xfd", spacing=2),)
    assert (op.reads[0].pointers, op.steps, op.scratch_bytes) == (3, 8, 12)
    assert op.writes == (Write("y"),)


def test_rows_of_another_type_are_zero_outside() -> None:
    context = _context(LAYER, {"x": RowLayout(dtype="int16")})
    assert context.outside("x") == b"\0\0"


def test_an_operand_in_the_place_of_the_output_is_updated() -> None:
    context = _context(LAYER, homes={"x": Write("y")})
    context.elementwise(LAYER)
    assert _op(context).updates and _op(context).reads == (Read("y"),)


def test_what_lies_in_a_part_is_written_there() -> None:
    part = Write("joined", offset_bytes=2, part_bytes=2, pitch_bytes=6)
    context = _context(LAYER, homes={"y": part})
    context.graph.tensors["joined"] = Tensor("joined", 8, 4, 6, "int8")  # type: ignore[index]
    context.elementwise(LAYER)
    assert _op(context).writes == (part,)
    assert context.row_ops().tensors["joined"].row_bytes == 24
    del context.graph.tensors["joined"]  # type: ignore[attr-defined]


def test_a_whole_map_is_made_in_one_step() -> None:
    context = _context(LAYER)
    context.whole(LAYER)
    op = _op(context)
    assert (op.reads, op.writes) == ((Read.whole("x", 8),), (Write("y", rows=8),))
    assert op.rows_made(0) == range(8)


def test_resizing_reads_fewer_rows_and_repeats_the_edge() -> None:
    context = _context(LAYER)
    # Half-pixel centres, 4 rows to 8: row r lies at (2 r + 1) / 4 - 1 / 2.
    context.resized(LAYER, stride=2, offset=-1, divisor=4)
    (read,) = _op(context).reads
    assert [read.first(row) for row in range(4)] == [-1, 0, 0, 1]
    assert read.edge and 0 <= read.phase < read.divisor


def test_int64_rows_are_aligned_to_their_elements() -> None:
    layer = Layer("layer", ("x",), "classes")
    context = _context(layer)
    context.elementwise(layer)
    assert context.row_ops().tensors["classes"].align_bytes == 8
