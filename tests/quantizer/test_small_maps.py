"""Maps of one row, one column or one channel: both layouts have the same bytes for some of them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.quantizer.quantize import quantize
from edgemnv2.samples.images import to_source
from edgemnv2.samples.inputs import random_set
from tests.networks.onnx_net import one_operator
from tests.networks.tflite_net import TfliteNet

MAPS = list(product((1, 3), repeat=3))


def pooled(layout: str, map_: tuple[int, int, int], folder: Path) -> Graph:
    """A float network that ends in `map_` `[H, W, C]`, from a format of that layout."""
    height, width, channels = map_
    # Three pixels stay three, or become one.
    kernel = [4 - height, 4 - width]
    if layout == "NCHW":
        blob = one_operator("MaxPool", (1, channels, 3, 3), kernel_shape=kernel)
    else:
        net = TfliteNet()
        x, y = net.tensor((1, 3, 3, channels)), net.tensor((1, *map_))
        options = {"filter_height": kernel[0], "filter_width": kernel[1]}
        net.add(
            "MAX_POOL_2D", [x], [y], "Pool2DOptions", padding=1, stride_w=1, stride_h=1, **options
        )
        blob = net.build([x], [y])
    path = folder / ("net.onnx" if layout == "NCHW" else "net.tflite")
    path.write_bytes(blob)
    return lower(load_model(path))


@pytest.mark.parametrize("map_", MAPS, ids=str)
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_the_file_gives_what_the_network_gives(
    layout: str, map_: tuple[int, int, int], tmp_path: Path
) -> None:
    graph = pooled(layout, map_, tmp_path)
    inputs = random_set(graph, 4, seed=1)
    made = quantize(graph, inputs)
    height, width, channels = map_
    assert made.outputs.shape == (4, height, width, channels)
    assert made.output_snr_db is not None and made.output_snr_db > 30
    ends = []
    for network in (graph, made.graph):
        (spec,) = network.output_specs
        values = by_source(network, run(network, inputs.arrays, keep=False))[spec.name]
        ends.append(to_source(values, spec))
    assert ends[0].shape == ends[1].shape
    step = np.ptp(ends[0]) / 100
    np.testing.assert_allclose(ends[1], ends[0], atol=step)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_vector_of_classes_stays_one(layout: str, tmp_path: Path) -> None:
    graph = pooled(layout, (1, 1, 3), tmp_path)
    made = quantize(graph, random_set(graph, 4, seed=1))
    assert made.graph.tensors[made.graph.outputs[0]].shape == (1, 1, 3)
