"""Products over axes, as multiplications of halves."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.source import FlowBuilder, Refusal, SourceTensor

__all__ = ["add_reduced_product"]

MOST_FACTORS = 1024
"""Of one product: beyond, floats are 0 or infinite."""


def add_reduced_product(
    flow: FlowBuilder, source: SourceTensor, output: SourceTensor, axes: tuple[int, ...]
) -> None:
    """`output` is the product of the floats of `source` over `axes`."""
    if prod(source.shape[axis] for axis in axes) > MOST_FACTORS:
        raise Refusal(
            f"{prod(source.shape[axis] for axis in axes)} factors",
            "export the model with a sum of logarithms",
            f"A product has {MOST_FACTORS} factors or fewer",
        )
    left, shape = flow.real(source), source.shape

    def part(axis: int, start: int, count: int) -> str:
        indices = [range(extent) for extent in shape]
        indices[axis] = range(start, start + count)
        taken = (*shape[:axis], count, *shape[axis + 1 :])
        attrs = {"indices": tuple(tuple(x) for x in indices)}
        return flow.add("select", [left], flow.fresh(source, shape=taken), attrs)

    for axis in axes:
        # What an odd extent leaves over.
        over = []
        while shape[axis] > 1:
            half = shape[axis] // 2
            over += [part(axis, 2 * half, 1)] if shape[axis] % 2 else []
            halves = [part(axis, start, half) for start in (0, half)]
            shape = (*shape[:axis], half, *shape[axis + 1 :])
            left = flow.add("multiply", halves, flow.fresh(source, shape=shape))
        for one in over:
            left = flow.add("multiply", [left, one], flow.fresh(source, shape=shape))
    made = flow.add("reshape", [left], flow.fresh(output), {"shape": output.shape})
    flow.result(made, output)
