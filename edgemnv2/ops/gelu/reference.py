"""Gaussian error linear unit in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.gelu.layer import Gelu
from edgemnv2.ops.unary import unary_reference

__all__ = ["run"]

Array = NDArray[Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(x: Array, layer: Gelu) -> Array:
    if layer.approximate:
        bend = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    else:
        bend = _erf(x * math.sqrt(0.5))
    return np.asarray(x / 2 * (1 + bend))


run = unary_reference(_gelu)
