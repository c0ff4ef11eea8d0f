"""What families of vector kernels share: which function serves which kind of layer.

Rows are plain NHWC (edges are handled inside the kernels), and 1x1 convolutions can make several
rows in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgemnv2.ops.convolution.kernel import depthwise_project_kernel
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.family import Decisions, LayerKind, Space, of_kind
from edgemnv2.target import Target

__all__ = ["SimdFamily", "plain_fused"]


def plain_fused(
    graph: Graph,
    depthwise: Layer,
    project: Layer,
    layouts: Mapping[str, RowLayout],
    target: Target,
    decisions: Decisions,
) -> RowKernel | None:
    """`Family.fused_kernel` in plain TIR, on rows of plain NHWC."""
    if not layouts.keys().isdisjoint((depthwise.inputs[0], depthwise.output, project.output)):
        return None
    return depthwise_project_kernel(graph, depthwise, project)


def _no_arguments(target: Target) -> tuple[Any, ...]:
    return ()


@dataclass(frozen=True)
class SimdFamily:
    """Kernels by kind of layer; `arguments(target)` is what every function gets besides."""

    kinds: Mapping[str, LayerKind]
    arguments: Callable[[Target], tuple[Any, ...]] = _no_arguments

    def layouts(self, graph: Graph, target: Target) -> dict[str, RowLayout]:
        """No tensor deviates from NHWC."""
        return {}

    def space(self, graph: Graph, layer: Layer, target: Target) -> Space:
        """Decision ranges of `layer`; empty where there is nothing to decide."""
        kind = of_kind(self.kinds, layer)
        return {} if kind is None else kind.space(graph, layer, *self.arguments(target))

    def default(self, graph: Graph, layer: Layer, target: Target) -> Decisions:
        """The decisions that `row_kernel` gets without tuning."""
        kind = of_kind(self.kinds, layer)
        return {} if kind is None else kind.default(graph, layer, *self.arguments(target))

    def row_kernel(
        self,
        graph: Graph,
        layer: Layer,
        layouts: Mapping[str, RowLayout],
        target: Target,
        decisions: Decisions,
        rows_per_step: int = 1,
    ) -> RowKernel | None:
        """The kernel of `layer`, or None where plain TIR has to take over.

        `rows_per_step` rows that lie without a gap in memory, for pointwise layers only.
        """
        kind = of_kind(self.kinds, layer)
        if kind is None or any(name in layouts for name in (*layer.inputs, layer.output)):
            return None
        more = self.arguments(target)
        return kind.make(graph, layer, *more, decisions, rows_per_step=rows_per_step)

    def fused_kernel(
        self,
        graph: Graph,
        depthwise: Layer,
        project: Layer,
        layouts: Mapping[str, RowLayout],
        target: Target,
        decisions: Decisions,
    ) -> RowKernel | None:
        """The plain one."""
        return plain_fused(graph, depthwise, project, layouts, target, decisions)
