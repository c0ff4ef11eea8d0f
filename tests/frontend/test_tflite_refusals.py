"""A TFLite file that we cannot compile is refused in one line: place, fact, expectation, remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.errors import DynamicShape, ModelError, UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.frontend.tiny_tflite import TinyTflite
from tests.networks.tflite_net import TfliteNet


def refusal(data: bytes, tmp_path: Path, kind: type[ModelError]) -> str:
    """The message of the error that loading and lowering `data` raises."""
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    with pytest.raises(kind) as caught:
        lower(load_model(path))
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("m.tflite: ")
    return message


def one_operator(
    op: str, options: str | None = None, dtype: str = "float32", out: Any = None, **values: Any
) -> bytes:
    file = TinyTflite()
    x = file.tensor("x", (1, 8, 8, 4), dtype)
    y = file.tensor("y", out or (1, 8, 8, 4), dtype)
    file.operator(op, [x], y, options, **values)
    return file.build([x], [y])


def convolution(
    weight: tuple[int, ...],
    op: str = "CONV_2D",
    dtype: str = "float32",
    fill: float = 1.0,
    **values: Any,
) -> bytes:
    file = TinyTflite()
    x = file.tensor("x", (1, 8, 8, 4))
    w = file.constant("w", np.full(weight, fill, dtype))
    outer = weight[0] if op == "CONV_2D" else weight[3]
    b = file.constant("b", np.zeros(outer, np.float32))
    y = file.tensor("y", (1, 8, 8, outer))
    options = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions"}[op]
    file.operator(op, [x, w, b], y, options, StrideW=1, StrideH=1, **values)
    return file.build([x], [y])


def test_an_unknown_operator_is_named_with_a_remedy(tmp_path: Path) -> None:
    message = refusal(one_operator("WHERE"), tmp_path, UnsupportedOperator)
    assert message.startswith("m.tflite: operator 0 ('y'): operator WHERE is not supported; ")


EXACT: dict[str, tuple[bytes, type[ModelError], str]] = {
    "no numbers": (
        convolution((4, 3, 3, 4), fill=np.nan),
        ModelError,
        "m.tflite: operator 0 ('y'): constant 'w' has 144 values that are no numbers (NaN); train "
        "or export the model again",
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_broken_constraint_says_place_fact_expectation_remedy(name: str, tmp_path: Path) -> None:
    data, kind, expected = EXACT[name]
    assert refusal(data, tmp_path, kind) == expected


def test_a_dynamic_height_is_refused(tmp_path: Path) -> None:
    file = TinyTflite()
    x = file.tensor("x", (1, 1, 1, 3), signature=(-1, -1, -1, 3))
    y = file.tensor("y", (1, 1, 1, 3))
    file.operator("RELU6", [x], y)
    assert refusal(file.build([x], [y]), tmp_path, DynamicShape) == (
        "m.tflite: input 'x': dimension 1 is not fixed; height, width and channels must be "
        "numbers: convert the model with a fixed input size"
    )


def test_a_symbolic_batch_is_set_to_one(tmp_path: Path) -> None:
    network = TinyMobilenet()
    data = network.build()
    network.file.tensors[0].signature = (-1, 16, 16, 3)
    path = tmp_path / "m.tflite"
    # The first tensor is the input; the last one the output.
    path.write_bytes(network.file.build([0], [len(network.file.tensors) - 1]))
    assert len(data) != path.stat().st_size
    assert load_model(path).inputs[0].shape == (1, 16, 16, 3)


def test_a_batch_of_many_is_refused(tmp_path: Path) -> None:
    file = TinyTflite()
    x, y = file.tensor("x", (4, 8, 8, 3)), file.tensor("y", (4, 8, 8, 3))
    file.operator("RELU6", [x], y)
    assert refusal(file.build([x], [y]), tmp_path, ModelError) == (
        "m.tflite: input 'x' holds 4 images (must be 1); convert the model with batch 1"
    )


def test_int16_activations_are_refused(tmp_path: Path) -> None:
    message = refusal(one_operator("RELU6", dtype="int16"), tmp_path, ModelError)
    assert message == (
        "m.tflite: input 'x' has type int16 (must be float32, int8 or uint8); convert the model "
        "with float or 8-bit input"
    )


def test_an_output_twice_is_refused(tmp_path: Path) -> None:
    file = TinyTflite()
    x, y = file.tensor("x", (1, 8, 8, 3)), file.tensor("y", (1, 8, 8, 3))
    file.operator("RELU6", [x], y)
    assert refusal(file.build([x], [y, y]), tmp_path, ModelError) == (
        "m.tflite: output 'y' is listed 2 times (must be once); export the model with each of "
        "them once"
    )


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    data = TinyMobilenet().build()
    message = refusal(data[: int(len(data) * share)], tmp_path, ModelError)
    assert "download or export" in message or "download or export the file again" in message


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00" * 4096, b"\x10\0\0\0TFL3" + b"\xff" * 90])
def test_a_file_that_is_no_model_is_refused(data: bytes, tmp_path: Path) -> None:
    message = refusal(data, tmp_path, ModelError)
    assert "not a TFLite model" in message or "damaged or truncated" in message
    assert ("it is empty" in message) == (not data)


def test_the_first_of_several_signatures_is_the_network(tmp_path: Path) -> None:
    net = TfliteNet()
    x, y = net.tensor((1, 4, 4, 3)), net.tensor((1, 4, 4, 3))
    net.add("RELU", [x], [y])
    path = tmp_path / "m.tflite"
    path.write_bytes(net.build([x], [y], signatures=3))
    assert [type(layer).__name__ for layer in lower(load_model(path)).layers] == ["Clamp"]


def test_activations_of_4_bits_are_named(tmp_path: Path) -> None:
    net = TfliteNet()
    x, y = net.tensor((1, 8), "int8", 0.1), net.tensor((1, 8), "int4", 0.1, name="narrow")
    net.add("QUANTIZE", [x], [y])
    net.add("DEQUANTIZE", [y], [z := net.tensor((1, 8))])
    message = refusal(net.build([x], [z]), tmp_path, UnsupportedOperator)
    assert "1 activation of 4 bits, the first is 'narrow'" in message


def test_a_power_of_integers_is_refused(tmp_path: Path) -> None:
    net = TfliteNet()
    x, y = (net.tensor((1, 4, 4, 3), "int8", 0.1) for _ in range(2))
    net.add("POW", [x, net.constant(np.float32(2))], [y], "PowOptions")
    message = refusal(net.build([x], [y]), tmp_path, UnsupportedOperator)
    assert "POW with integers" in message and "in floats" in message


@pytest.mark.parametrize(
    ("dtype", "zero"),
    [("int8", -129), ("int8", 128), ("int8", 65535), ("uint8", -1), ("uint8", 256)],
)
@pytest.mark.parametrize("place", ["input", "output"])
def test_a_zero_point_that_no_value_can_be_is_refused(
    place: str, dtype: str, zero: int, tmp_path: Path
) -> None:
    net = TfliteNet()
    x = net.tensor((1, 4, 4, 3), dtype, 0.1, zero if place == "input" else 0)
    y = net.tensor((1, 4, 4, 3), dtype, 0.1, zero if place == "output" else 0)
    net.add("RELU", [x], [y])
    message = refusal(net.build([x], [y]), tmp_path, ModelError)
    assert f"has zero point {zero} (of {dtype} it must be " in message


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -0.1])
@pytest.mark.parametrize("place", ["input", "output"])
def test_a_scale_that_is_no_positive_number_is_refused(
    place: str, scale: float, tmp_path: Path
) -> None:
    net = TfliteNet()
    x = net.tensor((1, 4, 4, 3), "int8", scale if place == "input" else 0.1)
    y = net.tensor((1, 4, 8, 3), "int8", scale if place == "output" else 0.1)
    net.add("CONCATENATION", [x, x], [y], "ConcatenationOptions", axis=2)
    message = refusal(net.build([x], [y]), tmp_path, ModelError)
    assert f"has scale {scale:g} (must be a positive number" in message
