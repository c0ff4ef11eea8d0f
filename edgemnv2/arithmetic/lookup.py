"""A function of one 8-bit value as a table of 256: what it gives for each stored input.

TFLite fills such tables in float32 (`kernels/internal/common.h`, LUTPopulate): it multiplies by the
inverse of the output's scale and rounds halves away from zero. ONNX's QuantizeLinear divides, and
rounds halves to even.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import QuantParams, SourceFormat

__all__ = ["FURTHEST", "lookup_table", "stored_table"]

Array = NDArray[Any]
FURTHEST = 2.0**31 - 1
"""What is beyond is far outside of eight bits."""


def lookup_table(
    function: Callable[[float], float],
    x: QuantParams,
    x_dtype: str,
    y: QuantParams,
    y_dtype: str,
    format_: SourceFormat,
    *,
    divides: bool = False,
) -> Array:
    """int16 `[256]`: the stored output for each stored input, from the type's lowest value on.

    `function` is computed in double and rounded to float32, so that no machine's own float32
    functions decide about a value. `divides`: as TFLite's QUANTIZE, which is no table.
    """
    limits_in, limits = np.iinfo(x_dtype), np.iinfo(y_dtype)
    divides = divides or format_ == "onnx"
    scale = np.float32(x.scale)
    inverse = np.float32(1.0) / np.float32(y.scale)
    table = np.empty(256, np.int16)
    for index in range(256):
        real = scale * np.float32(int(limits_in.min) + index - x.zero_point)
        with np.errstate(over="ignore"):
            value = np.float32(function(float(real)))
            ratio = value / np.float32(y.scale) if divides else value * inverse
        scaled = 0.0 if np.isnan(ratio) else min(max(float(ratio), -FURTHEST), FURTHEST)
        if format_ == "onnx":
            rounded = float(np.rint(scaled))
        else:
            rounded = math.copysign(math.floor(abs(scaled) + 0.5), scaled)
        table[index] = min(max(int(rounded) + y.zero_point, int(limits.min)), int(limits.max))
    return table


def stored_table(
    function: Callable[[int], int], x: QuantParams, x_dtype: str, y: QuantParams, y_dtype: str
) -> Array:
    """int16 `[256]` as above, of a function of and to whole steps from the zero points."""
    limits_in, limits = np.iinfo(x_dtype), np.iinfo(y_dtype)
    table = np.empty(256, np.int16)
    for index in range(256):
        steps = int(limits_in.min) + index - x.zero_point
        value = function(steps) + y.zero_point
        table[index] = min(max(value, int(limits.min)), int(limits.max))
    return table
