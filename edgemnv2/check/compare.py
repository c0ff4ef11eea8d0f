"""Outputs against the reference: equal, close, and which layer was the first to differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import InputError
from edgemnv2.ops.graph import Graph

__all__ = [
    "FLOAT_TOLERANCE",
    "Comparison",
    "Divergence",
    "compare",
    "first_divergence",
    "tolerance",
]

Array = NDArray[Any]

FLOAT_TOLERANCE = 2e-5
"""float32 outputs may differ by this times the largest expected magnitude, at least 10: that is
2e-4 on logits. 53 layers of float32 in another order of summation stay well below."""
LEAST_MAGNITUDE = 10.0


@dataclass(frozen=True)
class Comparison:
    """One tensor against its reference."""

    passed: bool
    exact: bool
    """Every byte is equal."""
    different: int
    """How many elements are not equal."""
    elements: int
    max_abs_error: float
    """Infinite where a float is not a number or infinite on one side only."""
    tolerance: float
    """0 for integers."""
    position: tuple[int, ...] | None
    """Of the first element beyond the tolerance, `(n, y, x, c)`; None where there is none."""


@dataclass(frozen=True)
class Divergence:
    """The first layer, in topological order, whose output differs from the reference."""

    layer: str
    op: str
    index: int
    """Of the layer in the graph."""
    comparison: Comparison
    expected: float
    """At `comparison.position`."""
    actual: float


def tolerance(expected: Array) -> float:
    """What an element may differ by: 0 for integers, see `FLOAT_TOLERANCE` for floats."""
    if np.issubdtype(expected.dtype, np.integer):
        return 0.0
    largest = float(np.abs(expected).max(initial=0.0))
    return FLOAT_TOLERANCE * max(LEAST_MAGNITUDE, largest if np.isfinite(largest) else 0.0)


def compare(expected: Array, actual: Array, allowed: float | None = None) -> Comparison:
    """`actual` against `expected`; `allowed` replaces the default `tolerance(expected)`.

    Raises InputError where shapes or types differ.
    """
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        raise InputError(
            f"output of shape {list(actual.shape)} {actual.dtype} against a reference of "
            f"{list(expected.shape)} {expected.dtype}: these are not the same tensor"
        )
    limit = tolerance(expected) if allowed is None else allowed
    error = _error(expected, actual)
    beyond = error > limit
    first = tuple(int(i) for i in np.argwhere(beyond)[0]) if beyond.any() else None
    different = int((error > 0).sum())
    return Comparison(
        passed=first is None,
        exact=different == 0,
        different=different,
        elements=int(error.size),
        max_abs_error=float(error.max(initial=0.0)),
        tolerance=limit,
        position=first,
    )


def first_divergence(
    graph: Graph,
    expected: Mapping[str, Array],
    actual: Mapping[str, Array],
    allowed: float | None = None,
) -> Divergence | None:
    """The first layer whose output in `actual` differs from `expected`; both by tensor name.

    Layers that `actual` does not have (fused ones) are passed over.
    """
    for index, layer in enumerate(graph.layers):
        if layer.output not in actual:
            continue
        reference, traced = expected[layer.output], actual[layer.output]
        result = compare(reference, traced, allowed)
        if result.position is not None:
            return Divergence(
                layer.name,
                layer.op,
                index,
                result,
                expected=float(reference[result.position]),
                actual=float(traced[result.position]),
            )
    return None


def _error(expected: Array, actual: Array) -> Array:
    """|difference| in float64; infinite where exactly one side is NaN or an infinity."""
    a, b = expected.astype(np.float64), actual.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(a - b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    error[same] = 0.0
    error[np.isnan(error)] = np.inf
    return error
