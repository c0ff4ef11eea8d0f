"""Rows of a convolution: a window of its input's."""

from __future__ import annotations

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Every row out of the rows under the kernel."""
    assert isinstance(first, Conv2D | DepthwiseConv2D)
    context.windowed(
        layer,
        window=first.kernel[0],
        stride=first.stride[0],
        before=first.padding[0],
        dilation=first.dilation[0],
        operand=first.inputs[0],
    )
