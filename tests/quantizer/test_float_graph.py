"""A classifier is recognised by the form of its network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.sigmoid.layer import Sigmoid
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.passes import lower
from edgemnv2.quantizer.float_graph import check_float_graph, class_scores_tensor


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model("mobilenetv2-0.35-96"))


def with_last(graph: Graph, **changes) -> Graph:
    return replace(graph, layers=(*graph.layers[:-1], replace(graph.layers[-1], **changes)))


def with_softmax(graph: Graph) -> Graph:
    (scores,) = graph.outputs
    tensors = {**graph.tensors, "shares": replace(graph.tensors[scores], name="shares")}
    layers = (*graph.layers, Softmax("softmax", (scores,), "shares"))
    return replace(graph, tensors=tensors, layers=layers, outputs=("shares",))


def test_the_scores_are_the_output_of_the_last_dense_layer(graph):
    assert isinstance(graph.layers[-1], Conv2D)
    assert class_scores_tensor(graph) == graph.outputs[0]


def test_in_front_of_softmax_they_are_its_input(graph):
    assert class_scores_tensor(with_softmax(graph)) == graph.outputs[0]


def test_pooled_features_are_no_scores(graph):
    (pool,) = [x for x in graph.layers if isinstance(x, GlobalAveragePool)]
    count = graph.layers.index(pool) + 1
    assert (
        class_scores_tensor(replace(graph, layers=graph.layers[:count], outputs=(pool.output,)))
        is None
    )


def test_clamped_outputs_are_no_scores(graph):
    assert class_scores_tensor(with_last(graph, clamp=(0.0, np.inf))) is None


@pytest.mark.parametrize("shape", [{"channels": 1}, {"height": 12, "width": 12}])
def test_one_number_and_maps_are_no_scores(graph, shape):
    name = graph.outputs[0]
    tensors = {**graph.tensors, name: replace(graph.tensors[name], **shape)}
    assert class_scores_tensor(replace(graph, tensors=tensors)) is None


def test_layers_without_an_integer_form_are_refused_by_name(graph):
    check_float_graph(graph)
    (scores,) = graph.outputs
    tensors = {**graph.tensors, "y": replace(graph.tensors[scores], name="y")}
    layers = (*graph.layers, Sigmoid("gate", (scores,), "y"))
    gated = replace(graph, tensors=tensors, layers=layers, outputs=("y",))
    with pytest.raises(ModelError, match=r"layer 'gate' \(sigmoid\) is not quantised"):
        check_float_graph(gated)


@pytest.mark.parametrize("change", [{"dilation": (2, 2)}, {"groups": 4}])
def test_convolutions_that_are_spread_or_grouped_are_refused(graph, change):
    stem = replace(graph.layers[0], **change)
    with pytest.raises(ModelError, match=r"layer .stem. .* is not quantised"):
        check_float_graph(replace(graph, layers=(stem, *graph.layers[1:])))
