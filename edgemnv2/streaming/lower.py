"""Graph + row kernels -> row operations: every layer as steps that make one row.

A residual add has no tensor of its own: it updates, in place, the row that the projection has just
made. Global pooling becomes two operations, one that adds each input row to a row of sums and one
that divides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.program import Read, RowOps, RowTensor, Write
from edgemnv2.streaming.declare import RowContext

__all__ = ["RowOps", "lower_to_rows", "updated_operand"]

SUM_SUFFIX = ".sum"
"""Name of the pooling operation (and of its tensor) that accumulates rows, after its layer's."""


def updated_operand(graph: Graph, layer: Add) -> int | None:
    """Index of the operand of `layer` that it may overwrite, or None.

    That is the later-made operand of equal quantisation-free storage (same shape and dtype) which
    nobody else reads and which is not the network's input.
    """
    readers = Counter(name for other in graph.layers for name in other.inputs)
    made_at = {other.output: index for index, other in enumerate(graph.layers)}
    out = graph.tensor_out(layer)
    candidates = [
        index
        for index, name in enumerate(layer.inputs)
        if readers[name] == 1
        and name in made_at
        and name not in graph.outputs
        and (graph.tensors[name].shape, graph.tensors[name].dtype) == (out.shape, out.dtype)
    ]
    return max(candidates, key=lambda i: made_at[layer.inputs[i]], default=None)


def lower_to_rows(
    graph: Graph,
    kernels: Mapping[str, RowKernel],
    layouts: Mapping[str, RowLayout],
) -> RowOps:
    """Row operations of `graph`.

    `kernels` has one entry per operation name (a pooling layer has two: `name.sum` and `name`);
    `layouts` the tensors whose rows are not plain NHWC. The result's tensors carry the name of the
    last layer that writes them.
    """
    context = RowContext(graph, kernels, layouts, _homes(graph))
    by_name = {layer.name: layer for layer in graph.layers}
    fused = {name for kernel in kernels.values() for name in kernel.fuses}
    for layer in graph.layers:
        if layer.name in fused:
            continue
        # A fused kernel reads what the first of its layers reads.
        kernel = kernels.get(layer.name)
        first = by_name[kernel.fuses[0]] if kernel is not None and kernel.fuses else layer
        _declare(context, layer, first)
    return context.row_ops()


def _declare(context: RowContext, layer: Layer, first: Layer) -> None:
    """The rows of `layer`, whose kernel begins with `first`."""
    if isinstance(first, Conv2D | DepthwiseConv2D):
        context.windowed(
            layer,
            window=first.kernel[0],
            stride=first.stride[0],
            before=first.padding[0],
            operand=first.inputs[0],
        )
    elif isinstance(layer, GlobalAveragePool):
        _pool(context, layer)
    else:
        context.elementwise(layer)


def _homes(graph: Graph) -> dict[str, Write]:
    """Tensor -> the tensor whose rows it shares, following chains of in-place adds."""
    home: dict[str, str] = {}
    for layer in graph.layers:
        if isinstance(layer, Add):
            operand = updated_operand(graph, layer)
            if operand is not None:
                home[layer.inputs[operand]] = layer.output
    for name in home:
        while home[name] in home:
            home[name] = home[home[name]]
    return {name: Write(target) for name, target in home.items()}


def _pool(context: RowContext, layer: GlobalAveragePool) -> None:
    sums = layer.name + SUM_SUFFIX
    read = context.read(layer.inputs[0])
    write = context.write(layer.output)
    # One int32 or float32 sum per channel.
    channels = context.graph.tensor_out(layer).channels
    context.add_tensor(RowTensor(sums, 1, 4 * channels, 4))
    height = context.graph.tensor_in(layer).height
    context.add(layer, (read,), (Write(sums),), height, name=sums, accumulates=True)
    context.add(layer, (Read(sums),), (write,), 1)
