"""What the quantiser makes of pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.window_pool.layer import AveragePool, MaxPool

__all__ = ["target"]


def target(
    layer: MaxPool | AveragePool,
    sources: Sequence[Tensor],
    wanted: Tensor,
    error: Callable[[QuantParams], float],
) -> QuantParams:
    """The largest of stored values is stored; means have a range of their own."""
    del error
    return (sources[0] if isinstance(layer, MaxPool) else wanted).known_quant
