"""Import rules of ONNX: DequantizeLinear."""

from __future__ import annotations

from edgemnv2.ops.quantize.onnx import parameters
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def dequantize_linear(node: SourceNode, flow: FlowBuilder) -> None:
    """Scale and zero point are constants; activations are int8 or uint8, biases int32."""
    source = node.input(0)
    if not source.is_constant and source.dtype not in ("int8", "uint8", "int32"):
        raise Refusal(
            f"type {source.dtype}",
            "quantise to 8 bits (onnxruntime: activation_type=QuantType.QUInt8)",
        )
    rank = len(source.shape)
    axis = int(node.get("axis", 1)) % rank if rank else 0
    operands = [flow.stored(source), *parameters(node, flow)]
    flow.move("dequantize", operands, node.output, {"axis": axis})


RULES: dict[str, Rule] = {"DequantizeLinear": dequantize_linear}
