"""Equalisation keeps the function and evens out what it is meant to."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.execute import outputs, run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.quantizer.equalize import equalize_activations, equalize_weights
from edgemnv2.quantizer.float_graph import channel_peaks, consumers
from edgemnv2.samples.images import random_inputs

RELATIVE_TOLERANCE = 2e-4
"""Weights are multiplied and divided in float64 and stored in float32, fifty layers deep."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model("mobilenetv2-0.35-96"))


@pytest.fixture(scope="module")
def inputs(graph) -> np.ndarray:
    return random_inputs(graph.tensors[graph.inputs[0]], 4, seed=3).x


@pytest.fixture(scope="module")
def peaks(graph, inputs):
    return channel_peaks(graph, [inputs[:2], inputs[2:]])


def test_peaks_are_those_of_all_batches(graph, inputs, peaks):
    """To the bit, however the images are batched; and those of the reference but for its sums."""
    whole = channel_peaks(graph, [inputs])
    values = run(graph, inputs)
    for name, peak in peaks.items():
        np.testing.assert_array_equal(peak, whole[name])
        largest = np.abs(values[name]).max(axis=(0, 1, 2))
        np.testing.assert_allclose(peak, largest, atol=RELATIVE_TOLERANCE * largest.max())


@pytest.mark.parametrize("equalize", [equalize_activations, equalize_weights])
def test_the_function_is_kept(graph, inputs, peaks, equalize):
    before, after = outputs(graph, inputs), outputs(equalize(graph, peaks), inputs)
    scale = float(np.abs(before).max())
    np.testing.assert_allclose(after, before, rtol=0, atol=RELATIVE_TOLERANCE * scale)


def test_what_only_a_depthwise_layer_reads_gets_one_range(graph, inputs, peaks):
    equal = equalize_activations(graph, peaks)
    after = channel_peaks(equal, [inputs])
    checked = 0
    for layer in graph.layers:
        readers = consumers(graph, layer.output)
        if not (
            isinstance(layer, Conv2D)
            and isinstance(readers[0] if readers else None, DepthwiseConv2D)
        ):
            continue
        alive = peaks[layer.output] > 0.02
        grown = after[layer.output][alive]
        assert grown.max() <= layer.clamp[1]
        assert grown.min() >= 0.9 * min(layer.clamp[1], peaks[layer.output].max())
        checked += 1
    assert checked == 17


def test_channels_at_the_clamp_are_not_touched(graph, inputs, peaks):
    saturated = {name: np.full_like(peak, 6.0) for name, peak in peaks.items()}
    equal = equalize_activations(graph, saturated)
    stem, before = equal.layers[0], graph.layers[0]
    np.testing.assert_array_equal(stem.weight, before.weight)


def test_weights_on_both_sides_of_a_linear_tensor_get_one_range(graph, peaks):
    """Where no clamp holds a channel back, sqrt(read / written) comes to rest at 1."""
    equal = equalize_weights(graph, peaks)
    by_name = {layer.name: layer for layer in equal.layers}
    written = np.abs(by_name["block1.project"].weight).max(axis=(0, 1, 2))
    read = np.abs(by_name["block2.expand"].weight).max(axis=(0, 1, 3))
    np.testing.assert_allclose(written, read, rtol=0.02)
    before = np.abs(graph.layers[2].weight).max(axis=(0, 1, 2))
    assert graph.layers[2].name == "block1.project"
    assert not np.allclose(before, np.abs(graph.layers[3].weight).max(axis=(0, 1, 3)), rtol=0.02)
