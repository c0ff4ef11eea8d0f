"""Import rules of ONNX: DequantizeLinear."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.quantize.onnx import parameters
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]

Array = NDArray[Any]
PLAIN = ("int8", "uint8", "int16", "uint16", "int32")
"""Types of constants; those of 4 bits are of 8 when they come here."""


def dequantize_linear(node: SourceNode, flow: FlowBuilder) -> None:
    """Scale and zero point are constants; activations are int8 or uint8, biases int32."""
    source = node.input(0)
    if not source.is_constant and source.dtype not in ("int8", "uint8", "int32"):
        raise Refusal(
            f"type {source.dtype}",
            "quantise to 8 bits (onnxruntime: activation_type=QuantType.QUInt8)",
        )
    scale = node.input(1)
    if len(scale.shape) > 1 and scale.value is not None and source.value is not None:
        flow.alias(node.output, _of_blocks(node, source.value, scale.value))
        return
    if source.is_constant and source.dtype not in PLAIN:
        raise Refusal(f"type {source.dtype}", "quantise weights to 8 bits, or leave them floats")
    rank = len(source.shape)
    axis = int(node.get("axis", 1)) % rank if rank else 0
    operands = [flow.stored(source), *parameters(node, flow)]
    flow.move("dequantize", operands, node.output, {"axis": axis})


def _of_blocks(node: SourceNode, values: Array, scale: Array) -> Constant:
    """Weights of which each block along one axis has its own scale, as the floats they are."""
    axis, size = int(node.get("axis", 1)), int(node.get("block_size", 0))
    if size < 1 or scale.ndim != values.ndim:
        raise Refusal(f"scales {list(scale.shape)} and block_size={size}", "quantise per channel")

    def spread(of: Array) -> Array:
        whole: Array = np.repeat(of, size, axis).take(range(values.shape[axis]), axis)
        return whole

    centred = values.astype(np.float32)
    if node.optional(2) is not None:
        centred = centred - spread(node.value(2, "zero points").astype(np.float32))
    return Constant((centred * spread(scale.astype(np.float32))).astype(np.float32))


RULES: dict[str, Rule] = {"DequantizeLinear": dequantize_linear}
