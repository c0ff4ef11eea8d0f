"""Softmax, its logarithm, division by lengths: over any axis, integers to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.quantised import limits_of, random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

# Operator -> options; scale and zero point of int8 outputs, as LiteRT wants them.
TFLITE: dict[str, tuple[str, dict[str, Any], float, int]] = {
    "L2_NORMALIZATION": ("L2NormOptions", {}, 1 / 128, 0),
    "LOG_SOFTMAX": ("LogSoftmaxOptions", {}, 16 / 256, 127),
    "SOFTMAX": ("SoftmaxOptions", {"beta": 1.0}, 1 / 256, -128),
    "SOFTMAX of beta 0.3": ("SoftmaxOptions", {"beta": 0.3}, 1 / 256, -128),
}
SHAPES = ((1, 5, 4, 3), (1, 7), (1, 45), (1, 1, 1, 1), (1, 6, 2), (1, 3, 300), (1, 2, 3, 2, 5))


def one(name: str, dtype: str, shape: Any, seed: int) -> bytes:
    """A network of one operator; int8 and uint8 at any scale of the input."""
    random, net = np.random.default_rng(seed), TfliteNet()
    kind, options, scale, zero = TFLITE[name]
    # The reshape in front keeps the input an image.
    size = int(np.prod(shape))
    ends: list[dict[str, Any]] = [{}, {}]
    if dtype != "float32":
        offset = 0 if dtype == "int8" else 128
        x_zero = random_zero_point(random, dtype)
        ends[0] = {"scale": random_scale(random, -4, 1), "zero_point": x_zero}
        ends[1] = {"scale": scale, "zero_point": zero + offset}
    x = net.tensor((1, 1, 1, size), dtype, **ends[0])
    seen = net.tensor(shape, dtype, **ends[0])
    new_shape = net.constant(np.array(shape, np.int32))
    net.add("RESHAPE", [x, new_shape], [seen], "ReshapeOptions", new_shape=list(shape))
    y = net.tensor(shape, dtype, **ends[1])
    net.add(name.split(" ")[0], [seen], [y], kind, **options)
    return net.build([x], [y])


def integers(dtype: str, size: int, seed: int) -> list[Any]:
    """Random values, close ones, and both ends of the type."""
    random = np.random.default_rng(seed)
    _, high = limits_of(dtype)
    near = random.integers(high - 9, high + 1, (1, 1, 1, size)).astype(dtype)
    return [near, *random_samples((1, 1, 1, size), dtype, 6, seed)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", TFLITE)
def test_integers_equal_litert(name: str, dtype: str, shape: Any, tmp_path: Path) -> None:
    for seed in range(8):
        blob = one(name, dtype, shape, seed)
        samples = integers(dtype, int(np.prod(shape)), seed)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        assert (ours == litert(blob, samples)[0]).all(), f"seed {seed}"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", TFLITE)
def test_floats_are_close_to_litert(name: str, shape: Any, tmp_path: Path) -> None:
    blob = one(name, "float32", shape, 0)
    size = (1, 1, 1, int(np.prod(shape)))
    samples = [np.zeros(size, np.float32), *random_samples(size, "float32", 3, 0)]
    samples.append(samples[-1] * 20)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_allclose(ours, litert(blob, samples)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("axis", [-1, 1, 2, 3])
@pytest.mark.parametrize("name", ["LogSoftmax", "LpNormalization", "Softmax"])
def test_onnx_runs_over_any_axis(name: str, axis: int, opset: int, tmp_path: Path) -> None:
    shape = (1, 3, 5, 4)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    node = helper.make_node(name, ["x"], ["y"], axis=axis)
    graph = helper.make_graph([node], "g", [ends[0]], [ends[1]])
    imports = [helper.make_opsetid("", opset)]
    blob = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    samples = random_samples(shape, "float32", 3, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_the_chain_that_pytorch_writes_is_read(axis: int, spread: bool, tmp_path: Path) -> None:
    shape = (1, 7, 5, 4)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    arrays = [
        helper.make_tensor("least", TensorProto.FLOAT, [], [1e-12]),
        helper.make_tensor("shape", TensorProto.INT64, [4], shape),
    ]
    nodes = [
        helper.make_node("ReduceL2", ["x"], ["length"], axes=[axis], keepdims=1),
        helper.make_node("Clip", ["length", "least"], ["limited"]),
        helper.make_node("Expand", ["limited", "shape"], ["spread"]),
        helper.make_node("Div", ["x", "spread" if spread else "limited"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [ends[0]], [ends[1]], arrays)
    imports = [helper.make_opsetid("", 17)]
    blob = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    samples = random_samples(shape, "float32", 3, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", PLACES[:3])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_compiled_networks_agree(dtype: str, target: str, tmp_path: Path) -> None:
    if dtype == "float32" and target.startswith("mps"):
        target = "rpi4"
    net = TfliteNet()
    shape = (1, 3, 2, 45)
    quantised = dtype != "float32"
    offset = 128 if dtype == "uint8" else 0
    first = {"scale": 0.05, "zero_point": 3 + offset} if quantised else {}
    x = net.tensor(shape, dtype, **first)
    parts = []
    for name, (kind, options, scale, zero) in TFLITE.items():
        quant = {"scale": scale, "zero_point": zero + offset} if quantised else {}
        made = net.tensor(shape, dtype, **quant)
        net.add(name.split(" ")[0], [x], [made], kind, **options)
        parts.append(made)
    total = parts[0]
    for part in parts[1:]:
        # So fine that each part shows.
        quant = {"scale": 0.02, "zero_point": offset} if quantised else {}
        summed = net.tensor(shape, dtype, **quant)
        net.add("ADD", [total, part], [summed], "AddOptions")
        total = summed
    result = verified(net.build([x], [total]), ".tflite", target, tmp_path)
    assert result.exact if quantised else result.passed, result
