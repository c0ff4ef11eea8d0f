"""The judge itself: it runs what people have, and its sums are those that the file says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, load_model_from_string, numpy_helper

from edgemnv2.check.frameworks import open_source
from edgemnv2.check.layers import LayerErrors, compare_layers
from edgemnv2.check.onnx_weights import PLACES, with_unsigned_weights
from edgemnv2.check.source import check_source
from edgemnv2.errors import InputError
from edgemnv2.frontend import load_model
from edgemnv2.ops.abs.layer import Abs
from edgemnv2.ops.graph import Layer
from edgemnv2.ops.square.layer import Square
from edgemnv2.ops.unary import Unary
from edgemnv2.passes import lower
from edgemnv2.samples.inputs import random_set
from tests.networks.tflite_net import TfliteNet

MICROSOFT = ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm")
COUNT = 64
"""Of products in a sum: two of 255 x 127 are beyond 16 bits."""


def _integer_operator(operator: str, weight_type: str, zero: bool = True) -> tuple[Any, Any]:
    """A model of one operator on uint8 ones of the largest weights, and its exact sums."""
    weight = np.full((COUNT, 4), 127 if weight_type == "int8" else 255, weight_type)
    weight[::2, 1], weight[:, 2] = 3, np.iinfo(weight_type).min
    x = np.full((1, COUNT), 255, np.uint8)
    convolution = operator in ("ConvInteger", "QLinearConv")
    stored = weight.T.reshape(4, COUNT, 1, 1) if convolution else weight
    shape = [1, COUNT, 1, 1] if convolution else [1, COUNT]
    sums = x.astype(np.int64) @ weight.astype(np.int64)
    constants = {
        "w": stored, "sx": np.float32(1), "sw": np.float32(1), "sy": np.float32(2**16),
        "zx": np.uint8(0), "zw": np.array(0, weight_type), "zy": np.uint8(128),
    }  # fmt: skip
    zx, zw = ("zx", "zw") if zero else ("", "")
    inputs = {
        "ConvInteger": ["x", "w", "zx", zw],
        "MatMulInteger": ["x", "w", "zx", zw],
        "DynamicQuantizeMatMul": ["f", "w", "sw", zw],
        "MatMulIntegerToFloat": ["x", "w", "sx", "sw", "zx", zw],
        "QGemm": ["x", "sx", zx, "w", "sw", zw, "", "sy", "zy"],
        "QLinearConv": ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"],
        "QLinearMatMul": ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"],
    }[operator]
    source = helper.make_tensor_value_info("x", TensorProto.UINT8, shape)
    if "f" in inputs:
        source = helper.make_tensor_value_info("f", TensorProto.FLOAT, shape)
    domain = "com.microsoft" if operator in MICROSOFT else ""
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"], domain=domain)],
        "net",
        [source],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items() if k in inputs],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), (x.reshape(shape), sums)


@pytest.mark.parametrize("zero", [True, False], ids=["zero point", "none"])
@pytest.mark.parametrize("operator", sorted(PLACES))
def test_sums_are_not_cut_off_on_any_processor(
    operator: str, zero: bool, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    if not zero and operator.startswith("Q"):
        zero = True  # which they must have
    model, (x, sums) = _integer_operator(operator, "int8", zero)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    given = {"f": x.astype(np.float32)} if operator == "DynamicQuantizeMatMul" else {"x": x}
    found = open_source(path)(given)["y"].reshape(-1)
    if found.dtype == np.uint8:
        sums = np.clip(np.rint(sums / 2**16) + 128, 0, 255)
    np.testing.assert_allclose(found.astype(np.float64), sums.reshape(-1), rtol=1e-6)


@pytest.mark.parametrize("operator", sorted(PLACES))
def test_other_weights_are_left_alone(operator: str) -> None:
    model, _ = _integer_operator(operator, "uint8")
    before = model.SerializeToString()
    with_unsigned_weights(model)
    assert model == load_model_from_string(before)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_what_has_no_reference_kernel_is_checked_all_the_same(
    dtype: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    net = TfliteNet()
    quantised = {} if dtype == "float32" else {"scale": 0.03, "zero_point": 5}
    x, y = (net.tensor((1, 8, 8, 4), dtype, name=name, **quantised) for name in "xy")
    net.add("ELU", [x], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    graph = lower(load_model(path))
    batch = random_set(graph, 2, 0).arrays
    found = check_source(graph, path, batch)
    assert found.passed and found.different == 0 and "built-in" in found.framework
    assert found.judged_by == ("outputs" if dtype == "float32" else "layers")
    (layer,) = graph.layers
    assert isinstance(layer, Unary)
    if layer.table is not None:
        wrong = replace(graph, layers=(replace(layer, table=layer.table + 1),))
        assert not check_source(wrong, path, batch).passed


@pytest.mark.parametrize(("operator", "version"), [("TILE", 3), ("DEPTH_TO_SPACE", 2)])
def test_newer_versions_run_on_the_reference_kernels_that_there_are(
    operator: str,
    version: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    require_module: Callable[[str], None],
) -> None:
    require_module("ai_edge_litert")
    monkeypatch.setattr("tests.networks.tflite_net.VERSION", version)
    monkeypatch.setattr("tests.networks.tflite_net.ONE_VERSION", ())
    net = TfliteNet()
    quantised: dict[str, Any] = {"dtype": "int8", "scale": 0.03, "zero_point": 5}
    x, y = net.tensor((1, 4, 6, 8), name="x", **quantised), net.tensor((1, 8, 12, 2), **quantised)
    operands, kind, fields = [x], "DepthToSpaceOptions", {"block_size": 2}
    if operator == "TILE":
        y = net.tensor((1, 8, 6, 8), **quantised)
        operands, kind, fields = [x, net.constant(np.array([1, 2, 1, 1], np.int32))], "", {}
    net.add(operator, operands, [y], kind, **fields)
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    graph = lower(load_model(path))
    found = check_source(graph, path, random_set(graph, 2, 0).arrays)
    assert found.passed and found.judged_by == "outputs" and "reference" in found.framework


@pytest.mark.parametrize("names", ["aab", "abb", "aba", "aaa", "a  ", "  a", "ab#1"])
def test_tensors_of_one_name_or_none_are_told_apart(
    names: str, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    net = TfliteNet()
    x, middle, y = (net.tensor((1, 4, 6, 8)) for _ in range(3))
    for tensor, name in zip(net.tensors, names, strict=False):
        tensor.name = name.strip()
    net.add("ABS", [x], [middle])
    net.add("NEG", [middle], [y], "NegOptions")
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    graph = lower(load_model(path))
    batch = random_set(graph, 2, 0).arrays
    assert check_source(graph, path, batch).passed
    wrong = replace(graph, layers=tuple(_twice_the_abs(x) for x in graph.layers))
    found = check_source(wrong, path, batch)
    assert not found.passed and found.layer == graph.layers[0].name


def _twice_the_abs(layer: Layer) -> Layer:
    return Square(layer.name, layer.inputs, layer.output) if isinstance(layer, Abs) else layer


def test_what_the_file_has_no_tensor_of_is_compared_with_no_temporary(tmp_path: Path) -> None:
    net = TfliteNet()
    x, y = net.tensor((1, 4, 6, 8), name="x"), net.tensor((1, 4, 6, 8), name="y")
    net.add("ABS", [x], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    graph = replace(lower(load_model(path)), origins={})
    batch = random_set(graph, 1, 0).arrays
    found: dict[str, LayerErrors] = {}
    compare_layers(graph, batch, {"": np.full((1, 4, 6, 8), 7, np.float32)}, found)
    assert not found


def test_what_no_kernels_run_is_refused_by_the_first_reason(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    net = TfliteNet()
    x, y = net.tensor((1, 4, 6, 8), name="x"), net.tensor((1, 4, 6, 8), name="y")
    net.add("HASHTABLE", [x], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    with pytest.raises(InputError, match=r"net.tflite: LiteRT .* reference kernels refuses it: "):
        open_source(path)


def _hard_sigmoid(path: Path) -> None:
    """Of which one entry, that of -31, is 162.500008 steps: in float32 162.5, which is even."""
    constants = {
        "sx": np.float32(0.010397843085229397), "zx": np.int8(-20),
        "sy": np.float32(0.002959613921120763), "zy": np.int8(-128),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "sx", "zx"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "sx", "zx"], ["d"]),
        helper.make_node("HardSigmoid", ["d"], ["h"], alpha=1 / 6, beta=0.5),
        helper.make_node("QuantizeLinear", ["h", "sy", "zy"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "sy", "zy"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 32, 32]) for name in "xy"]
    values = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def test_one_entry_of_a_table_next_to_a_half_is_no_fault(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("onnxruntime")
    path = tmp_path / "net.onnx"
    _hard_sigmoid(path)
    graph = lower(load_model(path))
    batch = {"x": 0.5 * random_set(graph, 2, 0).arrays["x"]}
    found = check_source(graph, path, batch)
    assert found.passed and found.judged_by == "layers"
    assert found.layer_different > 16, "more values than a few have that entry"
    index, layer = next((i, x) for i, x in enumerate(graph.layers) if isinstance(x, Unary))
    assert layer.table is not None
    table = layer.table.copy()
    table[100:103] += 1
    layers = (*graph.layers[:index], replace(layer, table=table), *graph.layers[index + 1 :])
    assert not check_source(replace(graph, layers=layers), path, batch).passed
