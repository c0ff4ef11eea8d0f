"""Import rules of TFLite: quantise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor

__all__ = ["RULES"]


def quantize(node: SourceNode, flow: FlowBuilder) -> None:
    """From float32, int8 or uint8 to int8 or uint8."""
    real = flow.real(node.input(0))
    if isinstance(real, Constant):
        if real.scale is not None:
            raise Refusal("a constant that has a scale already", "convert the model again")
        flow.alias(node.output, _rounded(real, node.output))
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


RULES: dict[str, Rule] = {"QUANTIZE": quantize}
