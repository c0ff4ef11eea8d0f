"""Transposed convolutions: LiteRT's integers to the bit, floats and ONNX to a rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.quantised import limits_of, random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

KERNELS = ((1, 1), (2, 2), (3, 3), (4, 4), (1, 3), (5, 2), (2, 4))


def random_transposed(seed: int, dtype: str) -> tuple[bytes, tuple[int, ...]]:
    """A TFLite file of one TRANSPOSE_CONV, and its input's shape."""
    random = np.random.default_rng(seed)
    kernel = KERNELS[seed % len(KERNELS)]
    stride = tuple(int(x) for x in random.integers(1, 4, 2))
    inner, outer = (int(x) for x in random.choice([1, 2, 3, 5, 7, 45], 2))
    extents = [int(x) for x in random.integers(1, 9, 2)]
    same = bool(random.integers(2))
    made = [
        e * s if same else (e - 1) * s + max(k, s)
        for e, s, k in zip(extents, stride, kernel, strict=True)
    ]
    net = TfliteNet()
    biased = bool(random.integers(2))
    if dtype == "float32":
        x = net.tensor([1, *extents, inner])
        w = net.constant(random.normal(size=(outer, *kernel, inner)).astype(np.float32))
        b = net.constant(random.normal(size=outer).astype(np.float32))
        y = net.tensor([1, *made, outer])
    else:
        low, high = limits_of(dtype)
        scale = random_scale(random)
        x = net.tensor([1, *extents, inner], dtype, scale, random_zero_point(random, dtype))
        per_channel = dtype == "int8"
        count = outer if per_channel else 1
        scales = (10.0 ** random.uniform(-4, -1, count)).astype(np.float32)
        zero = 0 if per_channel else random_zero_point(random, dtype)
        weight = random.integers(low, high, (outer, *kernel, inner), dtype, endpoint=True)
        w = net.constant(weight, scale=scales, zero_point=zero)
        bias = random.integers(-3000, 3000, outer).astype(np.int32)
        b = net.constant(bias, scale=scales * np.float32(scale))
        reach = scale * float(scales.max()) * 128 * (kernel[0] * kernel[1] * inner) ** 0.5
        out_scale = float(np.float32(reach * 10.0 ** random.uniform(-0.5, 0.5)))
        y = net.tensor([1, *made, outer], dtype, out_scale, random_zero_point(random, dtype))
    shape = net.constant(np.array([1, *made, outer], np.int32))
    net.add(
        "TRANSPOSE_CONV",
        [shape, w, x, b] if biased else [shape, w, x],
        [y],
        "TransposeConvOptions",
        padding=0 if same else 1,
        stride_h=stride[0],
        stride_w=stride[1],
    )
    return net.build([x], [y]), (1, *extents, inner)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_equal_litert(dtype: str, seed: int, tmp_path: Path) -> None:
    blob, shape = random_transposed(seed, dtype)
    samples = random_samples(shape, dtype, 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    assert (ours == litert(blob, samples)[0]).all()


def close(ours: Any, theirs: Any) -> None:
    """1e-4 of the largest output."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(1.0, np.abs(theirs).max()))


@pytest.mark.parametrize("seed", range(30))
def test_floats_are_close_to_litert(seed: int, tmp_path: Path) -> None:
    blob, shape = random_transposed(seed, "float32")
    samples = random_samples(shape, "float32", 2, seed)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    close(ours, litert(blob, samples)[0])


def random_onnx(seed: int) -> tuple[bytes, tuple[int, ...]]:
    """An ONNX ConvTranspose with pads, output padding, an output shape or SAME."""
    random = np.random.default_rng(seed)
    kernel = KERNELS[seed % len(KERNELS)]
    stride = [int(x) for x in random.integers(1, 4, 2)]
    inner, outer = (int(x) for x in random.choice([1, 2, 3, 5], 2))
    extents = [int(x) for x in random.integers(2, 9, 2)]
    whole = [(e - 1) * s + k for e, s, k in zip(extents, stride, kernel, strict=True)]
    more: dict[str, Any] = {"strides": stride}
    kind = seed % 4
    if kind == 0:
        more["pads"] = [int(random.integers(0, max(1, kernel[i % 2]))) for i in range(4)]
        more["pads"] = [min(p, (whole[i % 2] - 1) // 2) for i, p in enumerate(more["pads"])]
        more["output_padding"] = [int(random.integers(0, s)) for s in stride]
    elif kind == 1:
        more["output_shape"] = [
            max(e, w - int(random.integers(0, 3))) for e, w in zip(extents, whole, strict=True)
        ]
    elif kind == 2:
        more["auto_pad"] = str(random.choice(["SAME_UPPER", "SAME_LOWER"]))
    weight = random.normal(size=(inner, outer, *kernel)).astype(np.float32)
    bias = random.normal(size=outer).astype(np.float32)
    shape = (1, inner, *extents)
    return one_operator("ConvTranspose", shape, {"w": weight, "b": bias}, **more), shape


@pytest.mark.parametrize("seed", range(60))
def test_onnx_floats_are_close_to_onnxruntime(seed: int, tmp_path: Path) -> None:
    blob, shape = random_onnx(seed)
    samples = random_samples(shape, "float32", 2, seed)
    theirs = onnxruntime_outputs(blob, samples)[0]
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    close(ours, theirs)


@pytest.mark.parametrize("group", [2, 4])
def test_groups_and_dilation_equal_onnxruntime(group: int, tmp_path: Path) -> None:
    weight = np.random.default_rng(group).normal(size=(4, 3, 2, 2)).astype(np.float32)
    blob = one_operator(
        "ConvTranspose", (1, 4, 3, 3), {"w": weight}, group=group, dilations=[2, 1], strides=[1, 2]
    )
    samples = random_samples((1, 4, 3, 3), "float32", 2, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    close(ours, onnxruntime_outputs(blob, samples)[0])


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("seed", range(0, 14, 3))
def test_compiled_integers_equal_the_reference(seed: int, target: str, tmp_path: Path) -> None:
    blob, _ = random_transposed(seed, ("int8", "uint8")[seed % 2])
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("seed", range(6))
def test_compiled_floats_are_close_to_the_reference(seed: int, tmp_path: Path) -> None:
    blob, _ = random_onnx(seed)
    assert verified(blob, ".onnx", "host", tmp_path).passed
