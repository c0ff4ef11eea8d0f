"""What each layer computes, as plain loops in TIR: the kernels that any target can run.

`plain_kernels` serves where a target family has no schedule of its own for a layer, and is what
those schedules are tested against.
"""

from __future__ import annotations

from edgemnv2.ops.convolution.kernel import convolution_kernel, depthwise_project_kernel
from edgemnv2.ops.elementwise_kernel import add_kernel, convert_kernel
from edgemnv2.ops.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    GlobalAveragePool,
    Graph,
    Layer,
    Quantize,
    Rescale,
    Softmax,
)
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.pool.kernel import pool_finish_kernel, pool_sum_kernel
from edgemnv2.ops.softmax.kernel import softmax_kernel

__all__ = ["depthwise_project_kernel", "plain_kernels"]


def plain_kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """Operation name -> kernel; one entry, or two for pooling (`name.sum` and `name`)."""
    if isinstance(layer, Conv2D | DepthwiseConv2D):
        return {layer.name: convolution_kernel(graph, layer)}
    if isinstance(layer, Add):
        return {layer.name: add_kernel(graph, layer)}
    if isinstance(layer, GlobalAveragePool):
        return {
            layer.name + ".sum": pool_sum_kernel(graph, layer),
            layer.name: pool_finish_kernel(graph, layer),
        }
    if isinstance(layer, Softmax):
        return {layer.name: softmax_kernel(graph, layer)}
    if isinstance(layer, Rescale | Quantize | Dequantize):
        return {layer.name: convert_kernel(graph, layer)}
    raise TypeError(f"no kernel for {type(layer).__name__}")
