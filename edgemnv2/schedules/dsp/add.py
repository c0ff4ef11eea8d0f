"""Residual add: two multiplications and a shift, for TFLite's where that gives all its results.

Where it does not: one table lookup for the input whose rescaling rounds, a shift for the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.matmul import wrap
from edgemnv2.schedules.dsp.rows import clamp_and_pad, int8_io
from edgemnv2.schedules.linear_add import LinearAdd, linear_add
from edgemnv2.tir.row_function import At, Call, row_function

__all__ = ["add_kernel"]

Array = NDArray[Any]

_SCALE_BITS = 2
"""Sums arrive times 4."""
_SHIFTS = (22, 23)
"""Of linear forms, those with a function of their own: factors of 23 bits fill 32."""
_HALF = (1 << 30, 0)
"""Multiplier and shift of 0.5: TFLite's factor of the input with the larger scale."""


def add_kernel(graph: Graph, layer: Add, decisions: Mapping[str, Any]) -> RowKernel | None:
    """The kernel of `layer`, or None for arithmetic outside TFLite's usual ranges."""
    first, second = graph.tensor_in(layer, 0), graph.tensor_in(layer, 1)
    out = graph.tensor_out(layer)
    if layer.rescale is None or not int8_io(first, second, out):
        return None
    form = linear_add(graph, layer)
    if form is not None:
        return _linear(layer, form, out, decisions)
    if layer.is_real:
        return None
    inputs = []
    for tensor, factor in zip((first, second), layer.rescale, strict=False):
        assert tensor.quant is not None
        levels = (np.arange(-128, 128) - tensor.quant.zero_point).astype(np.int64)
        shifted = levels << layer.left_shift
        table = multiply_by_quantized_multiplier(shifted, factor.multiplier[0], factor.shift[0])
        inputs.append((table, (int(factor.multiplier[0]), int(factor.shift[0])) == _HALF))
    total = layer.rescale[2]
    multiplier, right = int(total.multiplier[0]), -int(total.shift[0])
    largest = sum(int(abs(table).max()) for table, _ in inputs)
    assert out.quant is not None
    # Outside these bounds (no scales of a trained network) sums or offsets would leave 32 bits.
    if not 1 <= right <= 21 or multiplier <= 0 or largest >= 1 << 28:
        return None
    shift = right + _SCALE_BITS - 1
    offset = 1 + (1 << (right + _SCALE_BITS - 2)) + (out.quant.zero_point << shift)
    words = [multiplier, offset, shift]
    lut = [wrap(table << _SCALE_BITS) for table, _ in inputs]
    linear = next(
        (i for i, (_, half) in enumerate(inputs) if half and layer.left_shift == 20), None
    )
    count = out.width * out.channels
    if linear is None:
        name, rows = "edgemnv2_add_two_tables", (At("row_0"), At("row_1"))
        stream = [np.array([*words, 0], np.int32), *lut]
    else:
        other = 1 - linear
        name, rows = "edgemnv2_add_one_table", (At(f"row_{linear}"), At(f"row_{other}"))
        tensor = graph.tensor_in(layer, linear)
        assert tensor.quant is not None
        base = wrap(np.array([-tensor.quant.zero_point << 21], np.int64))
        stream = [np.array(words, np.int32), base, lut[other]]
    body = [
        Call(name, (*rows, At("out"), At("stream"), count)),
        *clamp_and_pad(layer.clamp, RowLayout(), out),
    ]
    parameters = [("row_0", "int8"), ("row_1", "int8"), ("out", "int8"), ("stream", "int32")]
    symbol, code = row_function("dsp_add", parameters, body)
    return RowKernel(
        symbol=symbol,
        constants=(np.concatenate(stream).astype(np.int32),),
        code=code,
        c_requires=("cortex_m_add.h",),
        decisions=dict(decisions),
    )


def _linear(layer: Add, form: LinearAdd, out: Tensor, decisions: Mapping[str, Any]) -> RowKernel:
    count = out.width * out.channels
    name = "edgemnv2_add_linear"
    if form.even:
        name += "_even"
    elif form.shift in _SHIFTS:
        name += f"_{form.shift}"
    half = 1 << (form.shift - 1) if form.even else 0
    words = [form.first, form.second, form.offset - half, form.shift, form.zero_point]
    body = [
        Call(name, (At("row_0"), At("row_1"), At("out"), At("stream"), count)),
        *clamp_and_pad(layer.clamp, RowLayout(), out),
    ]
    parameters = [("row_0", "int8"), ("row_1", "int8"), ("out", "int8"), ("stream", "int32")]
    symbol, code = row_function("dsp_add", parameters, body)
    return RowKernel(
        symbol=symbol,
        constants=(np.array(words, np.int32),),
        code=code,
        c_requires=("cortex_m_add_linear.h",),
        decisions=dict(decisions),
    )
