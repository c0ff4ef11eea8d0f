"""Concatenations: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.concat.layer import AXES, Concat
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.views import Views

__all__ = ["NODES", "arrange", "integer", "lower"]

NODES = ("concat",)


def arrange(node: Node, views: Views) -> None:
    """All operands as the first lies; the axis becomes height, width or channels."""
    first = views.view(node)
    axis = node.attrs["axis"] % len(first.shape)
    order = first.order
    operands = []
    for index in range(len(node.inputs)):
        view = views.view(node, index)
        operands.append(views.arranged(view, order, views.map_of(view.shape, order)))
    place = max(0, order.index(axis) - len(order) + 3)
    maps = [view.map for view in operands]
    if len(order) > 3 and order.index(axis) < len(order) - 3:
        # Rows of several axes: only the outermost of them can be put behind one another.
        if any(view.shape[a] != 1 for view in operands for a in order[: order.index(axis)]):
            raise views.refuse(node, f"along axis {axis} of {list(first.shape)}")
    elif place == 0 and any(v.shape[a] != 1 for v in operands for a in order[: order.index(axis)]):
        raise views.refuse(node, f"along axis {axis} of {list(first.shape)}")
    if len({m[:place] + m[place + 1 :] for m in maps}) != 1:
        raise views.refuse(node, f"operands {[list(v.shape) for v in operands]} differ elsewhere")
    out = list(maps[0])
    out[place] = sum(m[place] for m in maps)
    inputs = tuple(view.name for view in operands)
    new = replace(node, inputs=inputs, attrs={"axis": AXES[place]})
    views.emit(new, (out[0], out[1], out[2]), order)


def lower(node: Node, to: Lowering) -> None:
    """What is stored, behind one another; an operand may come again."""
    name = to.declare(node.output)
    inputs = tuple(to.resolve(str(operand)) for operand in node.inputs)
    to.add(Concat(name, inputs, name, axis=node.attrs["axis"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """Operands of another scale are brought to the output's."""
    names = []
    by_name = dict(zip(node.tensors, zip(site.inputs, site.x, strict=True), strict=True))
    for index, operand in enumerate(node.inputs):
        name, x = by_name[str(operand)]
        if x == site.y and to.tensors[name].dtype == site.dtype:
            names.append(name)
            continue
        inner = f"{site.name}.{index}"
        shape = to.tensors[name]
        to.tensors[inner] = replace(shape, name=inner, dtype=site.dtype, quant=site.y)
        factor = to.arithmetic.rescale_requantize(x, site.y)
        to.add(Rescale(inner, (name,), inner, requantize=factor, clamp=site.clamp))
        names.append(inner)
    to.add(Concat(site.name, tuple(names), site.name, axis=node.attrs["axis"]))
