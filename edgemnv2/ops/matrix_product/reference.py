"""Products of matrices in NumPy. Source: TFLite `reference/batch_matmul.h`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.matrix_product.layer import MatrixProduct
from edgemnv2.ops.values import clamp_floats, quant_of

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, MatrixProduct)
    target = graph.tensor_out(layer)
    if layer.requantize is None:
        out = np.asarray(np.matmul(inputs[0], inputs[1]), np.float32)
        clamp_floats(out, layer.clamp)
        return out
    a, b = (
        x.astype(np.int64) - quant_of(graph.tensor_in(layer, i)).zero_point
        for i, x in enumerate(inputs)
    )
    stored = rescaled(np.matmul(a, b), layer.requantize) + quant_of(target).zero_point
    return np.asarray(np.clip(stored, int(layer.clamp[0]), int(layer.clamp[1])), target.dtype)
