"""Which kernels get the faster, larger form of their constants: as many as the flash has room for.

All start in their smallest form. What saves most instructions a byte is bought first, and the first
thing that no longer fits ends it: so a larger budget buys what a smaller one does, and more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from edgemnv2.codegen.constants import pack_constants
from edgemnv2.errors import DoesNotFit
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel, constant_offsets
from edgemnv2.schedules import Schedule, ScheduleOptions, forms_of, schedule_graph
from edgemnv2.schedules.family import Form
from edgemnv2.target import Target

__all__ = ["FlashUse", "within_flash"]


@dataclass(frozen=True)
class FlashUse:
    """What was bought of `budget_bytes` for constants: bytes above the smallest form, by layer.

    `least_bytes` is what all constants take in their smallest forms.
    """

    budget_bytes: int
    least_bytes: int
    bought: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "budget_bytes": self.budget_bytes,
            "least_bytes": self.least_bytes,
            "bought": dict(self.bought),
        }


@dataclass(frozen=True)
class _Purchase:
    """From one form of a layer's constants to the next faster one."""

    layer: str
    form: int
    size_bytes: int
    saved: Fraction
    """Instructions a byte."""


def within_flash(
    graph: Graph, target: Target, options: ScheduleOptions, budget: int | None
) -> tuple[Schedule, FlashUse]:
    """The schedule of `graph` whose constants take at most `budget` bytes, and what that bought.

    `options` say what the fastest forms are. Without a budget: what the target has, and where even
    the smallest forms are too large for that, those. Raises DoesNotFit for a budget that is too
    small.
    """
    room = target.flash_bytes if budget is None else budget
    fastest = schedule_graph(graph, target, options)
    ladders = {
        layer.name: forms_of(graph, layer, target, fastest.kernels[layer.name])
        for layer in graph.layers
        if layer.name in fastest.kernels
    }
    sizes: dict[str, list[int]] = {name: [] for name in ladders}
    for rung in range(max(map(len, ladders.values()), default=1)):
        chosen = {name: min(rung, len(ladder) - 1) for name, ladder in ladders.items()}
        smallest = _scheduled(graph, target, options, ladders, chosen)
        for name, size in sizes.items():
            size.append(_bytes(smallest.kernels[name]))
    least = left = len(pack_constants(smallest.kernels).data)
    if budget is not None and least > budget:
        raise DoesNotFit(
            f"flash_budget={budget}: {graph.source} has {least} bytes of constants in their "
            f"smallest form on {target.name} (a smaller width or fewer classes need less)"
        )
    bought: dict[str, int] = {}
    for step in _purchases(ladders, sizes):
        left += step.size_bytes
        if left > room:
            break
        chosen[step.layer] = step.form
        bought[step.layer] = bought.get(step.layer, 0) + step.size_bytes
    bought = {name: bought[name] for name in ladders if name in bought}
    use = FlashUse(room, least, bought)
    if not any(chosen.values()):
        return fastest, use
    return _scheduled(graph, target, options, ladders, chosen), use


def _scheduled(
    graph: Graph,
    target: Target,
    options: ScheduleOptions,
    ladders: Mapping[str, Sequence[Form]],
    chosen: Mapping[str, int],
) -> Schedule:
    decisions = {
        name: {**options.decisions.get(name, {}), **ladders[name][form].decisions}
        for name, form in chosen.items()
    }
    return schedule_graph(
        graph, target, replace(options, decisions={**options.decisions, **decisions})
    )


def _bytes(kernel: RowKernel) -> int:
    """Of the constants of `kernel`, as they are packed."""
    return constant_offsets(kernel)[-1]


def _purchases(
    ladders: Mapping[str, Sequence[Form]], sizes: Mapping[str, Sequence[int]]
) -> list[_Purchase]:
    """All that is worth its bytes, best first; of one layer each but from the form before."""
    found: list[_Purchase] = []
    for name, ladder in ladders.items():
        form = len(ladder) - 1
        while form > 0:
            # A form that saves less a byte than one beyond it is passed over.
            steps = [
                _Purchase(name, faster, more, Fraction(fewer, more))
                for faster in range(form)
                if (more := sizes[name][faster] - sizes[name][form]) > 0
                and (fewer := ladder[form].instructions - ladder[faster].instructions) > 0
            ]
            if not steps:
                break
            best = max(steps, key=lambda step: (step.saved, -step.form))
            found.append(best)
            form = best.form
    # Stable: of the same worth, in the order of layers.
    return sorted(found, key=lambda step: -step.saved)
