"""Networks that may differ from their framework: judged layer by layer, faults still found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.check.frameworks import open_source
from edgemnv2.check.layers import LayerErrors, compare_layers
from edgemnv2.check.source import check_source
from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.model import DYNAMIC_RANGE, LITERT_SUM
from edgemnv2.ops.binary.layer import Binary
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.passes import lower
from edgemnv2.samples.images import to_source
from edgemnv2.samples.inputs import random_set
from tests.networks.tflite_net import TfliteNet

CHANNELS = 48


def _read(net: TfliteNet, x: int, y: int, folder: Path) -> tuple[Graph, Path]:
    path = folder / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    return lower(load_model(path)), path


def _dynamic(folder: Path) -> tuple[Graph, Path]:
    """Float activations, int8 weights: LiteRT rounds activations on the way."""
    random, net = np.random.default_rng(0), TfliteNet()
    x = net.tensor((1, 6, 6, CHANNELS), name="x")
    y = net.tensor((1, 6, 6, 8), name="y")
    weight = random.integers(-127, 128, (8, 3, 3, CHANNELS)).astype(np.int8)
    operands = [
        x,
        net.constant(weight, scale=0.01),
        net.constant(random.normal(size=8).astype(np.float32)),
    ]
    fields = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    net.add("CONV_2D", operands, [y], "Conv2DOptions", padding=0, **fields)
    return _read(net, x, y, folder)


def _summed(folder: Path) -> tuple[Graph, Path]:
    """SUM of int8, and a factor behind it."""
    net = TfliteNet()
    x = net.tensor((1, 4, 4, 5), "int8", 0.05, -7, name="x")
    total = net.tensor((1, 4, 4, 1), "int8", 0.2, 3, name="sum")
    y = net.tensor((1, 4, 4, 5), "int8", 0.9, 0, name="y")
    axis = net.constant(np.array([3], np.int32))
    net.add("SUM", [x, axis], [total], "ReducerOptions", keep_dims=True)
    net.add("MUL", [x, total], [y], "MulOptions")
    return _read(net, x, y, folder)


def _partly_quantised(folder: Path) -> tuple[Graph, Path]:
    """A float sigmoid whose result is quantised: the last bits of floats decide about halves."""
    net = TfliteNet()
    x = net.tensor((1, 8, 8, 16), name="x")
    float_y = net.tensor((1, 8, 8, 16), name="sigmoid")
    y = net.tensor((1, 8, 8, 16), "int8", 1 / 256, -128, name="y")
    net.add("LOGISTIC", [x], [float_y])
    net.add("QUANTIZE", [float_y], [y])
    return _read(net, x, y, folder)


def _with(graph: Graph, kind: type[Layer], **changes: object) -> tuple[Graph, str]:
    index, layer = next((i, x) for i, x in enumerate(graph.layers) if isinstance(x, kind))
    changed = replace(layer, **changes)
    layers = (*graph.layers[:index], changed, *graph.layers[index + 1 :])
    return replace(graph, layers=layers), layer.name


@pytest.fixture(autouse=True)
def _litert(require_module: Callable[[str], None]) -> None:
    require_module("ai_edge_litert")


def test_dynamic_range_is_noted_differs_and_passes(tmp_path: Path) -> None:
    graph, path = _dynamic(tmp_path)
    assert [note.kind for note in graph.notes] == [DYNAMIC_RANGE]
    found = check_source(graph, path, random_set(graph, 3, 0).arrays)
    assert found.passed and found.judged_by == "layers" and found.different > 0


@pytest.mark.parametrize("change", ["padding", "clamp", "weight"])
def test_a_fault_in_a_dynamic_range_network_is_found(change: str, tmp_path: Path) -> None:
    graph, path = _dynamic(tmp_path)
    layer = graph.layers[0]
    assert isinstance(layer, Conv2D)
    value = {"padding": (2, 2, 0, 0), "clamp": (0.0, np.inf), "weight": -layer.weight}[change]
    wrong, name = _with(graph, Conv2D, **{change: value})
    found = check_source(wrong, path, random_set(graph, 2, 0).arrays)
    assert not found.passed and found.layer == name


def test_explicitly_dequantised_weights_are_no_dynamic_range(tmp_path: Path) -> None:
    net = TfliteNet()
    x, y = net.tensor((1, 6), name="x"), net.tensor((1, 3), name="y")
    stored = net.constant(np.arange(18, dtype=np.int8).reshape(3, 6), scale=0.1)
    weight = net.tensor((3, 6), name="w")
    net.add("DEQUANTIZE", [stored], [weight])
    net.add("FULLY_CONNECTED", [x, weight, -1], [y], "FullyConnectedOptions")
    graph, path = _read(net, x, y, tmp_path)
    found = check_source(graph, path, random_set(graph, 2, 0).arrays)
    assert not graph.notes and found.passed and found.judged_by == "outputs"


def test_litert_reference_sum_of_int8_is_its_own_fault(tmp_path: Path) -> None:
    graph, path = _summed(tmp_path)
    assert [note.kind for note in graph.notes] == [LITERT_SUM]
    found = check_source(graph, path, random_set(graph, 2, 0).arrays)
    assert found.passed and found.judged_by == "layers" and found.reason


def test_other_layers_of_such_a_network_are_exact(tmp_path: Path) -> None:
    graph, path = _summed(tmp_path)
    wrong, name = _with(graph, Binary, clamp=(-128.0, 100.0))
    found = check_source(wrong, path, random_set(graph, 4, 0).arrays)
    assert not found.passed and found.layer == name


def test_floats_that_are_quantised_are_judged_by_layer(tmp_path: Path) -> None:
    graph, path = _partly_quantised(tmp_path)
    found = check_source(graph, path, random_set(graph, 2, 0).arrays)
    assert found.passed and found.judged_by == "layers"


def test_built_in_kernels_round_sums_otherwise_where_floats_drift_too(tmp_path: Path) -> None:
    """ROUND has no reference kernel, so sums in front of it are those of the other kernels."""
    random, net = np.random.default_rng(3), TfliteNet()
    x = net.tensor((1, 32, 32, 8), "int8", 0.0117, -128, name="x")
    sums = net.tensor((1, 32, 32, 8), "int8", 0.0189, -49, name="sums")
    floats, whole = (net.tensor((1, 32, 32, 8), name=name) for name in ("floats", "whole"))
    y = net.tensor((1, 32, 32, 8), "int8", name="y")
    weight = random.integers(-9, 10, (8, 1, 1, 8)).astype(np.int8)
    scales = random.uniform(0.01, 0.02, 8).astype(np.float32)
    bias = random.integers(-900, 900, 8).astype(np.int32)
    operands = [
        x,
        net.constant(weight, scale=scales),
        net.constant(bias, scale=np.float32(0.0117) * scales),
    ]
    fields = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    net.add("CONV_2D", operands, [sums], "Conv2DOptions", padding=0, **fields)
    net.add("DEQUANTIZE", [sums], [floats])
    net.add("ROUND", [floats], [whole])
    net.add("CAST", [whole], [y], "CastOptions")
    graph, path = _read(net, x, y, tmp_path)
    batch = random_set(graph, 4, 0).arrays
    found = check_source(graph, path, batch)
    assert found.passed and "built-in" in found.framework and found.judged_by == "layers"
    wrong, name = _with(graph, Conv2D, clamp=(-128.0, -49.0))
    found = check_source(wrong, path, batch)
    assert not found.passed and found.layer == name


def test_minus_infinity_is_litert_s_lowest_number(tmp_path: Path) -> None:
    """As a causal mask has it: LiteRT's ADD ends at the lowest float."""
    net = TfliteNet()
    x, y = net.tensor((1, 4, 6), name="x"), net.tensor((1, 4, 6), name="y")
    masked = net.tensor((1, 4, 6), name="masked")
    mask = np.where(np.tri(4, 6, dtype=bool), 0, -np.inf).astype(np.float32)
    net.add("ADD", [x, net.constant(mask)], [masked], "AddOptions")
    net.add("SOFTMAX", [masked], [y], "SoftmaxOptions", beta=1.0)
    graph, path = _read(net, x, y, tmp_path)
    sample = {"x": random_set(graph, 1, 0).arrays["x"]}
    found: dict[str, LayerErrors] = {}
    theirs = open_source(path)({n: to_source(sample[n], graph.input_specs[0]) for n in sample})
    compare_layers(graph, sample, theirs, found)
    assert found and not any(errors.different for errors in found.values())


