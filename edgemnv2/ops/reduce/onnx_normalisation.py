"""Import rules of ONNX: normalisations over a map, as means, squares and products.

What the batch, layer, group and instance normalisations of other networks' heads are made of: from
each value its mean over some axes, divided by the root of their variance.
"""

from __future__ import annotations

from math import prod

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.onnx_terms import axis_of
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor

__all__ = ["RULES"]

AFFINE_OF_CHANNELS = 21
"""The opset from which GroupNormalization has a scale for each channel, not for each group."""


def instance_normalization(node: SourceNode, flow: FlowBuilder) -> None:
    """Scale and bias are constants."""
    source = node.input(0)
    axes = tuple(range(2, len(source.shape)))
    normal = _normalised(flow, flow.stored(source), node.output, axes, _epsilon(node))
    _scaled(flow, normal, node, (1, -1, *[1] * len(axes)))


def layer_normalization(node: SourceNode, flow: FlowBuilder) -> None:
    """Scale and bias are constants; only the normalised values are used."""
    if len(node.outputs) > 1:
        raise Refusal("more outputs, the mean among them", "export the model in evaluation mode")
    source = node.input(0)
    rank = len(source.shape)
    axes = tuple(range(axis_of(node, -1, rank), rank))
    normal = _normalised(flow, flow.stored(source), node.output, axes, _epsilon(node))
    _scaled(flow, normal, node, None)


def group_normalization(node: SourceNode, flow: FlowBuilder) -> None:
    """Scale and bias are constants."""
    source, groups = node.input(0), int(node.get("num_groups", 1))
    channels = source.shape[1]
    if groups < 1 or channels % groups:
        raise Refusal(f"{groups} groups of {channels} channels", "export the model again")
    apart = (source.shape[0], groups, channels // groups * prod(source.shape[2:]))
    view = SourceTensor(f"{node.output.name}.groups", apart, "float32")
    flow.move("reshape", [flow.stored(source)], view, {"shape": apart})
    normal = _normalised(flow, view.name, view, (2,), _epsilon(node))
    whole = flow.add("reshape", [normal], flow.fresh(node.output), {"shape": source.shape})
    after = (1, -1, *[1] * (len(source.shape) - 2))
    repeats = channels // groups if int(node.get("opset", 18)) < AFFINE_OF_CHANNELS else 1
    _scaled(flow, whole, node, after, repeats)


def mean_variance_normalization(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    rank = len(node.input(0).shape)
    axes = tuple(sorted({int(axis) % rank for axis in node.get("axes", (0, 2, 3))}))
    # The standard adds this to the deviation, and nothing to the variance.
    normal = _normalised(flow, flow.stored(node.input(0)), node.output, axes, 0.0, 1e-9)
    flow.result(normal, node.output)


def _epsilon(node: SourceNode) -> float:
    return float(node.get("epsilon", 1e-5))


def _normalised(
    flow: FlowBuilder,
    x: str | Constant,
    like: SourceTensor,
    axes: tuple[int, ...],
    epsilon: float,
    least: float = 0.0,
) -> str:
    """`(x - mean) / (sqrt(variance + epsilon) + least)` over `axes`."""
    shape = tuple(1 if i in axes else e for i, e in enumerate(like.shape))

    def mean(of: str | Constant) -> str:
        return flow.add("mean", [of], flow.fresh(like, shape=shape), {"axes": axes})

    centred = flow.add("subtract", [x, mean(x)], flow.fresh(like))
    variance = mean(flow.step("square", centred, like))
    if epsilon:
        small = Constant(np.array(epsilon, np.float32))
        variance = flow.add("add", [variance, small], flow.fresh(like, shape=shape))
    deviation = flow.add("sqrt", [variance], flow.fresh(like, shape=shape))
    if least:
        small = Constant(np.array(least, np.float32))
        deviation = flow.add("add", [deviation, small], flow.fresh(like, shape=shape))
    return flow.add("divide", [centred, deviation], flow.fresh(like))


def _scaled(
    flow: FlowBuilder,
    x: str,
    node: SourceNode,
    shape: tuple[int, ...] | None,
    repeats: int = 1,
) -> None:
    """The node's output: `x` by the scale, plus the bias, each seen as `shape`."""
    for index, op in ((1, "multiply"), (2, "add")):
        if node.optional(index) is None:
            continue
        constant = flow.stored(node.input(index))
        if not isinstance(constant, Constant):
            raise Refusal(
                f"{node.input(index).name!r} that is computed",
                "export the model with its parameters in it",
            )
        values = constant.real()
        values = np.repeat(values, repeats) if repeats > 1 else values
        values = values if shape is None else values.reshape(shape)
        x = flow.add(op, [x, Constant(values)], flow.fresh(node.output))
    flow.result(x, node.output)


RULES: dict[str, Rule] = {
    "GroupNormalization": group_normalization,
    "InstanceNormalization": instance_normalization,
    "LayerNormalization": layer_normalization,
    "MeanVarianceNormalization": mean_variance_normalization,
}
