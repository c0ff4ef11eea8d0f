"""Which rows lie channel by channel, and which layers the Cortex-M families decline."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowLayout
from edgemnv2.schedules import dsp, mve
from edgemnv2.schedules.dsp.rows import pixel_tiles
from tests.schedules.cortex_m.cortex_m_harness import Network

FAMILIES = pytest.mark.parametrize("family", [dsp, mve], ids=["dsp", "mve"])


def block(**depthwise: Any) -> Network:
    return (
        Network(1, 8, 8, 8)
        .convolution(24, relu=True)
        .convolution(0, 3, depthwise=True, relu=True, **depthwise)
    )


@FAMILIES
@pytest.mark.parametrize(
    ("stride", "padding", "left", "right"),
    [(1, "same", 1, 1), (2, "same", 0, 1), (1, "1", 1, 1), (2, "1", 1, 0)],
)
def test_depthwise_input_lies_by_channel_with_the_columns_that_are_read(
    family: ModuleType, stride: int, padding: str, left: int, right: int
) -> None:
    graph = block(stride=stride, padding=padding).graph()
    expected = {"t0": RowLayout("CW", left, right)}
    assert family.layouts(graph, None) == expected


@FAMILIES
def test_a_tensor_that_others_read_keeps_its_layout(family: ModuleType) -> None:
    network = Network(1, 8, 8, 8).convolution(8, relu=True)
    start = network.current
    graph = network.convolution(0, 3, depthwise=True, relu=True).add(start).graph()
    assert family.layouts(graph, None) == {}


@FAMILIES
def test_a_network_output_keeps_its_layout(family: ModuleType) -> None:
    graph = block().graph()
    both = Graph(graph.name, graph.tensors, graph.layers, graph.inputs, ("t0", "t1"), (), ())
    assert family.layouts(both, None) == {}


@FAMILIES
def test_depthwise_of_another_size_is_declined(family: ModuleType) -> None:
    network = Network(1, 8, 8, 8).convolution(24, relu=True)
    graph = network.convolution(0, 5, depthwise=True, relu=True).graph()
    layer = graph.layers[1]
    assert family.layouts(graph, None) == {}
    assert family.row_kernel(graph, layer, {}, None, {}) is None


@FAMILIES
def test_float_layers_are_declined(family: ModuleType) -> None:
    graph = block().graph()
    layer = replace(graph.layers[0], requantize=None)
    decisions = family.default(graph, layer, None)
    assert decisions == {}
    assert family.row_kernel(graph, layer, {}, None, decisions) is None


@FAMILIES
def test_no_fused_kernel_writes_plain_rows_where_another_layer_wants_channels(
    family: ModuleType,
) -> None:
    """As in a detector's head: depthwise behind a pair that begins with a tensor of two readers."""
    network = Network(1, 8, 8, 8).convolution(24, relu=True)
    start = network.current
    network.convolution(0, 3, depthwise=True).convolution(24, relu=True)
    middle = network.current
    graph = network.convolution(0, 3, depthwise=True).add(start).graph()
    layouts = family.layouts(graph, None)
    assert set(layouts) == {middle}
    depthwise, project = graph.layers[1:3]
    decisions = family.default(graph, project, None)
    assert family.fused_kernel(graph, depthwise, project, layouts, None, decisions) is None


@FAMILIES
def test_default_decisions_are_in_the_space(family: ModuleType) -> None:
    graph = block().graph()
    for layer in graph.layers:
        space = family.space(graph, layer, None)
        default = family.default(graph, layer, None)
        assert set(default) == set(space)
        assert all(default[name] in space[name] for name in space)


@pytest.mark.parametrize("width", range(1, 40))
def test_tiles_cover_a_row_once(width: int) -> None:
    covered = [
        start + pixels * i + p
        for start, pixels, count in pixel_tiles(width)
        for i in range(count)
        for p in range(pixels)
    ]
    assert covered == list(range(width))
    assert all(pixels >= 3 for _, pixels, _ in pixel_tiles(width)) or width in (1, 2, 5)
