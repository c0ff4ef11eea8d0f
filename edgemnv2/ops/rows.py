"""How an operator declares its rows: the helpers that its `rows` function works with.

A `rows` function gets a `RowContext` and one layer, and adds operations to the context:

    def rows(context: RowContext, layer: Layer, first: Layer) -> None:
        context.windowed(layer, window=3, stride=1, before=1)

`first` is `layer`, or the first of the layers that its kernel fuses.

Most operators are `elementwise`, `windowed` or `resized`; others build a `RowOp` from `read`,
`write` and `add`. Tensors are named as in the graph: where their rows really lie (in place of an
operand, or as a part of a concatenation) is the context's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.program import Read, RowOp, RowOps, RowTensor, Write

__all__ = ["RowContext"]


class RowContext:
    """The row operations of one network under construction.

    `kernels` by operation name; `layouts` of the tensors whose rows are not plain NHWC; `homes`
    the tensors whose rows lie in another one, and where in it.
    """

    def __init__(
        self,
        graph: Graph,
        kernels: Mapping[str, RowKernel],
        layouts: Mapping[str, RowLayout],
        homes: Mapping[str, Write] | None = None,
    ) -> None:
        self.graph = graph
        self.kernels = kernels
        self.layouts = layouts
        self.homes = dict(homes or {})
        self._tensors: dict[str, RowTensor] = {}
        self._ops: list[RowOp] = []
        self._number = {layer.name: index for index, layer in enumerate(graph.layers)}

    def declare(self, name: str) -> str:
        """The tensor that holds the rows of the graph's tensor `name`."""
        home = self.homes.get(name)
        target = home.tensor if home is not None else name
        if target not in self._tensors:
            # In place, both have one shape; of a concatenation, the whole is declared.
            shape = name if home is None or home.is_plain else target
            tensor = self.graph.tensors[shape]
            layout = self.layouts.get(shape, RowLayout())
            self.add_tensor(
                RowTensor(target, tensor.height, layout.row_bytes(tensor), min(8, tensor.itemsize))
            )
        return target

    def add_tensor(self, tensor: RowTensor) -> None:
        """A tensor of the program that is none of the graph, or has rows of another form."""
        self._tensors[tensor.name] = tensor

    def outside(self, name: str) -> bytes:
        """One element of a row of real zeros in the graph's tensor `name`."""
        tensor = self.graph.tensors[name]
        layout = self.layouts.get(name, RowLayout())
        # Layouts of another type have their zero point taken off.
        bare = layout.dtype is not None or tensor.quant is None
        zero = 0 if bare or tensor.quant is None else tensor.quant.zero_point
        return np.array([zero]).astype(layout.dtype or tensor.dtype).tobytes()

    def read(
        self,
        name: str,
        window: int = 1,
        stride: int = 1,
        before: int = 0,
        *,
        dilation: int = 1,
        fill: bytes | None = None,
    ) -> Read:
        """`window` rows of the graph's tensor `name`, each `dilation` from the next.

        Rows outside repeat `fill`.
        """
        home = self.homes.get(name)
        assert home is None or home.is_plain, f"{name}: only the whole of {home} can be read"
        rows = (window - 1) * dilation + 1
        return Read(self.declare(name), rows, stride, before, fill=fill, spacing=dilation)

    def write(self, name: str) -> Write:
        """Whole rows of the graph's tensor `name`, wherever they lie."""
        self.declare(name)
        return self.homes.get(name, Write(name))

    def add(
        self,
        layer: Layer,
        reads: tuple[Read, ...],
        writes: tuple[Write, ...],
        steps: int,
        *,
        name: str | None = None,
        updates: bool = False,
        accumulates: bool = False,
    ) -> None:
        """An operation of `layer`, named like it or `name`; its kernel tells scratch and rows."""
        name = name or layer.name
        kernel = self.kernels[name]
        self._ops.append(
            RowOp(
                name=name,
                layer=self._number[layer.name],
                reads=reads,
                writes=writes,
                steps=steps // kernel.rows_per_step,
                scratch_bytes=kernel.scratch_bytes,
                updates=updates,
                accumulates=accumulates,
                rows_per_step=kernel.rows_per_step,
            )
        )

    def elementwise(self, layer: Layer) -> None:
        """Every row out of the same row of each operand; in place where an operand lies there."""
        reads = tuple(self.read(name) for name in layer.inputs)
        write = self.write(layer.output)
        self.add(
            layer,
            reads,
            (write,),
            self.graph.tensor_out(layer).height,
            updates=any(read.tensor == write.tensor for read in reads),
        )

    def windowed(
        self,
        layer: Layer,
        *,
        window: int,
        stride: int,
        before: int,
        dilation: int = 1,
        operand: str | None = None,
        fill: bytes | None = None,
    ) -> None:
        """Every row out of `window` rows of the only operand (`operand` where kernels are fused).

        The rows of the window are `dilation` apart; the kernel gets a pointer to each. Rows outside
        are real zeros, or repeat `fill`.
        """
        name = operand or layer.inputs[0]
        fill = self.outside(name) if fill is None else fill
        read = self.read(name, window, stride, before, dilation=dilation, fill=fill)
        height = self.graph.tensor_out(layer).height
        self.add(layer, (read,), (self.write(layer.output),), height)

    def resized(
        self, layer: Layer, *, stride: int, offset: int, divisor: int, window: int = 2
    ) -> None:
        """Row `r` out of `window` rows from `floor((r * stride + offset) / divisor)` on.

        Rows outside are the edge's.
        """
        name = self.declare(layer.inputs[0])
        read = Read.rational(name, stride, offset, divisor, window)
        height = self.graph.tensor_out(layer).height
        self.add(layer, (read,), (self.write(layer.output),), height)

    def whole(self, layer: Layer) -> None:
        """One step that makes the whole map out of all rows of every operand.

        The kernel gets one pointer to each map.
        """
        reads = []
        for name in layer.inputs:
            target = self.declare(name)
            reads.append(Read.whole(target, self._tensors[target].height))
        write = self.write(layer.output)
        if write.is_plain:
            write = replace(write, rows=self.graph.tensor_out(layer).height)
        self.add(layer, tuple(reads), (write,), 1)

    def row_ops(self) -> RowOps:
        """All that has been declared, and the inputs that no operation reads."""
        for name in self.graph.inputs:
            self.declare(name)

        def ends(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(self.homes[name].tensor if name in self.homes else name for name in names)

        return RowOps(
            self._tensors, tuple(self._ops), ends(self.graph.inputs), ends(self.graph.outputs)
        )
