"""Rows of a convolution: a window of its input's."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D, TransposedConv2D
from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Read

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Every row out of the rows under the kernel, or of those whose kernels reach it."""
    if isinstance(first, TransposedConv2D):
        name = first.inputs[0]
        (sy, _), (kh, _) = first.stride, first.kernel
        read = Read.rational(
            context.declare(name), 1, first.padding[0] - kh + sy, sy, first.taps[0], edge=False
        )
        height = context.graph.tensor_out(layer).height
        read = replace(read, fill=context.outside(name))
        context.add(layer, (read,), (context.write(layer.output),), height)
        return
    assert isinstance(first, Conv2D | DepthwiseConv2D)
    context.windowed(
        layer,
        window=first.kernel[0],
        stride=first.stride[0],
        before=first.padding[0],
        dilation=first.dilation[0],
        operand=first.inputs[0],
    )
