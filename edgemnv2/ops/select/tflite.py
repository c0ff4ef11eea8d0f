"""Import rules of TFLite: slices, splits, gathers, tiles."""

from __future__ import annotations

from edgemnv2.ops.select.indices import select, strided
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def slice_(node: SourceNode, flow: FlowBuilder) -> None:
    """Begin and size are constants."""
    source = node.input(0)
    begins, sizes = node.ints(1, "a begin"), node.ints(2, "a size")
    ranges = zip(source.shape, begins, sizes, strict=True)
    indices = [list(range(b, e if n == -1 else b + n)) for e, b, n in ranges]
    select(flow, source, node.output, indices)


def strided_slice(node: SourceNode, flow: FlowBuilder) -> None:
    """Begin, end and strides are constants; no ellipsis, no new axes."""
    source = node.input(0)
    if node.get("ellipsis_mask", 0) or node.get("new_axis_mask", 0):
        raise Refusal("an ellipsis or a new axis", "spell out all axes")
    begins, ends, steps = (node.ints(i, "a bound") for i in (1, 2, 3))
    begin_mask, end_mask = int(node.get("begin_mask", 0)), int(node.get("end_mask", 0))
    shrink = int(node.get("shrink_axis_mask", 0))
    indices = []
    for axis, extent in enumerate(source.shape):
        if axis >= len(begins):
            indices.append(list(range(extent)))
            continue
        bit = 1 << axis
        begin = None if begin_mask & bit else begins[axis]
        if shrink & bit:
            indices.append([(begin or 0) % extent])
            continue
        end = None if end_mask & bit else ends[axis]
        if begin is not None:
            begin = max(begin, -extent) if steps[axis] > 0 else begin
        indices.append(strided(extent, begin, end, steps[axis]))
    select(flow, source, node.output, indices)


def _parts(node: SourceNode, flow: FlowBuilder, operand: int, axis: int, sizes: list[int]) -> None:
    source = node.input(operand)
    axis %= len(source.shape)
    start = 0
    for output, size in zip(node.outputs, sizes, strict=True):
        indices = [list(range(extent)) for extent in source.shape]
        indices[axis] = list(range(start, start + size))
        select(flow, source, output, indices)
        start += size


def split(node: SourceNode, flow: FlowBuilder) -> None:
    """The axis is constant."""
    (axis,) = node.ints(0, "an axis")
    extent = node.input(1).shape[axis]
    count = len(node.outputs)
    _parts(node, flow, 1, axis, [extent // count] * count)


def split_v(node: SourceNode, flow: FlowBuilder) -> None:
    """Sizes and axis are constants."""
    sizes, (axis,) = node.ints(1, "sizes"), node.ints(2, "an axis")
    extent = node.input(0).shape[axis]
    known = sum(size for size in sizes if size >= 0)
    _parts(node, flow, 0, axis, [extent - known if size < 0 else size for size in sizes])


def unpack(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    count = len(node.outputs)
    _parts(node, flow, 0, int(node.get("axis", 0)), [1] * count)


def gather(node: SourceNode, flow: FlowBuilder) -> None:
    """Indices are constants along one axis."""
    source = node.input(0)
    axis = int(node.get("axis", 0)) % len(source.shape)
    indices = [list(range(extent)) for extent in source.shape]
    indices[axis] = [i % source.shape[axis] for i in node.ints(1, "indices")]
    select(flow, source, node.output, indices)


def tile(node: SourceNode, flow: FlowBuilder) -> None:
    """Repeats are constants."""
    source = node.input(0)
    repeats = node.ints(1, "repeats")
    pairs = zip(source.shape, repeats, strict=True)
    select(flow, source, node.output, [list(range(e)) * n for e, n in pairs])


def reverse(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    source = node.input(0)
    axes = {axis % len(source.shape) for axis in node.ints(1, "axes")}
    indices = [list(range(e))[:: -1 if i in axes else 1] for i, e in enumerate(source.shape)]
    select(flow, source, node.output, indices)


def broadcast_to(node: SourceNode, flow: FlowBuilder) -> None:
    """The rank stays."""
    source, shape = node.input(0), node.output.shape
    if len(shape) != len(source.shape):
        raise Refusal(f"{list(source.shape)} to {list(shape)}", "reshape in front of it")
    pairs = zip(source.shape, shape, strict=True)
    select(flow, source, node.output, [list(range(e)) if e == n else [0] * n for e, n in pairs])


def mirror_pad(node: SourceNode, flow: FlowBuilder) -> None:
    """Sizes are constants."""
    source = node.input(0)
    pairs = node.value(1, "sizes").reshape(-1, 2).tolist()
    offset = 0 if node.get("mode", "REFLECT") == "SYMMETRIC" else 1
    indices = []
    for extent, (before, after) in zip(source.shape, pairs, strict=True):
        front = [i + offset for i in range(before)][::-1]
        back = [extent - 1 - offset - i for i in range(after)]
        indices.append([*front, *range(extent), *back])
    select(flow, source, node.output, indices)


RULES: dict[str, Rule] = {
    "BROADCAST_TO": broadcast_to,
    "GATHER": gather,
    "MIRROR_PAD": mirror_pad,
    "REVERSE_V2": reverse,
    "SLICE": slice_,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "STRIDED_SLICE": strided_slice,
    "TILE": tile,
    "UNPACK": unpack,
}
