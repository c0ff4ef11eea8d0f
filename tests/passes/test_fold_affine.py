"""Sums, factors and normalisations behind a convolution are in its weights, and mean the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.ops.flow import Flow, Node
from edgemnv2.passes.fold_affine import fold_affine
from tests.passes.flows import constant, conv2d, flow_of, node, ops

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(1, 1, 3, 4))
VECTOR = RANDOM.uniform(0.5, 2, 4)
SHAPES = {"x": (2, 2, 3), **dict.fromkeys(("a", "b", "y"), (2, 2, 4))}
X = RANDOM.normal(size=(2, 2, 3))


def normalisation(x: str, to: str) -> Node:
    vectors = [constant(v) for v in (VECTOR, VECTOR + 1, VECTOR - 1, VECTOR)]
    return node("batch_norm", x, *vectors, to=to, epsilon=1e-3, scale=True, center=True)


def computed(flow: Flow) -> Any:
    """What pointwise convolutions and affine nodes of a flow make of `X`."""
    values: dict[str, Any] = {"x": X}
    for each in flow.nodes:
        x, *rest = (values.get(v, v) if isinstance(v, str) else v.values for v in each.inputs)
        if each.op == "conv2d":
            made = x @ rest[0][0, 0] + (rest[1] if len(rest) > 1 else 0)
        elif each.op == "batch_norm":
            gamma, beta, mean, variance = rest
            made = (x - mean) / np.sqrt(variance + each.attrs["epsilon"]) * gamma + beta
        else:
            made = getattr(np, each.op)(x, rest[0])
        values[each.output] = made
    return values[flow.outputs[0]]


@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "divide", "batch_norm"])
@pytest.mark.parametrize("size", [1, 4])
def test_it_is_folded_and_means_the_same(op: str, size: int) -> None:
    behind = normalisation("a", "y")
    if op != "batch_norm":
        behind = node(op, "a", constant(VECTOR[:size]), to="y")
    flow = flow_of([conv2d("x", WEIGHT, "a"), behind], SHAPES, ("y",))
    folded = fold_affine(flow)
    assert ops(folded) == ["conv2d"] and len(folded.nodes[0].inputs) == 3
    np.testing.assert_allclose(computed(folded), computed(flow), rtol=1e-5, atol=1e-5)


def test_a_chain_is_folded_whole() -> None:
    nodes = [
        conv2d("x", WEIGHT, "a"),
        node("multiply", "a", constant(VECTOR), to="b"),
        normalisation("b", "y"),
    ]
    flow = flow_of(nodes, SHAPES, ("y",))
    assert ops(fold_affine(flow)) == ["conv2d"]
    np.testing.assert_allclose(computed(fold_affine(flow)), computed(flow), rtol=1e-5, atol=1e-5)


def test_what_others_read_too_is_not_folded() -> None:
    nodes = [conv2d("x", WEIGHT, "a"), node("add", "a", constant(VECTOR), to="y")]
    flow = fold_affine(flow_of(nodes, SHAPES, ("y", "a")))
    assert ops(flow) == ["conv2d", "add"]


def test_behind_a_clamp_nothing_is_folded() -> None:
    clamped = conv2d("x", WEIGHT, "a", clamp=(0.0, 6.0))
    behind = node("multiply", "a", constant(VECTOR), to="y")
    assert ops(fold_affine(flow_of([clamped, behind], SHAPES, ("y",)))) == ["conv2d", "multiply"]


def test_a_normalisation_on_its_own_is_a_factor_and_a_sum() -> None:
    shapes = {"x": (2, 2, 4), "y": (2, 2, 4)}
    flow = flow_of([normalisation("x", "y")], shapes, ("y",))
    folded = fold_affine(flow)
    assert ops(folded) == ["multiply", "add"]
    assert folded.shapes[folded.nodes[0].output] == (2, 2, 4)


def test_a_constant_less_an_activation_stays() -> None:
    nodes = [conv2d("x", WEIGHT, "a"), node("subtract", constant(VECTOR), "a", to="y")]
    assert ops(fold_affine(flow_of(nodes, SHAPES, ("y",)))) == ["conv2d", "subtract"]


@pytest.mark.parametrize("factor", [np.inf, 3e38])
def test_a_fold_that_leaves_the_range_names_its_convolution(factor: float) -> None:
    large = np.full_like(WEIGHT, 3e38)
    nodes = [
        conv2d("x", large, "a"),
        node("multiply", "a", constant(np.full_like(VECTOR, factor)), to="y"),
    ]
    with pytest.raises(ModelError, match="of its weights are infinite or no number with the"):
        fold_affine(flow_of(nodes, SHAPES, ("y",)))
