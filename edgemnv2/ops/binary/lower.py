"""Two operands, broadcast, either of which may be a constant: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from edgemnv2.arithmetic import onnx
from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.arithmetic.tflite import (
    ADD_LEFT_SHIFT,
    COMPARISON_LEFT_SHIFT,
    DIFFERENCE_LEFT_SHIFT,
    add_rescale,
    comparison_rescale,
    squared_difference_rescale,
)
from edgemnv2.model import QuantParams
from edgemnv2.ops.binary.layer import COMPARISONS, Binary
from edgemnv2.ops.flow import Constant, Node
from edgemnv2.ops.lowering import INTEGER_TYPES, Lowering, Site
from edgemnv2.ops.views import View, Views

__all__ = ["CLAMPS", "NODES", "arrange", "integer", "is_integer", "lower"]

NODES = (
    "subtract", "multiply", "divide", "minimum", "maximum", "batch_norm", "combine",
    "squared_difference", *COMPARISONS,
)  # fmt: skip
CLAMPS = True
FURTHEST_STEP = 255
"""From a zero point of 8 bits."""
COMMUTE = ("add", "multiply", "minimum", "maximum", "squared_difference")


def arrange(node: Node, views: Views) -> None:
    """Constants as one value per channel where that is what they are, else spread over a map."""
    if node.op == "batch_norm":
        view = views.view(node)
        view = views.channels_last(view, node.attrs["axis"] % len(view.shape))
        vectors = (views.constant(node, i) for i in range(1, 5))
        flat = tuple(vector.reshape((vector.values.size,)) for vector in vectors)
        sizes = [vector.values.size for vector in flat]
        if any(size not in (1, view.map[2]) for size in sizes):
            raise views.refuse(
                node,
                f"vectors of {sizes} values for {view.map[2]} channels; export the model again",
            )
        views.emit_like(replace(node, inputs=(view.name, *flat)), view)
        return
    first, second = node.inputs[:2]
    if isinstance(first, Constant) and node.op in COMMUTE:
        first, second = second, first
    if isinstance(first, str) and isinstance(second, str):
        _two_activations(node, views, first, second)
        return
    name, constant = (first, second) if isinstance(first, str) else (second, first)
    assert isinstance(name, str) and isinstance(constant, Constant)
    shape = views.shape(node.output)
    view = views.of(name)
    if view.shape != shape:
        view = _spread_view(node, views, view, shape)
    values, view = views.spread(node, constant, view)
    inputs = (view.name, values) if isinstance(first, str) else (values, view.name)
    views.emit_like(replace(node, inputs=inputs), view)


def _two_activations(node: Node, views: Views, first: str, second: str) -> None:
    a, b = views.of(first), views.of(second)
    if a.shape == b.shape:
        b = views.like(b, a)
        views.emit_like(replace(node, inputs=(a.name, b.name)), a)
        return
    shape = views.shape(node.output)
    rank = len(shape)
    spread = [(1,) * (rank - len(v.shape)) + v.shape for v in (a, b)]
    if any(e not in (1, n) for s in spread for e, n in zip(s, shape, strict=False)) or any(
        len(s) != rank for s in spread
    ):
        raise views.refuse(
            node, f"{list(a.shape)} and {list(b.shape)} do not broadcast; export the model again"
        )
    a, b = (v.reshaped((1,) * (rank - len(v.shape)) + v.shape) or v for v in (a, b))
    base = a if a.shape == shape else b
    order = base.order
    if base.shape != shape:
        order = tuple(range(rank))
    map_ = views.map_of(shape, order)
    parts = []
    for view in (a, b):
        extents = _map_extents(view.shape, order)
        height, width, channels = (1 if e == 1 else m for e, m in zip(extents, map_, strict=True))
        part = (height, width, channels)
        if prod(part) != prod(view.map):
            # Some of the axes that are rows are repeated, others are not.
            view, part = views.repeated(view, shape, order), map_
        parts.append(views.arranged(view, order, part))
    inputs = (parts[0].name, parts[1].name)
    attrs = {**node.attrs, "function": node.op}
    views.emit(replace(node, op="combine", inputs=inputs, attrs=attrs), map_, order)


def _map_extents(shape: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, int, int]:
    extents = [shape[axis] for axis in order]
    extents = [1] * (3 - len(extents)) + extents
    return int(np.prod(extents[:-2])), extents[-2], extents[-1]


def _spread_view(node: Node, views: Views, view: View, shape: tuple[int, ...]) -> View:
    """`view` as `shape`, which the constant operand spreads it to."""
    rank = len(shape)
    seen = view.reshaped((1,) * (rank - len(view.shape)) + view.shape)
    if (
        seen is None
        or len(seen.shape) != rank
        or any(e not in (1, n) for e, n in zip(seen.shape, shape, strict=True))
    ):
        raise views.refuse(
            node,
            f"{list(view.shape)} and a constant do not make {list(shape)}; export the model again",
        )
    return seen if seen.shape == shape else views.repeated(seen, shape, seen.order)


def is_integer(node: Node) -> bool:
    """Whether TFLite has such an operator on integers, and its constant is quantised."""
    function = node.attrs.get("function", node.op)
    constants = [x for x in node.inputs if isinstance(x, Constant)]
    quantised = all(x.scale is not None and not x.per_axis for x in constants)
    known = ("add", "subtract", "multiply", "squared_difference", *COMPARISONS)
    return quantised and function in known


def integer(node: Node, site: Site, to: Lowering) -> None:
    """TFLite's ADD, SUB, MUL and SQUARED_DIFFERENCE; or ONNX's, of real numbers, rounded once."""
    function = node.attrs.get("function", node.op)
    constants = [x for x in node.inputs if isinstance(x, Constant)]
    first = isinstance(node.inputs[0], Constant)
    quants = list(site.x)
    inputs = site.inputs
    if constants:
        assert constants[0].scale is not None
        quants.insert(0 if first else 1, QuantParams(float(constants[0].scale.reshape(())), 0))
    elif len(quants) == 1:
        # A tensor with itself.
        quants, inputs = quants * 2, inputs * 2
    rescale: tuple[Requantize, ...]
    shift = 0
    if function in COMPARISONS and to.format == "onnx":
        values = [x.centred() for x in constants]
        largest = max([FURTHEST_STEP, *(int(np.abs(x.astype(np.int64)).max()) for x in values)])
        shift, rescale = onnx.comparison_rescale(quants[0], quants[1], largest)
    elif function in COMPARISONS:
        shift, rescale = COMPARISON_LEFT_SHIFT, comparison_rescale(quants[0], quants[1])
    elif to.format == "onnx":
        if function == "multiply":
            rescale = (onnx.product_requantize(quants[0], quants[1], site.y),)
        else:
            dtypes = [to.tensors[x].dtype for x in inputs]
            if constants:
                dtypes.insert(0 if first else 1, "int8")
            minus = function == "subtract"
            pair = (dtypes[0], dtypes[1])
            rescale = onnx.add_rescale(quants[0], quants[1], site.y, pair, subtract=minus)
    elif function == "multiply":
        # In float32, as LiteRT's MUL does.
        a, b, y = (np.float32(q.scale) for q in (*quants, site.y))
        rescale = (make_requantize([float(a * b / y)]),)
    elif function == "squared_difference":
        shift = DIFFERENCE_LEFT_SHIFT
        rescale = squared_difference_rescale(quants[0], quants[1], site.y)
    else:
        shift, rescale = ADD_LEFT_SHIFT, add_rescale(quants[0], quants[1], site.y)
    to.add(
        Binary(
            site.name,
            inputs,
            site.name,
            function=function,
            clamp=site.clamp,
            constant=constants[0].centred() if constants else None,
            constant_first=first,
            left_shift=shift,
            rescale=rescale,
        )
    )


def lower(node: Node, to: Lowering) -> None:
    """The operation on floats."""
    function = node.attrs.get("function", node.op)
    constants = [x for x in node.inputs if isinstance(x, Constant)]
    constant = None
    if constants:
        stored = to.flow.dtypes[node.output] in INTEGER_TYPES
        constant = constants[0].values if stored else constants[0].real().astype(np.float32)
    to.add(
        Binary(
            **to.common(node),
            function=function,
            clamp=to.stored_clamp(node),
            constant=constant,
            constant_first=isinstance(node.inputs[0], Constant),
        )
    )
