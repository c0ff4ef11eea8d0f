"""Nodes on constants alone are computed once, here."""

from __future__ import annotations

import numpy as np

from edgemnv2.passes import lower
from edgemnv2.passes.fold_constants import fold_constants
from tests.passes.flows import constant, flow_of, node, ops


def test_a_chain_of_constants_becomes_one() -> None:
    weight = np.arange(6).reshape(2, 3)
    nodes = [
        node("permute", constant(weight), to="w", axes=(1, 0)),
        node("reshape", "w", to="v", shape=(6,)),
        node("add", "x", "v", to="y"),
    ]
    shapes = {"x": (1, 6), "w": (3, 2), "v": (6,), "y": (1, 6)}
    flow = fold_constants(flow_of(nodes, shapes, ("y",)), lower)
    assert ops(flow) == ["add"]
    np.testing.assert_array_equal(flow.nodes[0].constant(1).values, weight.T.reshape(6))


def test_what_reads_an_activation_is_left() -> None:
    nodes = [node("reshape", "x", to="y", shape=(6,))]
    flow = fold_constants(flow_of(nodes, {"x": (1, 6), "y": (6,)}, ("y",)), lower)
    assert ops(flow) == ["reshape"]
