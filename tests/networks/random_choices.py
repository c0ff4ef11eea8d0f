"""Operators of random TFLite networks that compare, choose, sort, and multiply two tensors."""

from __future__ import annotations

import numpy as np

from tests.networks.random_builder import MOST_ELEMENTS, Builder, Live, operator

COMPARISONS = {
    "EQUAL": "EqualOptions",
    "GREATER": "GreaterOptions",
    "GREATER_EQUAL": "GreaterEqualOptions",
    "LESS": "LessOptions",
    "LESS_EQUAL": "LessEqualOptions",
    "NOT_EQUAL": "NotEqualOptions",
}


@operator
def choice(b: Builder, x: Live) -> Live | None:
    """A comparison with a constant or a tensor, and one of two tensors by it."""
    if b.quantised and x.scale >= 1:
        return None  # LiteRT compares none of such a scale
    name = b.pick(*(COMPARISONS if b.quantised else ("GREATER", "LESS_EQUAL")))
    alike = [
        t for t in b.live
        if t.shape == x.shape and (t.scale, t.zero_point) == (x.scale, x.zero_point)
    ]  # fmt: skip
    if b.quantised:
        limits = np.iinfo(b.dtype)
        data = np.array([b.integer(limits.min, limits.max)], b.dtype)
        second = b.net.constant(data, scale=x.scale, zero_point=x.zero_point)
        pair = [x.number, b.pick(second, b.pick(*alike).number)]
    else:
        # The choice is the same where the last bit decides about the comparison: an extreme.
        second = b.net.constant(np.array([b.random.normal()], np.float32))
        pair = [x.number, second]
    truth = b.net.tensor(x.shape, "bool")
    b.net.add(name, [x.number, second], [truth], COMPARISONS[name])
    if b.chance(0.3):
        turned = b.net.tensor(x.shape, "bool")
        b.net.add("LOGICAL_NOT", [truth], [turned], "LogicalNotOptions")
        b.use("LOGICAL_NOT")
        truth = turned
    b.use(name)
    b.use("SELECT_V2")
    y = b.like(x)
    b.net.add("SELECT_V2", [truth, *pair], [y.number], "SelectV2Options")
    return y


@operator
def batch_matmul(b: Builder, x: Live) -> Live | None:
    """With itself, one of the two turned."""
    if b.dtype == "uint8" or len(x.shape) < 3:
        return None
    first = b.chance(0.5)
    depth, size = x.shape[-2:] if first else x.shape[-1:-3:-1]
    shape = (*x.shape[:-2], size, size)
    if np.prod(shape) > MOST_ELEMENTS:
        return None
    scale = b.product_scale(x, np.array([x.scale]), depth)
    y = b.tensor(shape, scale)
    b.use(f"BATCH_MATMUL adj_{'x' if first else 'y'} of {len(shape)}")
    fields = {"adj_x": first, "adj_y": not first}
    b.net.add("BATCH_MATMUL", [x.number] * 2, [y.number], "BatchMatMulOptions", **fields)
    return y


@operator
def topk(b: Builder, x: Live) -> Live | None:
    count = b.integer(1, x.shape[-1])
    shape = (*x.shape[:-1], count)
    b.use("TOPK_V2")
    y, places = b.like(x, shape), b.net.tensor(shape, "int32")
    number = b.net.constant(np.int32(count))
    b.net.add("TOPK_V2", [x.number, number], [y.number, places], "TopKV2Options")
    return y
