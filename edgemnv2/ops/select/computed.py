"""Gathers at indices that the network computes: products with rows of zeros and a single one.

Decoders of key points and boxes take the offset where a heat map is largest, and labels are looked
up at the best class. There are few such indices, so a product with a row for each of them is short,
and exact: a value times one, plus zeros.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from edgemnv2.ops.cast.types import add_cast
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.matrix_product.product import add_product
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceTensor

__all__ = ["MOST_PLACES", "gather_at", "gather_each", "gather_parts"]

MOST_PLACES = 1 << 22
"""Rows times columns of zeros and ones, which take four bytes each."""
MOST_WHOLE = 1 << 24
"""Up to which float32 holds every whole number."""
Shape = tuple[int, ...]


def gather_at(
    flow: FlowBuilder,
    source: SourceTensor,
    indices: SourceTensor,
    output: SourceTensor,
    axis: int,
    from_behind: bool,
) -> None:
    """`source` at the computed `indices` of one axis, as `numpy.take` has it.

    `from_behind`: indices below 0 count from the end.
    """
    shape = source.shape
    before, extent, after = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    count = prod(indices.shape)
    numbers = _numbers(flow, indices, (count, 1), np.array([extent]), from_behind)
    table = _shaped(flow, _floats(flow, source), source, (before, extent, after))
    table = _turned(flow, table, source, (before, extent, after))
    table = _shaped(flow, table, source, (extent, before * after))
    taken = _taken(flow, numbers, table, (count, extent, before * after), source)
    made = _shaped(flow, taken, source, (count, before, after))
    _result(flow, _turned(flow, made, source, (count, before, after)), source, output)


def gather_parts(
    flow: FlowBuilder,
    source: SourceTensor,
    indices: SourceTensor,
    output: SourceTensor,
    from_behind: bool,
) -> None:
    """The parts of `source` at `indices` `[..., axes]` of its first axes."""
    axes = indices.shape[-1]
    extents = source.shape[:axes]
    rows, count, width = prod(extents), prod(indices.shape[:-1]), prod(source.shape[axes:])
    numbers = _numbers(flow, indices, (count, axes), np.array(extents), from_behind)
    table = _shaped(flow, _floats(flow, source), source, (rows, width))
    _result(flow, _taken(flow, numbers, table, (count, rows, width), source), source, output)


def gather_each(
    flow: FlowBuilder,
    source: SourceTensor,
    indices: SourceTensor,
    output: SourceTensor,
    axis: int,
    from_behind: bool,
) -> None:
    """One value for each index, of the same place but along `axis` (`numpy.take_along_axis`)."""
    shape, wanted = source.shape, indices.shape
    others = [i for i in range(len(shape)) if i != axis]
    if any(shape[i] != wanted[i] for i in others):
        raise Refusal(
            f"indices {list(wanted)} of {list(shape)}", "index along the whole of the other axes"
        )
    rows, extent, count = prod(shape[i] for i in others), shape[axis], wanted[axis]
    order = (*others, axis)
    arranged = _permuted(flow, _indices(flow, indices), indices, wanted, order)
    column = _shaped(flow, arranged, indices, (rows * count, 1))
    numbers = _counted(flow, column, indices, (rows * count, 1), np.array([extent]), from_behind)
    table = _permuted(flow, _floats(flow, source), source, shape, order)
    table = _shaped(flow, table, source, (rows, extent, 1))
    hot = flow.step(
        "reshape",
        _hot(flow, numbers, (rows * count, extent), source),
        source,
        to_shape=(rows, count, extent),
        shape=(rows, count, extent),
    )
    if isinstance(table, Constant):
        raise Refusal("a constant table", "index it along one axis")
    like = replace(output, name=f"{output.name}.each", shape=(rows, count, 1))
    made = add_product(flow, (hot, (rows, count, extent)), (table, (rows, extent, 1)), like)
    turned_shape = tuple(wanted[i] for i in order)
    back = tuple(order.index(i) for i in range(len(shape)))
    shaped = _shaped(flow, made, source, turned_shape)
    turned = _permuted(flow, shaped, source, turned_shape, back)
    _result(flow, turned, source, output)


def _floats(flow: FlowBuilder, source: SourceTensor) -> str | Constant:
    """The values of what is indexed, as floats."""
    stored = flow.real(source)
    if isinstance(stored, Constant):
        values = stored.real()
        if values.dtype.kind in "iu" and np.abs(values.astype(np.int64)).max() > MOST_WHOLE:
            raise Refusal(f"numbers above {MOST_WHOLE}", "look them up in the application")
        return Constant(values.astype(np.float32))
    if source.dtype == "float32" or (source.is_quantized and not source.truth):
        return stored
    return _indices(flow, source)


def _indices(flow: FlowBuilder, tensor: SourceTensor) -> str:
    """Computed whole numbers as floats."""
    made = SourceTensor(flow.fresh(tensor), tensor.shape, "float32")
    add_cast(flow, tensor, made)
    return made.name


def _numbers(
    flow: FlowBuilder, indices: SourceTensor, shape: Shape, extents: object, from_behind: bool
) -> str:
    """`[count, 1]`: the number of each row of indices `[count, axes]`, axes of `extents`."""
    sizes = np.asarray(extents)
    column = _shaped(flow, _indices(flow, indices), indices, shape)
    name = _counted(flow, column, indices, shape, sizes, from_behind)
    if len(sizes) == 1:
        return name
    steps = np.concatenate([np.cumprod(sizes[:0:-1])[::-1], [1]]).astype(np.float32)
    made = flow.fresh(indices, shape=(shape[0], 1))
    return flow.add("matmul", [name, Constant(steps.reshape(-1, 1))], made)


def _counted(
    flow: FlowBuilder,
    name: str | Constant,
    like: SourceTensor,
    shape: Shape,
    extents: object,
    from_behind: bool,
) -> str:
    """Numbers, of which those below 0 have their axis' extent added."""
    assert isinstance(name, str)
    if not from_behind:
        return name
    seen = replace(like, shape=shape)
    below = flow.truth("less", [name, Constant(np.zeros((), np.float32))], seen)
    made = SourceTensor(flow.fresh(seen), shape, "float32")
    add_cast(flow, SourceTensor.of_truths(below, shape, None), made)
    sizes = Constant(np.asarray(extents, np.float32))
    added = flow.add("multiply", [made.name, sizes], flow.fresh(seen))
    return flow.add("add", [name, added], flow.fresh(seen))


