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
from edgemnv2.quantizer.float_graph import consumers, expected_peaks, image_peaks
from edgemnv2.samples.images import random_inputs

RELATIVE_TOLERANCE = 2e-4
"""Weights are multiplied and divided in float64 and stored in float32, fifty layers deep."""

GRID_TOLERANCE = 1e-3
"""Of a tensor's largest: the grid's 2**-18 and float32's own errors, fifty layers deep."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model("mobilenetv2-0.35-96"))


@pytest.fixture(scope="module")
def inputs(graph) -> np.ndarray:
    return random_inputs(graph.tensors[graph.inputs[0]], 4, seed=3).x


@pytest.fixture(scope="module")
def seen(graph, inputs):
    return image_peaks(graph, [inputs[:2], inputs[2:]])


@pytest.fixture(scope="module")
def peaks(seen):
    """Of all that was seen, so that the properties below hold exactly on the inputs."""
    return {name: values.max(axis=0) for name, values in seen.items()}


def test_peaks_are_those_of_each_image_whatever_the_batches(graph, inputs, seen):
    together = image_peaks(graph, [inputs])
    values = run(graph, inputs)
    for name, peak in seen.items():
        np.testing.assert_array_equal(peak, together[name])
        wanted = np.abs(values[name]).max(axis=(1, 2))
        np.testing.assert_allclose(peak, wanted, rtol=0, atol=GRID_TOLERANCE * wanted.max())


def test_expected_peaks_lie_above_the_seen_ones_and_within_the_clamp(graph, seen):
    expected = expected_peaks(graph, seen)
    clamps = {layer.output: getattr(layer, "clamp", (-np.inf, np.inf)) for layer in graph.layers}
    grown = 0
    for name, peak in expected.items():
        largest = seen[name].max(axis=0)
        assert (peak >= largest).all()
        assert (peak <= np.maximum(largest, clamps.get(name, (0, np.inf))[1])).all()
        grown += int((peak > 1.2 * largest).sum())
    assert grown > 1000


def test_peaks_that_all_images_share_are_expected_again(graph, seen):
    same = {name: np.repeat(values[:1], 4, axis=0) for name, values in seen.items()}
    for name, peak in expected_peaks(graph, same).items():
        np.testing.assert_array_equal(peak, same[name][0])


@pytest.mark.parametrize("equalize", [equalize_activations, equalize_weights])
def test_the_function_is_kept(graph, inputs, peaks, equalize):
    before, after = outputs(graph, inputs), outputs(equalize(graph, peaks), inputs)
    scale = float(np.abs(before).max())
    np.testing.assert_allclose(after, before, rtol=0, atol=RELATIVE_TOLERANCE * scale)


def test_what_only_a_depthwise_layer_reads_gets_one_range(graph, inputs, peaks):
    equal = equalize_activations(graph, peaks)
    after = {name: x.max(axis=0) for name, x in image_peaks(equal, [inputs]).items()}
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
