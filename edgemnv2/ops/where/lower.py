"""Choices: from the source's terms to layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.ops.flow import Constant, Node
from edgemnv2.ops.lowering import INTEGER_TYPES, Lowering
from edgemnv2.ops.views import View, Views
from edgemnv2.ops.where.layer import Where

__all__ = ["NODES", "arrange", "lower"]

NODES = ("where",)
"""Operands: condition, what is taken where it is true, and where it is not."""


def arrange(node: Node, views: Views) -> None:
    """All three spread over the output, as the first activation of its shape lies."""
    shape = views.shape(node.output)
    rank = len(shape)
    seen = [views.of(x) if isinstance(x, str) else None for x in node.inputs]
    found = [view for view in seen if view is not None]
    whole = next((view for view in found if view.shape == shape), None)
    base = whole or _spread(node, views, found[0], shape, tuple(range(rank)))
    inputs: list[str | Constant] = []
    for operand, view in zip(node.inputs, seen, strict=True):
        if isinstance(operand, Constant):
            inputs.append(_arranged(node, views, operand, base))
            continue
        assert view is not None
        if whole is None and view is found[0]:
            spread = base
        else:
            spread = view if view.shape == shape else _spread(node, views, view, shape, base.order)
        inputs.append(views.like(spread, base).name)
    views.emit_like(replace(node, inputs=tuple(inputs)), base)


def _spread(
    node: Node, views: Views, view: View, shape: tuple[int, ...], order: tuple[int, ...]
) -> View:
    """`view` repeated to `shape`."""
    rank = len(shape)
    old = (1,) * (rank - len(view.shape)) + view.shape
    if len(old) != rank or any(e not in (1, n) for e, n in zip(old, shape, strict=True)):
        raise views.refuse(
            node,
            f"{list(view.shape)} does not broadcast to {list(shape)}; export the model again",
        )
    seen = view.reshaped(old) or views.plain(view).reshaped(old)
    assert seen is not None
    return seen if old == shape else views.repeated(seen, shape, order)


def _arranged(node: Node, views: Views, constant: Constant, base: View) -> Constant:
    """A constant as `[1]`, or as a map that lies as `base` does."""
    values = constant.values
    if values.size == 1:
        return constant.reshape((1,))
    try:
        whole = np.broadcast_to(values, base.shape)
    except ValueError:
        raise views.refuse(
            node,
            f"a constant of {list(values.shape)} does not broadcast to {list(base.shape)}; export "
            "the model again",
        ) from None
    return replace(constant, values=whole.transpose(base.order).reshape(base.map), axis=0)


def lower(node: Node, to: Lowering) -> None:
    """Of what is stored: floats, or integers of one scale."""
    stored = to.flow.dtypes[node.output] in INTEGER_TYPES
    condition, when, otherwise = (
        None if isinstance(x, str) else x.values.astype(np.int32) if stored else x.real()
        for x in node.inputs
    )
    if condition is not None:
        condition = (node.constant(0).real() != 0).astype(np.int8)
    to.add(Where(**to.common(node), condition=condition, when=when, otherwise=otherwise))
