"""Import rules of TFLite: quantise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.arithmetic.tflite import rescale_requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor

__all__ = ["RULES"]


def quantize(node: SourceNode, flow: FlowBuilder) -> None:
    """From float32, int8 or uint8 to int8 or uint8."""
    real = flow.real(node.input(0))
    if isinstance(real, Constant):
        output = node.output
        rounded = _rounded if real.scale is None else _rescaled
        flow.alias(output, rounded(real, output))
        return
    # Beside an operator of floats this is no part of the operator, as it is of one of integers.
    attrs = {} if node.input(0).is_quantized else {"of_floats": True}
    flow.result(real, node.output, attrs=attrs)


def _rounded(real: Constant, output: SourceTensor) -> Constant:
    """Weights that quantisation-aware training leaves as floats, as LiteRT rounds them: a half away
    from zero, of the quotient in float32.
    """
    values = real.values
    frame = replace(output, value=values.astype(output.dtype)).constant()
    assert frame.scale is not None and frame.zero_point is not None
    quotient = values / frame.along_axis(frame.scale)
    limits = np.iinfo(output.dtype)
    away = np.trunc(quotient.astype(np.float64) + np.copysign(0.5, quotient))
    stored = away + frame.along_axis(frame.zero_point)
    return replace(frame, values=np.clip(stored, limits.min, limits.max).astype(output.dtype))


def _rescaled(stored: Constant, output: SourceTensor) -> Constant:
    """A constant that is quantised already, at another scale."""
    frame = replace(output, value=stored.values.astype(output.dtype)).constant()
    if stored.per_axis or frame.per_axis:
        raise Refusal("a constant of several scales", "convert the model again")
    quants = []
    for x in (stored, frame):
        assert x.scale is not None and x.zero_point is not None
        quants.append(QuantParams(float(x.scale), int(x.zero_point)))
    made = rescaled(stored.centred(), rescale_requantize(*quants)) + quants[1].zero_point
    limits = np.iinfo(output.dtype)
    return replace(frame, values=np.clip(made, limits.min, limits.max).astype(output.dtype))


RULES: dict[str, Rule] = {"QUANTIZE": quantize}
