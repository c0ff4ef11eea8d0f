"""Pooling with windows: LiteRT's integers to the bit, floats and ONNX to a rounding."""

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

WINDOWS = ((1, 1), (2, 2), (3, 3), (2, 5), (1, 4), (7, 1), (6, 6))


def random_pool(seed: int, dtype: str) -> tuple[bytes, tuple[int, ...]]:
    """A TFLite file of one pooling operator, and its input's shape."""
    random = np.random.default_rng(seed)
    window = WINDOWS[seed % len(WINDOWS)]
    stride = tuple(int(x) for x in random.integers(1, 4, 2))
    channels = int(random.choice([1, 2, 3, 5, 7, 45]))
    extents = [int(random.integers(k, k + 12)) for k in window]
    padding = int(random.integers(2))
    made = [
        (e - k) // s + 1 if padding else -(-e // s)
        for e, k, s in zip(extents, window, stride, strict=True)
    ]
    quant: dict[str, Any] = {}
    if dtype != "float32":
        zero = random_zero_point(random, dtype)
        quant = {"dtype": dtype, "scale": random_scale(random), "zero_point": zero}
    net = TfliteNet()
    x = net.tensor([1, *extents, channels], **quant)
    y = net.tensor([1, *made, channels], **quant)
    net.add(
        ("MAX_POOL_2D", "AVERAGE_POOL_2D")[int(random.integers(2))],
        [x],
        [y],
        "Pool2DOptions",
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_height=window[0],
        filter_width=window[1],
        fused_activation_function=int(random.choice([0, 0, 1, 2, 3])),
    )
    return net.build([x], [y]), (1, *extents, channels)


@pytest.mark.parametrize("seed", range(80))
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_equal_litert(dtype: str, seed: int, tmp_path: Path) -> None:
    blob, shape = random_pool(seed, dtype)
    samples = random_samples(shape, dtype, 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    assert (ours == litert(blob, samples)[0]).all()


@pytest.mark.parametrize("seed", range(30))
def test_floats_are_close_to_litert(seed: int, tmp_path: Path) -> None:
    blob, shape = random_pool(seed, "float32")
    samples = random_samples(shape, "float32", 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_allclose(ours, litert(blob, samples)[0], atol=1e-5)


def random_onnx_pool(seed: int) -> tuple[bytes, tuple[int, ...]]:
    """An ONNX file of one pooling operator, padded at random."""
    random = np.random.default_rng(seed)
    kernel = WINDOWS[1 + seed % (len(WINDOWS) - 1)]
    stride = [int(x) for x in random.integers(1, 4, 2)]
    extents = [int(random.integers(k, k + 12)) for k in kernel]
    pads = [int(random.integers(0, max(1, kernel[i % 2]))) for i in range(4)]
    more: dict[str, Any] = {"strides": stride, "ceil_mode": int(random.integers(2))}
    if seed % 5 == 4:
        # onnxruntime takes no stride beyond the window here.
        stride = [min(s, k) for s, k in zip(stride, kernel, strict=True)]
        more = {"strides": stride, "auto_pad": str(random.choice(["SAME_UPPER", "SAME_LOWER"]))}
    else:
        more["pads"] = pads
    operator = ("MaxPool", "AveragePool")[int(random.integers(2))]
    if operator == "AveragePool":
        more["count_include_pad"] = int(random.integers(2))
    elif random.integers(2) and "pads" in more:
        more["dilations"] = [int(x) for x in random.integers(1, 3, 2)]
        extents = [e + k for e, k in zip(extents, kernel, strict=True)]
    shape = (1, int(random.choice([1, 3, 7])), *extents)
    return one_operator(operator, shape, kernel_shape=list(kernel), **more), shape


@pytest.mark.parametrize("seed", range(100))
def test_onnx_floats_are_close_to_onnxruntime(seed: int, tmp_path: Path) -> None:
    blob, shape = random_onnx_pool(seed)
    samples = random_samples(shape, "float32", 2, seed)
    theirs = onnxruntime_outputs(blob, samples)[0]
    # Of a window that begins behind the map onnx tells the shape, and onnxruntime makes none.
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def quantised_onnx_pool(operator: str, same: bool, **attributes: Any) -> bytes:
    """DequantizeLinear, a pooling, QuantizeLinear; int8 in and out."""
    scales = {"sx": 0.05, "sy": 0.05 if same else 0.03}
    constants = [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in scales.items()]
    constants += [
        numpy_helper.from_array(np.array(3, np.int8), "zx"),
        numpy_helper.from_array(np.array(3 if same else -7, np.int8), "zy"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "sx", "zx"], ["real"]),
        helper.make_node(operator, ["real"], ["pooled"], **attributes),
        helper.make_node("QuantizeLinear", ["pooled", "sy", "zy"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [1, 5, 9, 8])],
        [helper.make_tensor_value_info("y", TensorProto.INT8, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_quantised_onnx_pools_are_within_one_step(
    operator: str, same: bool, tmp_path: Path
) -> None:
    blob = quantised_onnx_pool(operator, same, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    samples = random_samples((1, 5, 9, 8), "int8", 3, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    theirs = onnxruntime_outputs(blob, samples)[0]
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    if same and operator == "MaxPool":
        assert (ours == theirs).all()


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("seed", range(0, 12, 2))
def test_compiled_integers_equal_the_reference(seed: int, target: str, tmp_path: Path) -> None:
    blob, _ = random_pool(seed, ("int8", "uint8")[seed % 4 // 2])
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("target", ["host", "mps2-an500"])
def test_compiled_means_with_factors_equal_the_reference(target: str, tmp_path: Path) -> None:
    blob = quantised_onnx_pool("AveragePool", False, kernel_shape=[3, 3], pads=[1, 1, 0, 1])
    assert verified(blob, ".onnx", target, tmp_path).exact


@pytest.mark.parametrize("seed", [0, 1, 2, 5, 8])
def test_compiled_floats_are_close_to_the_reference(seed: int, tmp_path: Path) -> None:
    blob, _ = random_onnx_pool(seed)
    assert verified(blob, ".onnx", "host", tmp_path).passed
