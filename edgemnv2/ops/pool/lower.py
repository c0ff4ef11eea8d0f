"""Means over the whole map: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.reduce.lower import arrange_reduction
from edgemnv2.ops.views import Views

__all__ = ["CLAMPS", "NODES", "arrange", "integer", "lower"]

NODES = ("mean", "pool")
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """`pool` over the map where one axis is left, else a reduction."""
    view = views.view(node)
    rank = len(view.shape)
    given = {axis for axis in node.attrs["axes"] if view.shape[axis] != 1}
    left = [axis for axis in range(rank) if view.shape[axis] != 1 and axis not in given]
    channels = left[0] if left else -1
    last = [axis for axis in view.order if view.shape[axis] != 1][-1:]
    moved = left and (view.map[2] != view.shape[channels] or last != [channels])
    if len(left) > 1 or len(given) == rank or moved:
        arrange_reduction(node, views, "mean")
        return
    # A single pixel may be averaged over any of its axes of extent 1.
    channel = left[0] if left else _unit_axis(view.shape, given)
    view = views.channels_last(view, channel)
    shape = views.shape(node.output)
    kept = {key: value for key, value in node.attrs.items() if key == "clamp"}
    made = Node("pool", (view.name,), node.output, kept, node.place)
    order = view.order if len(shape) == rank else tuple(range(len(shape)))
    views.emit(made, (1, 1, view.map[2]), order)


def _unit_axis(shape: tuple[int, ...], given: set[int]) -> int:
    """The axis that stands for the channels where nothing is left but axes of extent 1."""
    return max(axis for axis in range(len(shape)) if axis not in given)


def lower(node: Node, to: Lowering) -> None:
    """The mean of floats; or of stored integers, rounded as TFLite's AVERAGE_POOL_2D does."""
    to.add(GlobalAveragePool(**to.common(node), clamp=to.stored_clamp(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's MEAN, or ONNX's."""
    source = to.tensors[site.inputs[0]]
    factor = to.arithmetic.mean_requantize(site.x[0], site.y, source.height * source.width)
    to.add(GlobalAveragePool(**site.common, clamp=site.clamp, requantize=factor))
