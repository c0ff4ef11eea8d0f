"""Concatenations: along any axis of any rank, of several scales, with constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.quantised import random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

SHAPES = ((1, 5, 4, 3), (1, 7), (1, 6, 2), (1, 3, 2, 4, 2))


def split_and_joined(shape: Any, axis: int, dtype: str, seed: int, scales: bool) -> bytes:
    """Two parts of an input and the input itself, joined; each requantised first if `scales`."""
    random, net = np.random.default_rng(seed), TfliteNet()
    quantised = dtype != "float32"
    one: dict[str, Any] = {"scale": 0.05, "zero_point": 3} if quantised else {}
    first = net.tensor((1, 1, 1, int(np.prod(shape))), dtype, **one)
    x = net.tensor(shape, dtype, **one)
    ints = net.constant(np.array(shape, np.int32))
    net.add("RESHAPE", [first, ints], [x], "ReshapeOptions", new_shape=list(shape))
    parts = [x]
    for begin, size in ((0, 1), (shape[axis] - 2, 2)) if shape[axis] > 1 else ():
        extents = [size if i == axis else e for i, e in enumerate(shape)]
        starts = [begin if i == axis else 0 for i in range(len(shape))]
        part = net.tensor(extents, dtype, **one)
        bounds = [net.constant(np.array(v, np.int32)) for v in (starts, extents)]
        net.add("SLICE", [x, *bounds], [part], "SliceOptions")
        if scales:
            other = net.tensor(
                extents, dtype, random_scale(random), random_zero_point(random, dtype)
            )
            net.add("QUANTIZE", [part], [other])
            part = other
        parts.append(part)
    total = sum(net.tensors[p].shape[axis] for p in parts)
    end = dict(one)
    if scales:
        end = {"scale": random_scale(random), "zero_point": random_zero_point(random, dtype)}
    y = net.tensor([total if i == axis else e for i, e in enumerate(shape)], dtype, **end)
    net.add("CONCATENATION", parts, [y], "ConcatenationOptions", axis=axis)
    return net.build([first], [y])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_values_equal_litert(dtype: str, shape: Any, tmp_path: Path) -> None:
    for axis in range(1, len(shape)):
        blob = split_and_joined(shape, axis, dtype, axis, False)
        samples = random_samples((1, 1, 1, int(np.prod(shape))), dtype, 2, axis)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        np.testing.assert_array_equal(ours, litert(blob, samples)[0])


def test_operands_of_several_scales_equal_litert(tmp_path: Path) -> None:
    # LiteRT has this for uint8 only.
    for seed in range(20):
        blob = split_and_joined((1, 8, 4, 8), 1 + seed % 3, "uint8", seed, True)
        samples = [np.arange(256).astype(np.uint8).reshape(1, 1, 1, 256)]
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        np.testing.assert_array_equal(ours, litert(blob, samples)[0])


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_packed_values_equal_litert(axis: int, tmp_path: Path) -> None:
    net = TfliteNet()
    x = net.tensor((1, 5, 4, 3), "int8", 0.1, 3)
    shape = [1, 5, 4, 3]
    shape.insert(axis % 5, 2)
    y = net.tensor(shape, "int8", 0.1, 3)
    net.add("PACK", [x, x], [y], "PackOptions", axis=axis, values_count=2)
    blob = net.build([x], [y])
    samples = random_samples((1, 5, 4, 3), "int8", 2, 0)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, litert(blob, samples)[0])


def onnx_net(nodes: list[Any], arrays: list[Any]) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 5, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], arrays)
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_onnx_concatenates_along_any_axis(axis: int, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Tanh", ["x"], ["t"]),
        helper.make_node("Concat", ["x", "t", "x"], ["y"], axis=axis),
    ]
    blob = onnx_net(nodes, [])
    samples = random_samples((1, 3, 5, 4), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], atol=1e-6)


def test_quantised_operands_of_onnx_are_equal(tmp_path: Path) -> None:
    def pair(name: str, source: str, scale: float, zero: int) -> list[Any]:
        arrays.append(numpy_helper.from_array(np.float32(scale), f"{name}_s"))
        arrays.append(numpy_helper.from_array(np.int8(zero), f"{name}_z"))
        parameters = [f"{name}_s", f"{name}_z"]
        return [
            helper.make_node("QuantizeLinear", [source, *parameters], [f"{name}_q"]),
            helper.make_node("DequantizeLinear", [f"{name}_q", *parameters], [name]),
        ]

    arrays: list[Any] = []
    nodes = [
        *pair("a", "x", 0.03, 5),
        *pair("b", "x", 0.011, -20),
        helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
        *pair("y", "c", 0.021, 7),
    ]
    blob = onnx_net(nodes, arrays)
    samples = random_samples((1, 3, 5, 4), "float32", 6, 0)
    graph, ours = reference(blob, ".onnx", samples, tmp_path)
    assert "lookup" in {layer.op for layer in graph.layers}
    np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, samples)[0])


@pytest.mark.parametrize("first", [True, False])
def test_a_constant_of_one_value_is_padding(first: bool, tmp_path: Path) -> None:
    net = TfliteNet()
    x = net.tensor((1, 5, 4, 3), "int8", 0.1, 3)
    zeros = net.constant(np.full((1, 5, 4, 2), 3, np.int8), scale=0.1, zero_point=3)
    y = net.tensor((1, 5, 4, 5), "int8", 0.1, 3)
    operands = [zeros, x] if first else [x, zeros]
    net.add("CONCATENATION", operands, [y], "ConcatenationOptions", axis=3)
    blob = net.build([x], [y])
    samples = random_samples((1, 5, 4, 3), "int8", 2, 0)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, litert(blob, samples)[0])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_constants_of_several_values_are_put_in(dtype: str, tmp_path: Path) -> None:
    """As coordinates that a network is given beside its features."""
    quantised: dict[str, Any] = {"scale": 0.1, "zero_point": 3} if dtype != "float32" else {}
    for seed in range(12):
        random, net, shape = np.random.default_rng(seed), TfliteNet(), [1, 5, 4, 3]
        axis = 1 + seed % 3
        x = net.tensor(shape, dtype, **quantised)
        operands, total = [], 0
        for is_constant in (*random.integers(0, 2, random.integers(1, 4)), 0, 1):
            extents = list(shape)
            extents[axis] = int(random.integers(1, 4)) if is_constant else shape[axis]
            values = random.integers(0, 100, extents).astype(dtype)
            operands.append(net.constant(values, **quantised) if is_constant else x)
            total += extents[axis]
        shape[axis] = total
        y = net.tensor(shape, dtype, **quantised)
        net.add("CONCATENATION", operands, [y], "ConcatenationOptions", axis=axis)
        blob = net.build([x], [y])
        samples = random_samples((1, 5, 4, 3), dtype, 2, seed)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        np.testing.assert_array_equal(ours, litert(blob, samples)[0])
        if not seed:
            assert verified(blob, ".tflite", "host", tmp_path).exact


def test_constants_between_computed_operands_are_paddings(tmp_path: Path) -> None:
    for seed in range(20):
        random, net = np.random.default_rng(seed), TfliteNet()
        x = net.tensor((1, 5, 4, 3), "int8", 0.1, 3)
        operands, channels = [], 0
        for is_constant in (*random.integers(0, 2, random.integers(1, 5)), 0, 1):
            width = int(random.integers(1, 4)) if is_constant else 3
            zeros = np.full((1, 5, 4, width), 3, np.int8)
            operands.append(net.constant(zeros, scale=0.1, zero_point=3) if is_constant else x)
            channels += width
        random.shuffle(operands)
        y = net.tensor((1, 5, 4, channels), "int8", 0.1, 3)
        net.add("CONCATENATION", operands, [y], "ConcatenationOptions", axis=3)
        blob = net.build([x], [y])
        samples = random_samples((1, 5, 4, 3), "int8", 2, 0)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        np.testing.assert_array_equal(ours, litert(blob, samples)[0], err_msg=str(seed))


@pytest.mark.parametrize("target", PLACES[:3])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_compiled_networks_agree(axis: int, target: str, tmp_path: Path) -> None:
    blob = split_and_joined((1, 5, 4, 3), axis, "uint8", axis, axis == 3)
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("inputs", [("x", "k"), ("k", "x"), ("k", "x", "k", "x")])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_constants_without_values_add_nothing(
    inputs: tuple[str, ...], axis: int, tmp_path: Path
) -> None:
    shape = (1, 3, 4, 5)
    empty = np.zeros([0 if i == axis else e for i, e in enumerate(shape)], np.float32)
    blob = one_operator("Concat", shape, {"k": empty}, inputs=inputs, axis=axis)
    samples = random_samples(shape, "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, samples)[0].reshape(ours.shape))
