"""One integer layer at random scales: the lowered layer gives LiteRT's reference bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run
from edgemnv2.passes import lower
from tests.frontend.tiny_tflite import TinyTflite

SEEDS = range(6)
ZERO = {"int8": 0, "uint8": 128}


def check(file: TinyTflite, x: int, y: int, tmp_path: Path, images: np.ndarray) -> np.ndarray:
    """Our outputs for `images`, after comparing them with LiteRT's."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    data = file.build([x], [y])
    path = tmp_path / "one.tflite"
    path.write_bytes(data)
    graph = lower(load_model(path))
    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    outputs = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    expected = np.concatenate(outputs)
    ours = run(graph, images)[graph.outputs[0]]
    np.testing.assert_array_equal(ours.reshape(-1), expected.reshape(-1))
    return ours


def pixels(random: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["conv", "dense"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_requantisation_of_every_accumulator(
    kind: str, dtype: str, seed: int, tmp_path: Path, require_module: Any
) -> None:
    """20000 output channels of weight 0: the bias is the accumulator, over the output's range."""
    require_module("ai_edge_litert")
    random = np.random.default_rng(seed)
    count, inner = 20000, 2
    # A power of two in the first seed: every half is a tie.
    scales = random.uniform(0.01, 0.2, 3) if seed else np.array([0.125, 0.0078125, 0.125])
    sx, sw, sy = (float(np.float32(x)) for x in scales)
    sw /= 16
    reach = 140 * sy / (sx * sw)
    bias = random.integers(-reach, reach, count).astype(np.int32)
    zero = ZERO[dtype]
    file = TinyTflite()
    x = file.tensor("x", (1, 1, 1, inner), dtype, scale=sx, zero_point=zero)
    shape = (count, 1, 1, inner) if kind == "conv" else (count, inner)
    w = file.constant("w", np.full(shape, zero, dtype), scale=sw, zero_point=zero)
    b = file.constant("b", bias, scale=np.float32(sx) * np.float32(sw))
    if kind == "conv":
        y = file.tensor("y", (1, 1, 1, count), dtype, scale=sy, zero_point=zero)
        file.operator("CONV_2D", [x, w, b], y, "Conv2DOptions", StrideW=1, StrideH=1, Padding=1)
    else:
        flat = file.tensor("flat", (1, inner), dtype, scale=sx, zero_point=zero)
        target = file.constant("target", np.array([1, inner], np.int32))
        file.operator("RESHAPE", [x, target], flat, "ReshapeOptions")
        y = file.tensor("y", (1, count), dtype, scale=sy, zero_point=zero)
        file.operator("FULLY_CONNECTED", [flat, w, b], y, "FullyConnectedOptions")
    ours = check(file, x, y, tmp_path, np.full((1, 1, 1, inner), zero, dtype))
    assert len(np.unique(ours)) == 256


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_softmax_and_its_table(dtype: str, seed: int, tmp_path: Path, require_module: Any) -> None:
    """Scales from 0.002 (flat scores) to 2 (the table is cut off)."""
    require_module("ai_edge_litert")
    random = np.random.default_rng(seed)
    scale = float(np.float32(0.002 * 1000 ** (seed / 5)))
    lowest = int(np.iinfo(dtype).min)
    file = TinyTflite()
    x = file.tensor("x", (1, 4, 4, 11), dtype, scale=scale, zero_point=ZERO[dtype])
    y = file.tensor("y", (1, 4, 4, 11), dtype, scale=1 / 256, zero_point=lowest)
    file.operator("SOFTMAX", [x], y, "SoftmaxOptions", Beta=1.0)
    check(file, x, y, tmp_path, pixels(random, dtype, 6, 4, 4, 11))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("same", [True, False])
def test_mean_over_every_size(
    same: bool, dtype: str, seed: int, tmp_path: Path, require_module: Any
) -> None:
    require_module("ai_edge_litert")
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 9, 2)
    sx, sy = (float(np.float32(x)) for x in random.uniform(0.01, 0.1, 2))
    zx, zy = (int(x) + ZERO[dtype] for x in random.integers(-100, 100, 2))
    file = TinyTflite()
    x = file.tensor("x", (1, height, width, 40), dtype, scale=sx, zero_point=zx)
    quant = {"scale": sx, "zero_point": zx} if same else {"scale": sy, "zero_point": zy}
    y = file.tensor("y", (1, 1, 1, 40), dtype, **quant)  # type: ignore[arg-type]
    axes = file.constant("axes", np.array([1, 2], np.int32))
    file.operator("MEAN", [x, axes], y, "ReducerOptions", KeepDims=True)
    check(file, x, y, tmp_path, pixels(random, dtype, 10, height, width, 40))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("source", "target"), [("int8", "int8"), ("uint8", "int8"), ("int8", "uint8")]
)
def test_quantize_between_scales(
    source: str, target: str, seed: int, tmp_path: Path, require_module: Any
) -> None:
    """A QUANTIZE that is no recast stays, as a `Rescale`."""
    require_module("ai_edge_litert")
    random = np.random.default_rng(seed)
    sx, sy = (float(np.float32(x)) for x in random.uniform(0.01, 0.1, 2))
    file = TinyTflite()
    x = file.tensor("x", (1, 4, 4, 16), source, scale=sx, zero_point=ZERO[source] + 7)
    y = file.tensor("y", (1, 4, 4, 16), target, scale=sy, zero_point=ZERO[target] - 9)
    file.operator("QUANTIZE", [x], y, "QuantizeOptions")
    check(file, x, y, tmp_path, pixels(random, source, 4, 4, 4, 16))


