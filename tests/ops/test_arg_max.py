"""Arg max and conversions of types: which channel, of which type, ties and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.tflite_net import TYPES, TfliteNet

SHAPE = (1, 5, 4, 7)


def arg(name: str, dtype: str, number: str, axis: int) -> bytes:
    """A network of one ARG_MAX or ARG_MIN."""
    net = TfliteNet()
    quant: dict[str, Any] = {} if dtype == "float32" else {"scale": 0.1, "zero_point": 3}
    x = net.tensor(SHAPE, dtype, **quant)
    dimension = net.constant(np.array(axis, np.int32))
    axis %= 4
    y = net.tensor([e for i, e in enumerate(SHAPE) if i != axis], number)
    kind = name.title().replace("_", "") + "Options"
    net.add(name, [x, dimension], [y], kind, output_type=TYPES[number])
    return net.build([x], [y])


@pytest.mark.parametrize("axis", [-1, 1, 2, 3])
@pytest.mark.parametrize("number", ["int32", "int64"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("name", ["ARG_MAX", "ARG_MIN"])
def test_numbers_equal_litert(
    name: str, dtype: str, number: str, axis: int, tmp_path: Path
) -> None:
    blob = arg(name, dtype, number, axis)
    samples = random_samples(SHAPE, dtype, 3, 0)
    # Few values, so that many are equal.
    few = [np.round(samples[0] / 2), np.zeros_like(samples[0])]
    samples += [x.astype(samples[0].dtype) for x in few]
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    theirs = litert(blob, samples)[0]
    assert ours.dtype == theirs.dtype == np.dtype(number)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("name", ["ArgMax", "ArgMin"])
def test_onnx_numbers_are_equal(
    name: str, last: int, axis: int, keepdims: int, tmp_path: Path
) -> None:
    attributes = {"axis": axis, "keepdims": keepdims, "select_last_index": last}
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 7, 5, 4))
    y = helper.make_tensor_value_info("y", TensorProto.INT64, None)
    node = helper.make_node(name, ["x"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", [x], [y])
    imports = [helper.make_opsetid("", 17)]
    blob = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    samples = random_samples((1, 7, 5, 4), "float32", 2, 0)
    samples.append(np.round(samples[0] / 2))
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, samples)[0])


CASTS = [
    ("uint8", "float32"),
    ("int8", "float32"),
    ("float32", "int32"),
    ("float32", "int64"),
    ("uint8", "int32"),
    ("int8", "int64"),
    ("float32", "uint8"),
]


def cast(source: str, target: str, quantised: bool = False) -> bytes:
    """A network of one CAST; `quantised` only says so, LiteRT does not look."""
    net = TfliteNet()
    quant: dict[str, Any] = {"scale": 0.1, "zero_point": 3} if quantised else {}
    x, y = net.tensor(SHAPE, source, **quant), net.tensor(SHAPE, target)
    kinds = {"in_data_type": TYPES[source], "out_data_type": TYPES[target]}
    net.add("CAST", [x], [y], "CastOptions", **kinds)
    return net.build([x], [y])


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize(("source", "made"), CASTS)
def test_conversions_equal_litert(source: str, made: str, quantised: bool, tmp_path: Path) -> None:
    blob = cast(source, made, quantised and source != "float32")
    samples = random_samples(SHAPE, source, 3, 0)
    if source == "float32":
        samples = [x * 40 for x in samples]
        samples = [np.abs(x) if made == "uint8" else x for x in samples]
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    theirs = litert(blob, samples)[0]
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_a_float16_conversion_is_none(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, 3, 5, 4)) for n in ("x", "y")]
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("Cast", ["t"], ["y"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(nodes, "g", [ends[0]], [ends[1]])
    imports = [helper.make_opsetid("", 17)]
    blob = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    samples = random_samples((1, 3, 5, 4), "float32", 2, 0)
    lowered, ours = reference(blob, ".onnx", samples, tmp_path)
    assert [layer.op for layer in lowered.layers] == ["tanh"]
    assert {tensor.dtype for tensor in lowered.tensors.values()} == {"float32"}
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], atol=2e-3)


@pytest.mark.parametrize("target", PLACES[:3])
@pytest.mark.parametrize("what", ["int8 int32", "uint8 int64", "cast"])
def test_compiled_networks_agree(what: str, target: str, tmp_path: Path) -> None:
    blob = cast("uint8", "int32") if what == "cast" else arg("ARG_MAX", *what.split(" "), -1)
    assert verified(blob, ".tflite", target, tmp_path).exact
