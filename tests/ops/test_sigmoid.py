"""Sigmoid: LOGISTIC of every type to the bit, ONNX's to a rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.tflite_net import TfliteNet


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_equal_litert(dtype: str, seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    zero = int(random.integers(limits.min, limits.max, endpoint=True))
    net = TfliteNet()
    x = net.tensor([1, 16, 16, 1], dtype, 10.0 ** random.uniform(-4, 0), zero)
    y = net.tensor([1, 16, 16, 1], dtype, 1 / 256, limits.min)
    net.add("LOGISTIC", [x], [y])
    blob = net.build([x], [y])
    every = np.arange(limits.min, limits.max + 1).astype(dtype).reshape(1, 16, 16, 1)
    _, ours = reference(blob, ".tflite", [every], tmp_path)
    assert (ours == litert(blob, [every])[0]).all()


def test_floats_are_close_to_litert(tmp_path: Path) -> None:
    net = TfliteNet()
    x, y = net.tensor([1, 5, 4, 3]), net.tensor([1, 5, 4, 3])
    net.add("LOGISTIC", [x], [y])
    blob = net.build([x], [y])
    samples = [s * 30 for s in random_samples((1, 5, 4, 3), "float32", 3, 0)]
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_allclose(ours, litert(blob, samples)[0], atol=1e-6)


def test_onnx_maps_keep_their_layout(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["x"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 5, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 5, 4])],
    )
    opset = [helper.make_opsetid("", 17)]
    blob = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    samples = random_samples((1, 3, 5, 4), "float32", 3, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], atol=1e-6)