def _hot(flow: FlowBuilder, numbers: str, shape: Shape, like: SourceTensor) -> str:
    """`[count, extent]`: a row for each number, of zeros and a one at its place."""
    if prod(shape) > MOST_PLACES:
        raise Refusal(
            f"{shape[0]} computed indices of {shape[1]} values",
            "end the model in front of it, and index its outputs in the application",
            f"Computed indices times the values they choose from are {MOST_PLACES} or fewer",
        )
    seen = replace(like, shape=shape)
    places = Constant(np.arange(shape[1], dtype=np.float32).reshape(1, -1))
    truth = flow.truth("equal", [numbers, places], seen)
    made = SourceTensor(flow.fresh(seen), shape, "float32")
    add_cast(flow, SourceTensor.of_truths(truth, shape, None), made)
    return made.name


def _taken(
    flow: FlowBuilder,
    numbers: str,
    table: str | Constant,
    sizes: tuple[int, int, int],
    like: SourceTensor,
) -> str:
    """`[count, width]`: rows of the table `[extent, width]`; `sizes` of all three."""
    count, extent, width = sizes
    hot = _hot(flow, numbers, (count, extent), like)
    made = replace(like, name=f"{like.name}.taken", shape=(count, width))
    if isinstance(table, Constant):
        return flow.add("matmul", [hot, table], flow.fresh(made))
    return add_product(flow, (hot, (count, extent)), (table, (extent, width)), made)


def _shaped(
    flow: FlowBuilder, x: str | Constant, like: SourceTensor, shape: Shape
) -> str | Constant:
    if isinstance(x, Constant):
        return x.reshape(shape)
    return flow.step("reshape", x, like, to_shape=shape, shape=shape)


def _permuted(
    flow: FlowBuilder, x: str | Constant, like: SourceTensor, shape: Shape, axes: Shape
) -> str | Constant:
    if isinstance(x, Constant):
        return x.transpose(axes)
    to_shape = tuple(shape[axis] for axis in axes)
    return flow.step("permute", x, like, to_shape=to_shape, axes=axes)


def _turned(
    flow: FlowBuilder, x: str | Constant, like: SourceTensor, shape: Shape
) -> str | Constant:
    """The first two of three axes exchanged."""
    return x if 1 in shape[:2] else _permuted(flow, x, like, shape, (1, 0, 2))


def _result(
    flow: FlowBuilder, made: str | Constant, source: SourceTensor, output: SourceTensor
) -> None:
    shaped = _shaped(flow, made, source, output.shape)
    assert isinstance(shaped, str)
    if output.dtype == "float32" or (output.is_quantized and not output.truth):
        flow.result(shaped, output)
        return
    add_cast(flow, SourceTensor(shaped, output.shape, "float32"), output)
