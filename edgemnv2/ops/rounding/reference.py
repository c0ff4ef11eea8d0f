"""Whole numbers in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.rounding.layer import Rounding
from edgemnv2.ops.unary import unary_reference

__all__ = ["run"]

FUNCTIONS = {"ceil": np.ceil, "floor": np.floor, "round": np.rint}


def _rounded(x: NDArray[Any], layer: Rounding) -> NDArray[Any]:
    whole: NDArray[Any] = FUNCTIONS[layer.mode](x)
    return whole if layer.keeps_sign else np.where((x < 0) & (whole == 0), 0.0, whole)


run = unary_reference(_rounded)
