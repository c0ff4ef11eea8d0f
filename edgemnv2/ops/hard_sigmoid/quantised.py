"""What the quantiser makes of a hard sigmoid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Layer, Tensor

__all__ = ["target"]


def target(
    layer: Layer, sources: Sequence[Tensor], wanted: Tensor, error: Callable[[QuantParams], float]
) -> QuantParams:
    """All of 0 to 1, both of which come out: 255 steps."""
    del layer, sources, wanted, error
    return QuantParams(float(np.float32(1.0 / 255.0)), -128)
