"""Softmax of floats, the same bits on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import exp, ordered_sum
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.softmax.layer import Softmax

__all__ = ["prepare"]

Array = NDArray[Any]


def prepare(layer: Softmax, out: Tensor) -> Callable[[list[Array]], Array]:
    """The layer made ready to be run many times."""
    del out

    def softmax(inputs: list[Array]) -> Array:
        wide = inputs[0].astype(np.float64)
        powers = exp(layer.beta * (wide - wide.max(axis=-1, keepdims=True)))
        return np.asarray(powers / ordered_sum(powers, -1)[..., np.newaxis], np.float32)

    return softmax
