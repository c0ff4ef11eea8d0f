"""Import rules of ONNX: QuantizeLinear."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES", "parameters"]


def quantize_linear(node: SourceNode, flow: FlowBuilder) -> None:
    """Scale and zero point are constants; activations become int8 or uint8."""
    source, output = node.input(0), node.output
    rank = len(source.shape)
    axis = int(node.get("axis", 1)) % rank if rank else 0
    zero_point = node.optional(2)
    # Without one it is that of `output_dtype` (since opset 21), or uint8: onnx tells.
    dtype = output.dtype if zero_point is None else zero_point.dtype
    flow.dtypes[output.name] = dtype
    operands = [flow.stored(source), *parameters(node, flow)]
    flow.move("quantize", operands, output, {"axis": axis, "dtype": dtype})


def parameters(node: SourceNode, flow: FlowBuilder) -> tuple[Constant, Constant]:
    """Scale and zero point."""
    found = []
    for index, what in ((1, "scale"), (2, "zero point")):
        tensor = node.optional(index)
        value: object = Constant(np.zeros((), np.int32))
        if tensor is not None:
            value = flow.stored(tensor)
        if not isinstance(value, Constant):
            raise Refusal(
                f"a computed {what}",
                "quantise statically (onnxruntime: quantize_static), not dynamically",
            )
        if index == 1:
            found.append(Constant(np.asarray(value.values, np.float32)))
        else:
            found.append(Constant(np.asarray(value.values, np.int32)))
    scale, zero = found
    if scale.values.size == 1:
        return Constant(scale.values.reshape(())), Constant(zero.values.reshape(-1)[:1].reshape(()))
    if zero.values.size == 1:
        zero = Constant(np.repeat(zero.values.reshape(-1), scale.values.size))
    return scale, zero


RULES: dict[str, Rule] = {"QuantizeLinear": quantize_linear}
