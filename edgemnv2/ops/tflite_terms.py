"""What TFLite's operators share: padding, fused activations, checks of quantisation."""

from __future__ import annotations

import math
from typing import Any

from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode, SourceTensor

__all__ = ["activation_of", "finish", "same_padding", "spatial"]

ACTIVATIONS: dict[str, tuple[float, float] | None] = {
    "NONE": None,
    "RELU": (0.0, math.inf),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
}


def activation_of(node: SourceNode) -> tuple[float, float] | None:
    """The real limits of the fused activation, None for none."""
    name = str(node.get("fused_activation_function", "NONE"))
    if name not in ACTIVATIONS:
        raise Refusal(
            f"fused activation {name}",
            "convert the model with the activation as an operator of its own",
            "Fused activation is NONE, RELU, RELU6 or RELU_N1_TO_1",
        )
    return ACTIVATIONS[name]


def finish(node: SourceNode, flow: FlowBuilder, op: str, inputs: Any, attrs: Any = None) -> None:
    """`compute` with the node's fused activation."""
    flow.compute(op, inputs, node.output, attrs, activation_of(node))


def same_padding(extent: int, out: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(before, after) of TFLite's SAME: the smaller half in front."""
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - extent, 0)
    return total // 2, total - total // 2


def spatial(node: SourceNode, source: SourceTensor, kernel: tuple[int, int]) -> dict[str, Any]:
    """`stride`, `dilation` and `padding` (top, left, bottom, right) of a windowed operator."""
    stride = int(node.get("stride_h", 1)), int(node.get("stride_w", 1))
    dilation = int(node.get("dilation_h_factor", 1)), int(node.get("dilation_w_factor", 1))
    padding = (0, 0, 0, 0)
    if node.get("padding", "SAME") == "SAME":
        (top, bottom), (left, right) = (
            same_padding(
                source.shape[1 + axis],
                node.output.shape[1 + axis],
                kernel[axis],
                stride[axis],
                dilation[axis],
            )
            for axis in (0, 1)
        )
        padding = (top, left, bottom, right)
    return {"stride": stride, "dilation": dilation, "padding": padding}
