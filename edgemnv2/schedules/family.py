"""What a family of schedules is: the row kernels that suit one kind of core.

A family is a package whose functions are these. It declines a layer by giving None; then the plain
kernel takes over, and the manifest says "fallback". What can be decided about a layer is a `Space`
with a default in it, and one rule gives both, so that tuning explores what the default path knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.target import Target

__all__ = [
    "Decision",
    "Decisions",
    "Family",
    "Form",
    "LayerKind",
    "Space",
    "nothing_decided",
    "of_kind",
    "one_form",
]

Decision = int | str | bool
Decisions = Mapping[str, Any]
"""Name -> `Decision`. Each kernel knows the names and types of its own."""
Space = Mapping[str, tuple[Any, ...]]
"""Name -> the decisions that there are."""


@dataclass(frozen=True)
class Form:
    """One way in which a kernel's constants can lie: what it decides otherwise than the kernel has
    it, and how many instructions more an inference then takes, about."""

    decisions: Decisions
    instructions: int


class Family(Protocol):
    """The functions of a family's package."""

    def layouts(self, graph: Graph, target: Target) -> Mapping[str, RowLayout]:
        """The tensors whose rows are not plain NHWC."""
        ...

    def space(self, graph: Graph, layer: Layer, target: Target) -> Space:
        """Decision ranges of `layer`; empty where there is nothing to decide."""
        ...

    def default(self, graph: Graph, layer: Layer, target: Target) -> Decisions:
        """The decisions that `row_kernel` gets without tuning."""
        ...

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

        `rows_per_step` rows that lie without a gap in memory: for pointwise layers only.
        """
        ...

    def fused_kernel(
        self,
        graph: Graph,
        depthwise: Layer,
        project: Layer,
        layouts: Mapping[str, RowLayout],
        target: Target,
        decisions: Decisions,
    ) -> RowKernel | None:
        """Depthwise and projection as one kernel, or None; `decisions` are the projection's."""
        ...


def nothing_decided(*arguments: Any) -> dict[str, Any]:
    """The space and the default of a layer without decisions."""
    return {}


def one_form(*arguments: Any) -> tuple[Form, ...]:
    """The forms of a kernel whose constants lie in one way."""
    return (Form({}, 0),)


@dataclass(frozen=True)
class LayerKind:
    """The functions of one kind of layer (`Layer.op`), each of `(graph, layer, ...)`.

    `kernel(graph, layer, ..., decisions)` and, where `whole_maps`, `rows_per_step` besides.
    """

    kernel: Callable[..., RowKernel | None]
    space: Callable[..., dict[str, tuple[Any, ...]]] = nothing_decided
    default: Callable[..., dict[str, Any]] = nothing_decided
    forms: Callable[..., tuple[Form, ...]] = one_form
    whole_maps: bool = False

    def make(self, *arguments: Any, rows_per_step: int) -> RowKernel | None:
        """The kernel for `rows_per_step` rows a step; None where it makes one row only."""
        if self.whole_maps:
            return self.kernel(*arguments, rows_per_step)
        return None if rows_per_step != 1 else self.kernel(*arguments)


def of_kind(kinds: Mapping[str, LayerKind], layer: Layer) -> LayerKind | None:
    """The functions for `layer`; None where the family has no kernel for it."""
    return kinds.get(layer.op) if layer.is_plain else None
