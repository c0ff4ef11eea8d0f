"""The integer softmax that the quantiser makes of a float one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgemnv2.arithmetic import onnx
from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.softmax.layer import Softmax

__all__ = ["integer", "stays_float", "target"]


def target(
    layer: Softmax, sources: Sequence[Tensor], wanted: Tensor, error: Callable[[QuantParams], float]
) -> QuantParams:
    """TFLite's, for every softmax."""
    del layer, sources, wanted, error
    return QuantParams(1.0 / 256.0, -128)


def integer(layer: Softmax, sources: Sequence[Tensor], out: Tensor) -> Softmax:
    """ONNX's quotient; the table holds what `beta` makes of the differences."""
    (source,) = sources
    table, inverse = onnx.softmax_constants(
        source.known_quant, out.known_quant, source.channels, layer.beta
    )
    return replace(layer, exp_table=table, inverse=inverse, beta=1.0)


def stays_float(layer: Softmax) -> str | None:
    """The reason, where scores are multiplied first; ONNX's Softmax does not."""
    return None if layer.beta == 1.0 else "ONNX's Softmax does not multiply the scores first"
