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
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.passes import lower
from edgemnv2.quantizer.float_graph import check_float_graph, class_scores_tensors


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
    assert class_scores_tensors(graph) == graph.outputs


def test_in_front_of_softmax_they_are_its_input(graph):
    assert class_scores_tensors(with_softmax(graph)) == graph.outputs


def test_pooled_features_are_no_scores(graph):
    (pool,) = [x for x in graph.layers if isinstance(x, GlobalAveragePool)]
    count = graph.layers.index(pool) + 1
    first = replace(graph, layers=graph.layers[:count], outputs=(pool.output,))
    assert class_scores_tensors(first) == ()


def test_clamped_outputs_are_no_scores(graph):
    assert class_scores_tensors(with_last(graph, clamp=(0.0, np.inf))) == ()


@pytest.mark.parametrize("shape", [{"channels": 1}, {"height": 12, "width": 12}])
def test_one_number_and_maps_are_no_scores(graph, shape):
    name = graph.outputs[0]
    tensors = {**graph.tensors, name: replace(graph.tensors[name], **shape)}
    assert class_scores_tensors(replace(graph, tensors=tensors)) == ()


def test_each_output_of_that_form_has_scores(graph):
    (pool,) = [x for x in graph.layers if isinstance(x, GlobalAveragePool)]
    head = replace(graph.layers[-1], name="other", output="other")
    tensors = {**graph.tensors, "other": replace(graph.tensors[graph.outputs[0]], name="other")}
    outputs = (*graph.outputs, pool.output, "other")
    both = replace(graph, tensors=tensors, layers=(*graph.layers, head), outputs=outputs)
    assert class_scores_tensors(both) == (graph.outputs[0], "other")


def test_quantised_networks_and_numbers_that_are_none_are_refused(graph):
    check_float_graph(graph)
    stored = lower(load_model("mobilenetv2-0.35-96-int8"))
    with pytest.raises(ModelError, match="is quantised already"):
        check_float_graph(stored)
    stem = graph.layers[0]
    broken = replace(stem, bias=np.full_like(stem.bias, np.nan))
    with pytest.raises(ModelError, match="bias values are NaN"):
        check_float_graph(replace(graph, layers=(broken, *graph.layers[1:])))
