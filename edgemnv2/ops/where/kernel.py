"""The choice in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.where.layer import Where
from edgemnv2.tir.builder import Builder, load, scalar, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]

Expr = Any
OPERANDS = ("condition", "when", "otherwise")


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `rows, out, [row,] constants`."""
    assert isinstance(layer, Where)
    out = graph.tensor_out(layer)
    elements = out.width * out.channels
    places = iter(layer.inputs)
    tensors = [graph.tensors[next(places)] if x is None else None for x in layer.constants]
    dtypes = ["int8" if i == 0 else out.dtype for i in range(3)]
    if tensors[0] is not None:
        dtypes[0] = tensors[0].dtype
    zero = 0 if tensors[0] is None else zero_point_of(tensors[0])
    shapes = [None if x is None else x.shape for x in layer.constants]
    by_row = any(shape is not None and len(shape) > 1 for shape in shapes)
    facts = {"elements": elements, "dtypes": dtypes, "zero": zero, "constants": shapes}
    # Not noalias: two operands may be one tensor.
    k = Builder(symbol_name("plain_where", facts), noalias=False, scope="global")
    pointers: list[Any] = [None] * 3
    for i, tensor in enumerate(tensors):
        if tensor is not None:
            pointers[i] = k.pointer(f"row{i}", dtypes[i])
    target = k.pointer("out", out.dtype)
    number: Any = k.number("row") if by_row else None
    constants = []
    for i, constant in enumerate(layer.constants):
        if constant is not None:
            constants.append(np.ascontiguousarray(constant, np.dtype(dtypes[i])))
            pointers[i] = k.pointer(OPERANDS[i], dtypes[i])
    with k.loop(elements) as i:
        values = []
        for place, constant in enumerate(layer.constants):
            at: Expr = i
            if constant is not None:
                at = scalar(0, "int32") if constant.ndim == 1 else number * elements + i
            values.append(k.let(load(pointers[place], at, dtypes[place])))
        true = values[0] != scalar(zero, dtypes[0])
        k.store(target, i, tirx.Select(true, values[1], values[2]))
    kernel = RowKernel(
        k.symbol,
        tuple(constants),
        code=Code.of(k),
        schedule="fallback",
        takes_row_number=by_row,
    )
    return {layer.name: kernel}
