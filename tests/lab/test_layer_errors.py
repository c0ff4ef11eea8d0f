"""Layer by layer on onnxruntime's own inputs: ONNX's arithmetic is what we compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.lab.layer_errors import layer_errors
from edgemnv2.passes import lower
from tests.networks.qdq_net import QdqNet

pytest.importorskip("onnxruntime")


def power_of_two() -> bytes:
    """Halves are frequent: all scales are powers of two, and those of sums are equal."""
    net = QdqNet((1, 3, 16, 16), 2.0**-6, 5)
    net.convolution(16, 2.0**-4, -128, kernel=3, stride=2, relu=True, weight_scale=2.0**-7)
    net.convolution(0, 2.0**-3, -128, kernel=3, depthwise=True, weight_scale=2.0**-5)
    first = net.convolution(16, 2.0**-2, 3)
    second = net.convolution(16, 2.0**-2, 3, weight_scale=2.0 ** -np.arange(4, 12).repeat(2))
    assert first != second
    net.add(first, 2.0**-1, 3)
    net.mean(2.0**-2, -4)
    net.convolution(10, 2.0**-1, 0)
    net.softmax(1 / 256, -128)
    return net.model((1, 10, 1, 1))


def generic(bias: str = "int32", weight: str = "int8", dtype: str = "int8") -> bytes:
    zero = 0 if dtype == "int8" else 128
    net = QdqNet((1, 3, 16, 16), 0.0173, zero + 5, dtype)
    options = {"bias": bias, "weight_dtype": weight, "dtype": dtype}
    if weight == "uint8":
        options["weight_zero"] = 121
    net.convolution(16, 0.0234, zero - 128, kernel=3, stride=2, relu=True, **options)
    net.convolution(0, 0.031, zero - 20, kernel=3, depthwise=True, **options)
    net.convolution(12, 0.044, zero + 3, **options)
    return net.model((1, 12, 8, 8), dtype)


NETWORKS = {
    "powers of two": power_of_two,
    "generic": generic,
    "float bias": lambda: generic("float"),
    "no bias": lambda: generic("none"),
    "uint8": lambda: generic("int32", "int8", "uint8"),
    "asymmetric weights": lambda: generic("float", "uint8", "uint8"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_no_layer_rounds_otherwise_than_onnxruntime(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(NETWORKS[name]())
    graph = lower(load_model(path))
    tensor = graph.tensors[graph.inputs[0]]
    limits = np.iinfo(tensor.dtype)
    random = np.random.default_rng(3)
    shape = (24, *tensor.shape)
    batch = random.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True)
    errors = layer_errors(graph, path, batch)
    assert len(errors) >= 3
    # float32 itself is not exact: one value in 100,000 (of which these are few).
    assert sum(x.different for x in errors) <= 2e-5 * sum(x.values for x in errors) + 1, errors
    assert max(x.largest for x in errors) <= 1


@pytest.mark.parametrize(
    ("scale", "zero", "dtype"),
    [(1 / 256, -128, "int8"), (1 / 255, 0, "uint8"), (0.0021, -100, "int8"), (0.3, 5, "int8")],
)
@pytest.mark.parametrize("channels", [2, 45])
def test_softmax_is_rounded_once(
    channels: int, scale: float, zero: int, dtype: str, tmp_path: Path
) -> None:
    net = QdqNet((1, 4, 8, 8), 0.0173, 5)
    net.convolution(channels, 0.11, 3, weight_scale=0.02)
    net.softmax(scale, zero, dtype)
    path = tmp_path / "net.onnx"
    path.write_bytes(net.model((1, channels, 8, 8), dtype))
    graph = lower(load_model(path))
    random = np.random.default_rng(3)
    batch = random.integers(-128, 127, (16, 8, 8, 4), np.int8, endpoint=True)
    error = next(x for x in layer_errors(graph, path, batch) if x.op == "softmax")
    assert error.integer and error.different <= 1e-4 * error.values


@pytest.mark.parametrize("count", [16, 64, 49])
def test_means_round_to_even(count: int, tmp_path: Path) -> None:
    side = int(count**0.5)
    net = QdqNet((1, 64, side, side), 2.0**-5, -3)
    net.convolution(64, 2.0**-1, 5)
    net.mean(2.0**-1, 7)
    path = tmp_path / "net.onnx"
    path.write_bytes(net.model((1, 64, 1, 1)))
    graph = lower(load_model(path))
    random = np.random.default_rng(3)
    batch = random.integers(-128, 127, (64, side, side, 64), np.int8, endpoint=True)
    error = layer_errors(graph, path, batch)[-1]
    assert (error.op, error.values, error.different) == ("pool", 64 * 64, 0)


@pytest.mark.parametrize("scales", [(0.25, 0.25, 0.5), (0.5, 0.25, 0.5), (0.031, 0.047, 0.0521)])
def test_sums_round_to_even(scales: tuple[float, float, float], tmp_path: Path) -> None:
    net = QdqNet((1, 4, 16, 16), scales[0], -3)
    first = net.real
    net.convolution(4, scales[1], 5, weight_scale=0.01)
    net.add(first, scales[2], 7)
    path = tmp_path / "net.onnx"
    path.write_bytes(net.model((1, 4, 16, 16)))
    graph = lower(load_model(path))
    random = np.random.default_rng(3)
    batch = random.integers(-128, 127, (16, 16, 16, 4), np.int8, endpoint=True)
    errors = layer_errors(graph, path, batch)
    assert [x.different for x in errors if x.op == "add"] == [0]
