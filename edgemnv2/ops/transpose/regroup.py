"""Pixels into channels and back: a reshape, a permutation, a reshape."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode

__all__ = ["image_shape", "regrouped"]


def image_shape(node: SourceNode) -> tuple[int, ...]:
    """The shape of the first input, which must be one image."""
    shape = node.input(0).shape
    if len(shape) != 4 or shape[0] != 1:
        raise Refusal(f"input of shape {list(shape)}", "export the model for single images")
    return shape


def regrouped(
    node: SourceNode, flow: FlowBuilder, apart: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    """The input seen as `apart`, its axes permuted, seen as the output."""
    source, output = node.input(0), node.output
    if prod(apart) != prod(source.shape):
        raise Refusal(
            f"input of shape {list(source.shape)}, which the block does not divide",
            "export the model again",
        )
    parts = flow.fresh(output, source.dtype, apart)
    flow.add("reshape", [flow.stored(source)], parts, {"shape": apart})
    order = tuple(apart[axis] for axis in axes)
    moved = flow.add("permute", [parts], flow.fresh(output, source.dtype, order), {"axes": axes})
    flow.move("reshape", [moved], output, {"shape": output.shape})
