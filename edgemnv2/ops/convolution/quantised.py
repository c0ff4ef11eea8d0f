"""The integer convolution that the quantiser makes of a float one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic import onnx
from edgemnv2.ops.convolution.layer import Weighted
from edgemnv2.ops.graph import Tensor

__all__ = ["StoredWeights", "integer"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """int8 `values` at `scale`, float32 `[C]`; the `bias` is real, float64 `[C]`."""

    values: Array
    scale: Array
    bias: Array


def integer(
    layer: Weighted, sources: Sequence[Tensor], out: Tensor, weights: StoredWeights
) -> Weighted:
    """ONNX's sum of products."""
    source, quant = sources[0].known_quant, out.known_quant
    step = np.float64(source.scale) * weights.scale.astype(np.float64)
    stored = np.rint(weights.bias / step)
    return replace(
        layer,
        weight=weights.values,
        bias=np.clip(stored, -(2**31), 2**31 - 1).astype(np.int32),
        clamp=onnx.clamp_limits(layer.clamp, quant, "int8"),
        requantize=onnx.convolution_requantize(source, weights.scale, quant, len(weights.scale)),
    )
