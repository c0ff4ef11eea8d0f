"""Long rows in halves: the same integers, and only where a row is long."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops import execute
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.passes.share_channels import share_channels
from tests.streaming.random_networks import random_graph, random_input


@pytest.fixture(scope="module")
def small() -> Graph:
    return lower(load_model("mobilenetv2-0.35-32-int8"))


def test_the_head_and_the_classifier_of_a_small_network_are_halved(small: Graph) -> None:
    shared = share_channels(small)
    new = {x.name for x in shared.layers} - {x.name for x in small.layers}
    assert {"classifier.half0", "classifier.half1", "head.half0", "head.half1"} <= new
    joined = next(x for x in shared.layers if x.name == "classifier")
    assert joined.op == "concat" and joined.output == small.outputs[0]
    macs = {graph: sum(map(graph.macs, graph.layers)) for graph in (small, shared)}
    assert macs[small] == macs[shared]


def test_values_stay_what_they_are(small: Graph) -> None:
    x = random_input(small, 3)
    name = small.outputs[0]
    expected = execute.run(small, x, keep=False)[name]
    np.testing.assert_array_equal(execute.run(share_channels(small), x, keep=False)[name], expected)
    changed = 0
    for seed in range(12):
        graph = random_graph(seed, integer=True)
        shared = share_channels(graph)
        changed += shared is not graph
        x = random_input(graph, seed)
        name = graph.outputs[0]
        np.testing.assert_array_equal(
            execute.run(shared, x, keep=False)[name], execute.run(graph, x, keep=False)[name]
        )
    assert changed


def test_a_network_of_short_rows_stays_as_it_is() -> None:
    graph = lower(load_model("mobilenetv2-1.0-224-int8"))
    assert share_channels(graph) is graph
