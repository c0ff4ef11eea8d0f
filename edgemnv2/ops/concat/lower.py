"""Concatenations: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.lookup import lookup_table
from edgemnv2.model import QuantParams, SourceFormat
from edgemnv2.ops.concat.layer import AXES, Concat
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lookup.layer import Lookup
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.views import View, Views

__all__ = ["NODES", "arrange", "integer", "lower"]

Array = NDArray[Any]
NODES = ("concat",)


def arrange(node: Node, views: Views) -> None:
    """All operands as the first lies; the axis becomes height, width or channels."""
    first = views.view(node)
    axis = node.attrs["axis"] % len(first.shape)
    order = first.order
    seen = [views.view(node, index) for index in range(len(node.inputs))]
    flat = _flattened(seen, order, axis)
    if flat is not None:
        operands, height = flat, sum(prod(view.map) for view in flat)
        length = gcd(*(view.map[1] * view.map[2] for view in flat))
        inner = prod(first.shape[a] for a in order[order.index(axis) + 1 :])
        new = replace(node, inputs=tuple(x.name for x in operands), attrs={"axis": "height"})
        views.emit(new, (height // length, length // inner, inner), order)
        return
    place = max(0, order.index(axis) - len(order) + 3)
    front = order[: order.index(axis)]
    if place == 0 and any(view.shape[a] != 1 for view in seen for a in front):
        # Axes in front of it are the rows, it and those behind are one width.
        place = 1
        operands = [views.arranged(v, order, _around(v, order, axis)) for v in seen]
    else:
        operands = [views.arranged(v, order, views.map_of(v.shape, order)) for v in seen]
    maps = [view.map for view in operands]
    if len({m[:place] + m[place + 1 :] for m in maps}) != 1:
        raise views.refuse(
            node,
            f"operands {[list(v.shape) for v in operands]} differ elsewhere; export it again",
        )
    out = list(maps[0])
    out[place] = sum(m[place] for m in maps)
    inputs = tuple(view.name for view in operands)
    new = replace(node, inputs=inputs, attrs={"axis": AXES[place]})
    views.emit(new, (out[0], out[1], out[2]), order)


def _flattened(seen: list[View], order: tuple[int, ...], axis: int) -> list[View] | None:
    """The operands as the maps that they are, where a row of each is whole pieces of the output.

    So are the heads of a detector, each of them `[boxes, numbers]` of a map: nothing has to be
    gathered before it is put behind the others. None where one is no such map, or all are alike.
    """
    if any(view.shape[a] != 1 for view in seen for a in order[: order.index(axis)]):
        return None
    inner = prod(seen[0].shape[a] for a in order[order.index(axis) + 1 :])
    if len({view.map[1:] for view in seen}) == 1:
        return None
    whole = all(view.lies_as(order) and view.map[1] * view.map[2] % inner == 0 for view in seen)
    alike = (
        len({tuple(view.shape[a] for a in order[order.index(axis) + 1 :]) for view in seen}) == 1
    )
    return seen if whole and alike else None


def _around(view: View, order: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """A map whose width is `axis`."""
    extents = [view.shape[a] for a in order]
    place = order.index(axis)
    return prod(extents[:place]), extents[place], prod(extents[place + 1 :])


def lower(node: Node, to: Lowering) -> None:
    """What is stored, behind one another; an operand may come again."""
    name = to.declare(node.output)
    inputs = tuple(to.resolve(str(operand)) for operand in node.inputs)
    to.add(Concat(name, inputs, name, axis=node.attrs["axis"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """Operands of another scale are brought to the output's by a table."""
    names = []
    by_name = dict(zip(node.tensors, zip(site.inputs, site.x, strict=True), strict=True))
    limits = np.iinfo(site.dtype)
    for index, operand in enumerate(node.inputs):
        name, x = by_name[str(operand)]
        shape = to.tensors[name]
        whole = site.clamp == (limits.min, limits.max)
        if x == site.y and shape.dtype == site.dtype and whole:
            names.append(name)
            continue
        inner = f"{site.name}.{index}"
        to.tensors[inner] = replace(shape, name=inner, dtype=site.dtype, quant=site.y)
        table = _requantized(x, shape.dtype, site, to.format)
        low, high = site.clamp
        to.add(Lookup(inner, (name,), inner, table=np.clip(table, int(low), int(high))))
        names.append(inner)
    to.add(Concat(site.name, tuple(names), site.name, axis=node.attrs["axis"]))


def _requantized(x: QuantParams, dtype: str, site: Site, format_: SourceFormat) -> Array:
    """int16 `[256]`. LiteRT, which does so for uint8 only, adds the zero point as a float."""
    if format_ == "onnx" or dtype == "int8":
        return lookup_table(lambda real: real, x, dtype, site.y, site.dtype, format_)
    factor = np.float32(x.scale) * (np.float32(1.0) / np.float32(site.y.scale))
    bias = np.float32(-x.zero_point) * factor
    scaled = np.arange(256).astype(np.float32) * factor + bias
    # TfLiteRound: halves away from zero.
    rounded = np.copysign(np.floor(np.abs(scaled).astype(np.float64) + 0.5), scaled)
    limits = np.iinfo(site.dtype)
    moved: Array = np.clip(rounded + site.y.zero_point, limits.min, limits.max)
    return moved.astype(np.int16)
