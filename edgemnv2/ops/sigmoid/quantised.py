"""What the quantiser makes of a sigmoid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Layer, Tensor

__all__ = ["OUTPUT", "target"]

OUTPUT = QuantParams(1.0 / 256.0, -128)
"""All of 0 to 1: what TFLite knows int8 of."""


def target(
    layer: Layer, sources: Sequence[Tensor], wanted: Tensor, error: Callable[[QuantParams], float]
) -> QuantParams:
    """All of 0 to 1, whatever was seen: as TFLite has it."""
    del layer, sources, wanted, error
    return OUTPUT
