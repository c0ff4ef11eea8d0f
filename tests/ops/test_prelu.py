"""Rectifiers with learned slopes: one, one a channel, one a value; integers to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.quantised import limits_of, random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

SHAPE = (1, 5, 4, 7)
SLOPES = ((1,), (7,), (1, 1, 7), (5, 4, 7), (4, 1))


def one(dtype: str, slopes: Any, seed: int) -> bytes:
    """A network of one PRELU."""
    random, net = np.random.default_rng(seed), TfliteNet()
    if dtype == "float32":
        x, y = net.tensor(SHAPE), net.tensor(SHAPE)
        slope = net.constant(random.normal(size=slopes).astype(np.float32))
    else:
        low, high = limits_of(dtype)
        scale = random_scale(random)
        scales = scale, random_scale(random, -2, 0), scale * 10 ** random.uniform(-0.5, 0.5)
        ends = [(s, random_zero_point(random, dtype)) for s in scales]
        x = net.tensor(SHAPE, dtype, *ends[0])
        values = random.integers(low, high + 1, slopes).astype(dtype)
        slope = net.constant(values, scale=ends[1][0], zero_point=ends[1][1])
        y = net.tensor(SHAPE, dtype, *ends[2])
    net.add("PRELU", [x, slope], [y])
    return net.build([x], [y])


@pytest.mark.parametrize("slopes", SLOPES, ids=str)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_values_equal_litert(dtype: str, slopes: Any, tmp_path: Path) -> None:
    for seed in range(10):
        blob = one(dtype, slopes, seed)
        samples = random_samples(SHAPE, dtype, 4, seed)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        np.testing.assert_array_equal(ours, litert(blob, samples)[0])


@pytest.mark.parametrize("slopes", [(1,), (7, 1, 1), (1, 1, 4), (7, 5, 4)], ids=str)
def test_onnx_slopes_are_broadcast(slopes: Any, tmp_path: Path) -> None:
    shape = (1, 7, 5, 4)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    slope = np.random.default_rng(0).normal(size=slopes).astype(np.float32)
    node = helper.make_node("PRelu", ["x", "s"], ["y"])
    graph = helper.make_graph(
        [node], "g", [ends[0]], [ends[1]], [numpy_helper.from_array(slope, "s")]
    )
    imports = [helper.make_opsetid("", 17)]
    blob = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    samples = random_samples(shape, "float32", 3, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], rtol=1e-6)


@pytest.mark.parametrize("target", PLACES[:3])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_compiled_networks_agree(dtype: str, target: str, tmp_path: Path) -> None:
    if dtype == "float32" and target.startswith("mps"):
        target = "rpi4"
    slopes = (5, 4, 7) if dtype == "int8" else (7,)
    result = verified(one(dtype, slopes, 3), ".tflite", target, tmp_path)
    assert result.exact if dtype != "float32" else result.passed, result
