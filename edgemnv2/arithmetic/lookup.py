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

__all__ = ["lookup_table"]

Array = NDArray[Any]


def lookup_table(
    function: Callable[[float], float],
    x: QuantParams,
    x_dtype: str,
    y: QuantParams,
    y_dtype: str,
    format_: SourceFormat,
) -> Array:
    """int16 `[256]`: the stored output for each stored input, from the type's lowest value on.

    `function` is computed in double and rounded to float32, so that no machine's own float32
    functions decide about a value.
    """
    limits_in, limits = np.iinfo(x_dtype), np.iinfo(y_dtype)
    scale = np.float32(x.scale)
    inverse = np.float32(1.0) / np.float32(y.scale)
    table = np.empty(256, np.int16)
    for index in range(256):
        real = scale * np.float32(int(limits_in.min) + index - x.zero_point)
        value = np.float32(function(float(real)))
        if format_ == "onnx":
            rounded = float(np.rint(np.float64(value / np.float32(y.scale))))
        else:
            scaled = float(value * inverse)
            rounded = math.copysign(math.floor(abs(scaled) + 0.5), scaled)
        if math.isnan(rounded):
            rounded = 0.0
        bounded = min(max(rounded, -(2.0**31)), 2.0**31 - 1)
        table[index] = min(max(int(bounded) + y.zero_point, int(limits.min)), int(limits.max))
    return table