def test_a_dynamic_product_may_be_reshaped_on_the_way(tmp_path: Path) -> None:
    """What the product is off by shows where the file has a tensor again."""
    random, net = np.random.default_rng(0), TfliteNet()
    x = net.tensor((1, 16, CHANNELS), name="x")
    weight = random.integers(-127, 128, (24, CHANNELS)).astype(np.int8)
    made, apart = net.tensor((1, 16, 24), name="made"), net.tensor((1, 16, 3, 8), name="apart")
    y = net.tensor((1, 16, 1, 8), name="y")
    net.add("FULLY_CONNECTED", [x, net.constant(weight, scale=0.01), -1], [made],
            "FullyConnectedOptions", keep_num_dims=True)  # fmt: skip
    target = net.constant(np.array([1, 16, 3, 8], np.int32))
    net.add("RESHAPE", [made, target], [apart], "ReshapeOptions")
    ends = [net.constant(np.array(v, np.int32)) for v in ([0, 0, 1, 0], [1, 16, 1, 8])]
    net.add("SLICE", [apart, *ends], [y], "SliceOptions")
    graph, path = _read(net, x, y, tmp_path)
    batch = random_set(graph, 3, 0).arrays
    assert check_source(graph, path, batch).passed
    changed = _with(graph, Conv2D, weight=-_first(graph, Conv2D).weight)[0]
    assert not check_source(changed, path, batch).passed