@pytest.mark.parametrize("target", ["int8", "uint8"])
def test_quantize_of_a_float_input(target: str, tmp_path: Path, require_module: Any) -> None:
    require_module("ai_edge_litert")
    file = TinyTflite()
    x = file.tensor("x", (1, 8, 8, 16))
    y = file.tensor("y", (1, 8, 8, 16), target, scale=0.5, zero_point=ZERO[target] + 3)
    file.operator("QUANTIZE", [x], y, "QuantizeOptions")
    random = np.random.default_rng(0)
    # Quarters, so that every second value lies half-way between two steps.
    images = (random.integers(-300, 300, (4, 8, 8, 16)) / 4).astype(np.float32)
    check(file, x, y, tmp_path, images)


@pytest.mark.parametrize("source", ["int8", "uint8"])
def test_dequantize_to_a_float_output(source: str, tmp_path: Path, require_module: Any) -> None:
    require_module("ai_edge_litert")
    file = TinyTflite()
    x = file.tensor("x", (1, 8, 8, 16), source, scale=0.037, zero_point=ZERO[source] + 3)
    y = file.tensor("y", (1, 8, 8, 16))
    file.operator("DEQUANTIZE", [x], y, "DequantizeOptions")
    check(file, x, y, tmp_path, pixels(np.random.default_rng(0), source, 4, 8, 8, 16))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("op", ["RELU", "RELU6"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_an_activation_of_its_own(
    dtype: str, op: str, seed: int, tmp_path: Path, require_module: Any
) -> None:
    require_module("ai_edge_litert")
    random = np.random.default_rng(seed)
    # In the first seed every fourth value is a tie, but for the last bit of the scales.
    sx = float(np.float32(random.uniform(0.01, 0.1) if seed else 0.1))
    sy = float(np.float32(random.uniform(0.01, 0.1) if seed else 6 / 255))
    file = TinyTflite()
    x = file.tensor("x", (1, 4, 4, 64), dtype, scale=sx, zero_point=ZERO[dtype] - 9)
    y = file.tensor("y", (1, 4, 4, 64), dtype, scale=sy, zero_point=int(np.iinfo(dtype).min))
    file.operator(op, [x], y)
    check(file, x, y, tmp_path, pixels(random, dtype, 4, 4, 4, 64))


def test_float16_weights_are_widened(tmp_path: Path, require_module: Any) -> None:
    require_module("ai_edge_litert")
    random = np.random.default_rng(0)
    file = TinyTflite()
    x, y = file.tensor("x", (1, 1, 1, 8)), file.tensor("y", (1, 1, 1, 4))
    half = file.constant("half", random.integers(-5, 5, (4, 1, 1, 8)).astype(np.float16))
    w = file.operator("DEQUANTIZE", [half], file.tensor("w", (4, 1, 1, 8)), "DequantizeOptions")
    b = file.constant("b", np.ones(4, np.float32))
    file.operator("CONV_2D", [x, w, b], y, "Conv2DOptions", StrideW=1, StrideH=1)
    check(file, x, y, tmp_path, random.integers(-9, 9, (4, 1, 1, 8)).astype(np.float32))


@pytest.mark.parametrize("activation", [1, 2, 3])
def test_limits_of_fused_activations_are_rounded_as_tflite_does(
    activation: int, tmp_path: Path, require_module: Any
) -> None:
    """RELU, RELU_N1_TO_1, RELU6 at scales where a limit lies half-way, or next to it."""
    require_module("ai_edge_litert")
    top = 6.0 if activation == 3 else 1.0
    for steps in (10.5, 100.5, 120.5, 254.5):
        half = np.float32(top / steps)
        for scale in (half, np.nextafter(half, np.float32(0)), np.nextafter(half, np.float32(1))):
            file = TinyTflite()
            x = file.tensor("x", (1, 1, 1, 2), "int8", scale=1.0)
            w = file.constant("w", np.ones((2, 1, 1, 2), np.int8), scale=1.0)
            # Accumulators far beyond either limit.
            b = file.constant("b", np.array([10**6, -(10**6)], np.int32), scale=1.0)
            zero = 0 if activation == 2 else -128
            y = file.tensor("y", (1, 1, 1, 2), "int8", scale=float(scale), zero_point=zero)
            options = {"StrideW": 1, "StrideH": 1, "FusedActivationFunction": activation}
            file.operator("CONV_2D", [x, w, b], y, "Conv2DOptions", **options)
            check(file, x, y, tmp_path, np.zeros((1, 1, 1, 2), np.int8))
