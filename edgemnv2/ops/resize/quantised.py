"""What the quantiser makes of a map of another size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.resize.layer import Resize

__all__ = ["stays_float", "target"]


def target(
    layer: Resize, sources: Sequence[Tensor], wanted: Tensor, error: Callable[[QuantParams], float]
) -> QuantParams:
    """What is stored is moved."""
    del layer, wanted, error
    return sources[0].known_quant


def stays_float(layer: Resize) -> str | None:
    """The reason, of what lies between two pixels; None of the nearest pixel."""
    if layer.is_linear:
        return "between two pixels lie real numbers: ONNX has no integer form of linear Resize"
    return None
