"""Import rules of ONNX: padding."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.select.indices import select
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def pad(node: SourceNode, flow: FlowBuilder) -> None:
    """Sizes are constants, two for each axis; those below zero cut."""
    source = node.input(0)
    rank = len(source.shape)
    sizes = node.get("pads", node.get("paddings"))
    if node.optional(1) is not None:
        sizes = node.ints(1, "sizes")
    if sizes is None:
        raise Refusal("sizes that are computed", "fold the padding into the convolution")
    sizes = [int(x) for x in sizes]
    pairs = [(0, 0)] * rank
    axes = list(range(rank))
    if node.optional(3) is not None:
        axes = [axis % rank for axis in node.ints(3, "axes")]
    if len(sizes) != 2 * len(axes):
        raise Refusal(f"sizes {sizes} for {len(axes)} axes", "export the model again")
    for place, axis in enumerate(axes):
        pairs[axis] = (sizes[place], sizes[place + len(sizes) // 2])
    cut = [[min(size, 0) for size in pair] for pair in pairs]
    if any(map(any, cut)):
        places = zip(source.shape, cut, strict=True)
        indices = [range(-first, extent + last) for extent, (first, last) in places]
        shape = tuple(map(len, indices))
        left = replace(source, name=f"{node.output.name}.cut", shape=shape, value=None)
        select(flow, source, left, indices)
        source, pairs = left, [(max(p, 0), max(q, 0)) for p, q in pairs]
    shape = tuple(extent + p + q for extent, (p, q) in zip(source.shape, pairs, strict=True))
    if shape != node.output.shape:
        raise Refusal(
            f"sizes {sizes} from {list(source.shape)} to {list(node.output.shape)}",
            "export the model again",
            "Shapes agree",
        )
    mode = str(node.get("mode", "constant"))
    if mode != "constant":
        select(
            flow,
            source,
            node.output,
            [_mirrored(e, p, mode) for e, p in zip(source.shape, pairs, strict=True)],
        )
        return
    value = float(node.get("value", 0.0))
    if node.optional(2) is not None:
        fill = flow.stored(node.input(2))
        if not isinstance(fill, Constant):
            raise Refusal("a fill value that is computed", "pad with a constant")
        value = float(fill.real().reshape(-1)[0])
    attrs = {"pairs": tuple(pairs), "value": value, "mode": mode}
    flow.move("pad", [flow.stored(source)], node.output, attrs)


def _mirrored(extent: int, pair: tuple[int, int], mode: str) -> list[int]:
    """Indices of an axis with its edge, or its mirror image, before and behind."""
    before, after = pair
    places = range(-before, extent + after)
    if mode == "edge":
        return [min(max(i, 0), extent - 1) for i in places]
    if mode == "wrap":
        return [i % extent for i in places]
    if mode != "reflect" or max(before, after) >= max(extent, 1):
        raise Refusal(f"mode {mode!r} of {list(pair)}", "pad with a constant")
    period = 2 * (extent - 1)
    turned = [i % period if period else 0 for i in places]
    return [i if i < extent else period - i for i in turned]


RULES: dict[str, Rule] = {"Pad": pad}