def test_a_sum_beside_floats_that_are_quantised(tmp_path: Path) -> None:
    """A few values one step off are next to halves, many or more are a fault."""
    net = TfliteNet()
    x = net.tensor((1, 16, 16, 4), name="x")
    made = net.tensor((1, 16, 16, 4), name="abs")
    stored = net.tensor((1, 16, 16, 4), "int8", 0.5, 0, name="stored")
    y = net.tensor((1, 16, 16, 1), "int8", 1.0, 0, name="y")
    net.add("ABS", [x], [made])
    net.add("QUANTIZE", [made], [stored])
    axis = net.constant(np.array([3], np.int32))
    net.add("SUM", [stored, axis], [y], "ReducerOptions", keep_dims=True)
    graph, path = _read(net, x, y, tmp_path)
    other, name = _with(graph, Quantize, rounding="even")
    for halves, passed in ((4, True), (400, False)):
        batch = np.zeros((1, 16, 16, 4), np.float32)
        batch.reshape(-1)[:halves] = 0.25
        assert check_source(graph, path, {"x": batch}).passed
        found = check_source(other, path, {"x": batch})
        assert found.passed == passed and found.layer == (None if passed else name)


def _first(graph: Graph, kind: type[Conv2D]) -> Conv2D:
    return next(x for x in graph.layers if isinstance(x, kind))


def _q_dq(scales: tuple[float, float], zeros: tuple[int, int], folder: Path) -> Path:
    constants = []
    for index, (scale, zero) in enumerate(zip(scales, zeros, strict=True)):
        constants.append(numpy_helper.from_array(np.float32(scale), f"s{index}"))
        constants.append(numpy_helper.from_array(np.int8(zero), f"z{index}"))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s0", "z0"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s1", "z1"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 8, 8]) for name in ("x", "y")
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    path = folder / "net.onnx"
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    return path


def test_what_reads_integers_by_their_own_scale_passes(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    path = _q_dq((0.02, 0.02), (3, 3), tmp_path)
    graph = lower(load_model(path))
    assert check_source(graph, path, random_set(graph, 2, 0).arrays).passed


@pytest.mark.parametrize(("scales", "zeros"), [((0.02, 0.03), (3, 3)), ((0.02, 0.02), (3, 5))])
def test_what_reads_integers_by_another_scale_is_refused(
    scales: tuple[float, float], zeros: tuple[int, int], tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedOperator, match=r"integers 'q' of scale .* are read with scale"):
        lower(load_model(_q_dq(scales, zeros, tmp_path)))
