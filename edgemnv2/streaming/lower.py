"""Graph + row kernels -> row operations: every layer as steps that make one row.

A residual add has no tensor of its own: it updates, in place, the row that the projection has just
made. Global pooling becomes two operations, one that adds each input row to a row of sums and one
that divides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.program import Read, RowOp, RowTensor

__all__ = ["RowOps", "lower_to_rows", "updated_operand"]

SUM_SUFFIX = ".sum"
"""Name of the pooling operation (and of its tensor) that accumulates rows, after its layer's."""


@dataclass(frozen=True)
class RowOps:
    """Row operations in topological order, the tensors they exchange, and the two ends."""

    tensors: Mapping[str, RowTensor]
    ops: tuple[RowOp, ...]
    input: str
    output: str


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
    home = _homes(graph)
    tensors: dict[str, RowTensor] = {}

    def declare(name: str) -> str:
        tensor = graph.tensors[name]
        target = home.get(name, name)
        if target not in tensors:
            layout = layouts.get(name, RowLayout())
            tensors[target] = RowTensor(
                target, tensor.height, layout.row_bytes(tensor), min(4, tensor.itemsize)
            )
        return target

    ops: list[RowOp] = []
    by_name = {layer.name: layer for layer in graph.layers}
    fused = {name for kernel in kernels.values() for name in kernel.fuses}
    for index, layer in enumerate(graph.layers):
        if layer.name in fused:
            continue
        # A fused kernel reads what the first of its layers reads.
        kernel = kernels.get(layer.name)
        first = by_name[kernel.fuses[0]] if kernel is not None and kernel.fuses else layer
        reads = tuple(_read(first, declare(name)) for name in first.inputs)
        output = declare(layer.output)
        out = graph.tensor_out(layer)
        if isinstance(layer, GlobalAveragePool):
            ops += _pool(index, layer, reads[0], tensors, kernels, output, out.channels)
            continue
        assert kernel is not None, layer.name
        updates = isinstance(layer, Add) and any(read.tensor == output for read in reads)
        ops.append(
            RowOp(
                name=layer.name,
                layer=index,
                reads=reads,
                output=output,
                steps=out.height // kernel.rows_per_step,
                scratch_bytes=kernel.scratch_bytes,
                updates=updates,
                rows_per_step=kernel.rows_per_step,
            )
        )
    return RowOps(
        tensors=tensors,
        ops=tuple(ops),
        input=home.get(graph.inputs[0], graph.inputs[0]),
        output=home.get(graph.outputs[0], graph.outputs[0]),
    )


def _homes(graph: Graph) -> dict[str, str]:
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
    return home


def _read(layer: Layer, tensor: str) -> Read:
    if isinstance(layer, Conv2D | DepthwiseConv2D):
        return Read(tensor, layer.kernel[0], layer.stride[0], layer.padding[0])
    return Read(tensor)


def _pool(
    index: int,
    layer: GlobalAveragePool,
    read: Read,
    tensors: dict[str, RowTensor],
    kernels: Mapping[str, RowKernel],
    output: str,
    channels: int,
) -> list[RowOp]:
    sums = layer.name + SUM_SUFFIX
    # One int32 or float32 sum per channel.
    tensors[sums] = RowTensor(sums, 1, 4 * channels, 4)
    height = tensors[read.tensor].height
    return [
        RowOp(
            sums,
            index,
            (read,),
            sums,
            height,
            scratch_bytes=kernels[sums].scratch_bytes,
            accumulates=True,
        ),
        RowOp(
            layer.name,
            index,
            (Read(sums),),
            output,
            1,
            scratch_bytes=kernels[layer.name].scratch_bytes,
        ),
    ]
