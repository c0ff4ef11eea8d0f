"""What families of vector kernels share: which function serves which kind of layer.

Rows are plain NHWC (edges are handled inside the kernels), and 1x1 convolutions can make several
rows in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout

__all__ = ["LayerKind", "SimdFamily"]


def _no_arguments(target: Any) -> tuple[Any, ...]:
    return ()


@dataclass(frozen=True)
class LayerKind:
    """Functions of `(graph, layer, ...)`: ranges of the decisions, defaults, the kernel."""

    space: Callable[..., dict[str, tuple[Any, ...]]]
    default: Callable[..., dict[str, Any]]
    kernel: Callable[..., RowKernel | None]


@dataclass(frozen=True)
class SimdFamily:
    """Kernels by kind of layer; `arguments(target)` is what every function gets besides."""

    pointwise: LayerKind
    conv2d: LayerKind
    depthwise: LayerKind
    add: Callable[..., RowKernel | None]
    arguments: Callable[[Any], tuple[Any, ...]] = _no_arguments

    def kind_of(self, layer: Layer) -> LayerKind | None:
        """The functions for `layer`; None where there is nothing to decide."""
        if isinstance(layer, Conv2D | DepthwiseConv2D) and not layer.is_plain:
            return None
        if isinstance(layer, Conv2D):
            return self.pointwise if layer.op == "pointwise" else self.conv2d
        return self.depthwise if isinstance(layer, DepthwiseConv2D) else None

    def layouts(self, graph: Graph, target: Any) -> dict[str, RowLayout]:
        """No tensor deviates from NHWC."""
        return {}

    def space(self, graph: Graph, layer: Layer, target: Any) -> dict[str, tuple[Any, ...]]:
        """Decision ranges of `layer`; empty where there is nothing to decide."""
        kind = self.kind_of(layer)
        return {} if kind is None else kind.space(graph, layer, *self.arguments(target))

    def default(self, graph: Graph, layer: Layer, target: Any) -> dict[str, Any]:
        """The decisions that `row_kernel` gets without tuning."""
        kind = self.kind_of(layer)
        return {} if kind is None else kind.default(graph, layer, *self.arguments(target))

    def row_kernel(
        self,
        graph: Graph,
        layer: Layer,
        layouts: Mapping[str, RowLayout],
        target: Any,
        decisions: Mapping[str, Any],
        rows_per_step: int = 1,
    ) -> RowKernel | None:
        """The kernel of `layer`, or None where plain TIR has to take over.

        `rows_per_step` rows that lie without a gap in memory, for pointwise layers only.
        """
        if any(name in layouts for name in (*layer.inputs, layer.output)):
            return None
        more = self.arguments(target)
        kind = self.kind_of(layer)
        if kind is self.pointwise:
            return kind.kernel(graph, layer, *more, decisions, rows_per_step)
        if rows_per_step != 1:
            return None
        if kind is not None:
            return kind.kernel(graph, layer, *more, decisions)
        return self.add(graph, layer, *more) if isinstance(layer, Add) else None
