"""What the quantiser makes of a reduction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.reduce.layer import Reduce

__all__ = ["stays_float", "target"]


def target(
    layer: Reduce, sources: Sequence[Tensor], wanted: Tensor, error: Callable[[QuantParams], float]
) -> QuantParams:
    """The largest of stored values is stored; sums and means have a range of their own."""
    del error
    return (sources[0] if layer.keeps_storage else wanted).known_quant


def stays_float(layer: Reduce) -> str | None:
    """The reason, of a reduction over no axis."""
    return None if layer.axes else "over no axis there is nothing to reduce"
