"""The detector and the segmenter by name: of the paper's shape, deterministic, as LiteRT runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.frontend.architecture import architecture
from edgemnv2.frontend.deeplab import build_deeplab
from edgemnv2.frontend.seeded_net import SeededNet, backbone
from edgemnv2.frontend.ssdlite import build_ssdlite
from edgemnv2.frontend.tasks import load_task, task_names
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.images import random_inputs
from tests.networks.seeded_file import as_tflite

SMALL = (
    "ssdlite-mobilenetv2-64-0.35",
    "ssdlite-mobilenetv2-96-0.35-int8",
    "deeplabv3-mobilenetv2-65-0.35",
    "deeplabv3-mobilenetv2-65-0.35-int8",
    "deeplabv3-mobilenetv2-65-0.35-os8-aspp-int8",
)


def first_input(graph: Graph) -> np.ndarray:
    return random_inputs(graph.tensors[graph.inputs[0]], 1, seed=1).x


@pytest.mark.parametrize("name", SMALL)
def test_a_name_is_one_network(name: str) -> None:
    a, b = lower(load_model(name)), lower(load_model(name))
    assert a.name == a.source == name and a.sha256 == b.sha256
    x = first_input(a)
    for one, other in zip(run(a, x).values(), run(b, x).values(), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", SMALL)
def test_no_layer_is_dead_or_saturated(name: str) -> None:
    graph = lower(load_model(name))
    values = run(graph, first_input(graph))
    for layer in graph.layers:
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            y = values[layer.output].astype(np.float64)
            assert y.std() > 0, layer.name
            low, high = layer.clamp_ends
            at_ends = (y <= low) | (y >= high)
            assert at_ends.mean() < 0.9, layer.name


@pytest.mark.parametrize("name", [x for x in SMALL if x.endswith("int8")])
def test_integers_equal_litert(name: str, require_module: Callable[[str], None]) -> None:
    """Through a file with the same operators, weights and scales."""
    require_module("ai_edge_litert")
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = lower(load_model(name))
    x = first_input(graph)
    interpreter = Interpreter(
        model_content=as_tflite(name),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    theirs = {
        d["name"]: interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()
    }
    values = run(graph, x)
    for spec, tensor in zip(graph.output_specs, graph.outputs, strict=True):
        np.testing.assert_array_equal(values[tensor].reshape(spec.shape), theirs[spec.name])


def test_the_detector_is_of_the_papers_maps() -> None:
    model = build_ssdlite()
    boxes = 3 * 20**2 + 6 * (10**2 + 5**2 + 3**2 + 2**2 + 1)
    assert [x.shape for x in model.outputs] == [(1, boxes, 4), (1, boxes, 81)]
    assert [x.name for x in model.outputs] == ["boxes", "scores"]


@pytest.mark.parametrize(("stride", "side"), [(16, 33), (8, 65), (32, 17)])
def test_strides_beyond_the_output_stride_are_dilations(stride: int, side: int) -> None:
    net = SeededNet("n", 513, int8=False, seed=0)
    values = backbone(net, architecture(0.35, 513), stride)
    assert values["block17"].size == side
    rates = {
        node.output.name: node.attrs["dilation_h_factor"]
        for node in net.nodes
        if node.operator == "DEPTHWISE_CONV_2D"
    }
    found = [rates[f"block{i}.depthwise"] for i in (6, 7, 8, 14, 15)]
    # The block that loses its stride does not see further yet.
    assert found == {32: [1] * 5, 16: [1, 1, 1, 1, 2], 8: [1, 1, 2, 2, 4]}[stride]


def test_dilation_leaves_the_weights_as_they_are() -> None:
    nets = [SeededNet("n", 65, int8=True, seed=0) for _ in range(2)]
    for net, stride in zip(nets, (16, 32), strict=True):
        backbone(net, architecture(0.35, 65), stride)
    for a, b in zip(nets[0].maker.layers, nets[1].maker.layers, strict=True):
        assert a.integers.tobytes() == b.integers.tobytes()


def test_widths_narrow_every_part() -> None:
    full, narrow = (lower(build_ssdlite(width, 64)) for width in (1.0, 0.35))
    for a, b in zip(full.layers, narrow.layers, strict=True):
        assert a.op == b.op
    assert sum(map(full.macs, full.layers)) > 3 * sum(map(narrow.macs, narrow.layers))


def test_names_of_tasks() -> None:
    assert "ssdlite-mobilenetv2-320-int8" in task_names()
    for wrong in ("ssdlite-mobilenetv2-320-os8", "ssdlite-320", "deeplabv3-mobilenetv2"):
        assert load_task(wrong) is None
    for far in ("ssdlite-mobilenetv2-9000", "deeplabv3-mobilenetv2-65-9.0"):
        with pytest.raises(ModelError, match="out of range"):
            load_task(far)
    with pytest.raises(ModelError, match="output_stride=4"):
        build_deeplab(output_stride=4)


def test_another_seed_is_another_network() -> None:
    a, b = build_ssdlite(0.35, 64), build_ssdlite(0.35, 64, seed=1)
    assert a.sha256 != b.sha256
