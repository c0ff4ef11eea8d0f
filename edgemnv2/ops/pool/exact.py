"""The mean of floats over the map, the same bits on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool

__all__ = ["prepare"]

Array = NDArray[Any]


def prepare(layer: GlobalAveragePool, out: Tensor) -> Callable[[list[Array]], Array]:
    """The layer made ready to be run many times."""
    del out

    def mean(inputs: list[Array]) -> Array:
        (x,) = inputs
        # Exact: values are on one grid.
        total = x.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
        mean = total / float(x.shape[1] * x.shape[2])
        return np.asarray(np.clip(mean, *layer.clamp), np.float32)

    return mean
