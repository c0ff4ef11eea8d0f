"""Import rules of TFLite: slices, splits, gathers, tiles."""

from __future__ import annotations

from edgemnv2.ops.select.computed import gather_at, gather_parts
from edgemnv2.ops.select.indices import (
    broadcast,
    counted,
    gather_places,
    select,
    spread,
    strided,
)
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def slice_(node: SourceNode, flow: FlowBuilder) -> None:
    """Begin and size are constants."""
    source = node.input(0)
    begins, sizes = node.ints(1, "a begin"), node.ints(2, "a size")
    ranges = list(zip(source.shape, begins, sizes, strict=True))
    if any(not 0 <= b <= e or not -1 <= n <= e - b for e, b, n in ranges):
        raise Refusal(
            f"begin {begins} and size {sizes} of {list(source.shape)}",
            "export the model again",
            "Indices are inside",
        )
    indices = [range(b, e if n == -1 else b + n) for e, b, n in ranges]
    select(flow, source, node.output, indices)


def strided_slice(node: SourceNode, flow: FlowBuilder) -> None:
    """Begin, end and strides are constants."""
    source = node.input(0)
    begins, ends, steps = (node.ints(i, "a bound") for i in (1, 2, 3))
    masks = {
        name: int(node.get(f"{name}_mask", 0))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    if node.get("offset", False):
        ends = [begin + end for begin, end in zip(begins, ends, strict=True)]
    indices: list[list[int]] = []
    for place, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        set_ = {name for name, mask in masks.items() if mask >> place & 1}
        if "ellipsis" in set_:
            rest = range(place + 1, len(begins))
            wanted = sum(1 for i in rest if not masks["new_axis"] >> i & 1)
            while len(indices) < len(source.shape) - wanted:
                indices.append(list(range(source.shape[len(indices)])))
            continue
        if "new_axis" in set_:
            # The output's shape says where it is.
            continue
        extent = source.shape[len(indices)]
        if "shrink_axis" in set_:
            indices.append(counted([begin], extent))
            continue
        first = None if "begin" in set_ else max(begin, -extent) if step > 0 else begin
        last = None if "end" in set_ else end
        if step < 0 and last is not None and last < -extent:
            last = None
        indices.append(strided(extent, first, last, step))
    indices += [list(range(extent)) for extent in source.shape[len(indices) :]]
    select(flow, source, node.output, indices)


def _parts(node: SourceNode, flow: FlowBuilder, operand: int, axis: int, sizes: list[int]) -> None:
    source = node.input(operand)
    axis %= len(source.shape)
    start = 0
    for output, size in zip(node.outputs, sizes, strict=True):
        indices = [range(extent) for extent in source.shape]
        indices[axis] = range(start, start + size)
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
    """Indices are along one axis; batches are of one."""
    source = node.input(0)
    batches = int(node.get("batch_dims", 0))
    if any(extent != 1 for extent in source.shape[:batches]):
        raise Refusal(f"batch_dims={batches} of {list(source.shape)}", "gather along one axis")
    axis = int(node.get("axis", 0)) % len(source.shape)
    if node.input(1).value is None:
        gather_at(flow, source, node.input(1), node.output, axis, from_behind=False)
        return
    indices = [list(range(extent)) for extent in source.shape]
    indices[axis] = counted(node.ints(1, "indices"), source.shape[axis])
    select(flow, source, node.output, indices)


def gather_nd(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source, indices = node.input(0), node.input(1)
    if indices.value is not None:
        gather_places(flow, source, source.shape, indices.value, node.output)
        return
    gather_parts(flow, source, indices, node.output, from_behind=False)


def tile(node: SourceNode, flow: FlowBuilder) -> None:
    """Repeats are constants."""
    spread(flow, node.input(0), node.output, node.ints(1, "repeats"))


def reverse(node: SourceNode, flow: FlowBuilder) -> None:
    """Axes are constants."""
    source = node.input(0)
    axes = {axis % len(source.shape) for axis in node.ints(1, "axes")}
    indices = [list(range(e))[:: -1 if i in axes else 1] for i, e in enumerate(source.shape)]
    select(flow, source, node.output, indices)


def broadcast_to(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    broadcast(flow, node.input(0), node.output)


def mirror_pad(node: SourceNode, flow: FlowBuilder) -> None:
    """Sizes are constants."""
    source = node.input(0)
    pairs = node.value(1, "sizes").reshape(-1, 2).tolist()
    offset = 0 if node.get("mode", "REFLECT") == "SYMMETRIC" else 1
    indices = []
    for extent, (before, after) in zip(source.shape, pairs, strict=True):
        if not (0 <= before <= extent - offset and 0 <= after <= extent - offset):
            raise Refusal(
                f"sizes {pairs} of {list(source.shape)}",
                "export the model again",
                "A mirror image is no longer than what it mirrors",
            )
        front = [i + offset for i in range(before)][::-1]
        back = [extent - 1 - offset - i for i in range(after)]
        indices.append([*front, *range(extent), *back])
    select(flow, source, node.output, indices)


RULES: dict[str, Rule] = {
    "BROADCAST_TO": broadcast_to,
    "GATHER": gather,
    "GATHER_ND": gather_nd,
    "MIRROR_PAD": mirror_pad,
    "REVERSE_V2": reverse,
    "SLICE": slice_,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "STRIDED_SLICE": strided_slice,
    "TILE": tile,
    "UNPACK": unpack,
}
