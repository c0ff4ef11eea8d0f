"""Reductions: from the source's terms to layers."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.reduce.layer import Reduce, reduced_count
from edgemnv2.ops.views import View, Views

__all__ = ["CLAMPS", "NODES", "arrange", "arrange_reduction", "integer", "lower"]

NODES = ("reduce", "reduce_map")
CLAMPS = True


def arrange(node: Node, views: Views) -> None:
    """A reduction over axes of a map."""
    arrange_reduction(node, views, node.attrs["function"])


def arrange_reduction(node: Node, views: Views, function: str) -> None:
    """`reduce_map` over axes of a map that keeps or reduces each of its own axes whole."""
    view = views.view(node)
    rank = len(view.shape)
    axes = frozenset(node.attrs["axes"])
    reduced = _map_axes(view, axes)
    if reduced is None:
        view, reduced = _regrouped(views, view, axes)
    shape = views.shape(node.output)
    map_ = tuple(1 if axis in reduced else view.map[axis] for axis in range(3))
    order = view.order
    if len(shape) != rank:
        kept = [axis for axis in range(rank) if axis not in axes]
        order = tuple(kept.index(axis) for axis in view.order if axis in kept)
    if len(order) != len(shape):
        order = tuple(range(len(shape)))
    attrs = {key: value for key, value in node.attrs.items() if key == "clamp"}
    attrs |= {"function": function, "axes": reduced}
    made = Node("reduce_map", (view.name,), node.output, attrs, node.place)
    views.emit(made, (map_[0], map_[1], map_[2]), order)


def _map_axes(view: View, axes: frozenset[int]) -> tuple[int, ...] | None:
    """The axes of the view's map that are reduced; None where one would be so in part."""
    left = [axis for axis in view.order if view.shape[axis] != 1]
    reduced = []
    for place, extent in enumerate(view.map):
        inside: list[int] = []
        while prod(view.shape[axis] for axis in inside) < extent and left:
            inside.append(left.pop(0))
        if prod(view.shape[axis] for axis in inside) != extent:
            return None
        flags = {axis in axes for axis in inside}
        if len(flags) > 1:
            return None
        if flags == {True}:
            reduced.append(place)
    return None if left else tuple(reduced)


def _regrouped(views: Views, view: View, axes: frozenset[int]) -> tuple[View, tuple[int, ...]]:
    """`view` over a map whose axes are runs of kept or of reduced axes; and those reduced."""
    order = view.order
    runs = _runs(view, order, axes)
    if len(runs) > 3:
        # What is reduced first, what is kept last.
        order = tuple(sorted(order, key=lambda axis: axis not in axes))
        runs = _runs(view, order, axes)
    runs = [(1, False)] * (3 - len(runs)) + runs
    height, width, channels = (extent for extent, _ in runs)
    view = views.arranged(view, order, (height, width, channels))
    return view, tuple(place for place, (_, flag) in enumerate(runs) if flag)


def _runs(view: View, order: tuple[int, ...], axes: frozenset[int]) -> list[tuple[int, bool]]:
    runs: list[tuple[int, bool]] = []
    for axis in order:
        extent, flag = view.shape[axis], axis in axes
        if extent == 1:
            continue
        if runs and runs[-1][1] == flag:
            runs[-1] = (runs[-1][0] * extent, flag)
        else:
            runs.append((extent, flag))
    return runs


def lower(node: Node, to: Lowering) -> None:
    """The reduction of floats, or the extremes of what is stored."""
    function, axes = node.attrs["function"], node.attrs["axes"]
    to.add(Reduce(**to.common(node), function=function, axes=axes, clamp=to.stored_clamp(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's MEAN and SUM; extremes of what is stored, rescaled where scales differ."""
    function, axes = node.attrs["function"], node.attrs["axes"]
    source = to.tensors[site.inputs[0]]
    if function in ("max", "min"):
        extremes = Reduce(**site.common, function=function, axes=axes, clamp=site.clamp)
        to.add_keeping(extremes, site)
        return
    if function == "mean":
        factor = to.arithmetic.mean_requantize(site.x[0], site.y, reduced_count(source, axes))
    else:
        factor = to.arithmetic.rescale_requantize(site.x[0], site.y)
    to.add(Reduce(**site.common, function=function, axes=axes, clamp=site.clamp, requantize=factor))
