"""Graph + row kernels -> row operations: every layer as steps that make rows.

What the rows of an operator are is in its folder (`rows.py`); without one it is elementwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgemnv2.errors import ModelError
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.ops.rows import RowContext
from edgemnv2.ops.table import operator_of, part
from edgemnv2.program import RowOps, Write, needed_rows

__all__ = ["RowOps", "lower_to_rows"]


def lower_to_rows(
    graph: Graph,
    kernels: Mapping[str, RowKernel],
    layouts: Mapping[str, RowLayout],
) -> RowOps:
    """Row operations of `graph`.

    `kernels` has one entry per operation name (a pooling layer has two: `name.sum` and `name`);
    `layouts` the tensors whose rows are not plain NHWC. The result's tensors carry the name of the
    last layer that writes them.

    Raises ModelError where a layer sees nothing of a map but what is laid round it.
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
        declared = part(operator_of(first), "rows")
        if declared is not None and hasattr(declared, "rows"):
            declared.rows(context, layer, first)
        else:
            context.elementwise(layer)
    rows = context.row_ops()
    _check_windows(rows, graph)
    return rows


def _check_windows(rows: RowOps, graph: Graph) -> None:
    """Every map that is read must have a row that is."""
    for op in rows.ops:
        heights = tuple(rows.tensors[read.tensor].height for read in op.reads)
        seen = {name for step in needed_rows(op, heights) for name, found in step if len(found)}
        for read, height in zip(op.reads, heights, strict=True):
            if read.tensor not in seen:
                raise ModelError(
                    f"{graph.source or graph.name}: layer {op.name!r}: all windows of "
                    f"{read.window} rows, {read.stride} apart from row {-read.before} on, lie "
                    f"outside the map of {height} rows (one must meet it: is a padding wrong?); "
                    "export the model again"
                )


def _homes(graph: Graph) -> dict[str, Write]:
    """Tensor -> the tensor whose rows it shares, following chains of in-place adds."""
    home: dict[str, str] = {}
    for layer in graph.layers:
        declared = part(operator_of(layer), "rows")
        if declared is not None and hasattr(declared, "overwrites"):
            operand = declared.overwrites(graph, layer)
            if operand is not None:
                home[layer.inputs[operand]] = layer.output
    for name in home:
        while home[name] in home:
            home[name] = home[home[name]]
    return {name: Write(target) for name, target in home.items()}
