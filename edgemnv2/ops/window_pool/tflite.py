"""Import rules of TFLite: pooling with windows."""

from __future__ import annotations

from edgemnv2.arithmetic.tflite import clamp_limits
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor
from edgemnv2.ops.tflite_terms import activation_of, finish, spatial

__all__ = ["RULES"]


SCALE_TOLERANCE = 1e-6
"""LiteRT takes scales for equal that differ by no more."""


def _alike(a: SourceTensor, b: SourceTensor) -> bool:
    if a.quant is None or b.quant is None:
        return False
    near = abs(a.quant.scale - b.quant.scale) <= SCALE_TOLERANCE
    return near and a.quant.zero_point == b.quant.zero_point


def _pooling(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """The output has the input's scale."""
        source, output = node.input(0), node.output
        size = int(node.get("filter_height", 1)), int(node.get("filter_width", 1))
        attrs = {**spatial(node, source, size), "size": size, "layout": "NHWC"}
        if not source.is_quantized:
            finish(node, flow, op, [flow.real(source)], attrs)
            return
        if not _alike(source, output):
            raise Refusal(
                f"scale {source.quant} of the input and {output.quant} of the output",
                "convert the model again",
            )
        # TFLite pools what is stored.
        activation = activation_of(node)
        if activation is None:
            flow.move(op, [flow.stored(source)], output, attrs)
            return
        assert output.quant is not None
        name = flow.add(op, [flow.stored(source)], flow.fresh(output, output.dtype), attrs)
        flow.quants[name] = output.quant
        clamp = clamp_limits(activation, output.quant, output.dtype)
        flow.move("clip", [name], output, {"clamp": clamp})

    return rule


RULES: dict[str, Rule] = {
    "AVERAGE_POOL_2D": _pooling("avg_pool"),
    "MAX_POOL_2D": _pooling("max_pool"),
}
