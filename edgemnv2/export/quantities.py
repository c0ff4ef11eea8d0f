"""What other engines' files say and a `Graph` holds in another form: activations, weight scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UsageError
from edgemnv2.ops.convolution.layer import Weighted
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["ENDS", "activation_of", "weight_scales"]

Array = NDArray[Any]
ENDS = {"none": (-np.inf, np.inf), "relu": (0.0, np.inf), "relu6": (0.0, 6.0)}
"""Of activations that every engine knows."""


def activation_of(out: Tensor, clamp: tuple[float, float], place: str) -> str:
    """ "none", "relu" or "relu6": what the clamp of stored values means.

    Raises UsageError for any other clamp.
    """
    for name, bounds in ENDS.items():
        if bounds == tuple(clamp):
            return name
    if out.dtype != "float32":
        quant, limits = out.known_quant, np.iinfo(np.dtype(out.dtype))
        for name, bounds in ENDS.items():
            stored = np.clip(
                np.round(np.array(bounds) / quant.scale) + quant.zero_point,
                limits.min,
                limits.max,
            )
            if tuple(stored) == tuple(clamp):
                return name
    raise UsageError(f"{place}: a clamp to {clamp} has no name in other engines (give model=)")


def weight_scales(graph: Graph, layer: Layer) -> Array | None:
    """float32 scale of the weights of each output channel; None for a float layer.

    The factor of `Requantize` is input scale times weight scale over output scale. Raises
    UsageError where weights are no int8.
    """
    assert isinstance(layer, Weighted)
    factor = layer.requantize
    if factor is None:
        return None
    source, out = graph.tensor_in(layer).quant, graph.tensor_out(layer).quant
    assert source is not None and out is not None
    if layer.weight.dtype != np.int8:
        raise UsageError(
            f"{layer.name}: its weights are {layer.weight.dtype}, as of uint8 models "
            "(give the engine's own file with model=)"
        )
    real = np.ldexp(factor.multiplier.astype(np.float64), factor.shift.astype(np.int64) - 31)
    scales = real * out.scale / source.scale
    # A dead channel has weights that do not matter; a scale of 0 is not allowed.
    scales = np.where(scales > 0, scales, scales.max(initial=1e-6))
    wide: Array = np.broadcast_to(scales, (layer.bias.shape[0],)).astype(np.float32)
    return wide
