"""Which pixels an input wants: told by its scale, or by the arithmetic in front of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.samples.images import default_preset
from edgemnv2.samples.pixels import INSIDE, SCALE, Pixels, wanted_pixels
from tests.networks.tflite_net import TfliteNet

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def _float(folder: Path, steps: list[tuple[str, Any]], first: bool = False) -> Graph:
    """`steps` in front of a convolution; constants are the first operand where `first`."""
    nodes, constants, x = [], [], "x"
    for index, (op, values) in enumerate(steps):
        array = np.asarray(values, np.float32)
        shape = (1, 3, 1, 1) if array.size == 3 else ()
        constants.append(numpy_helper.from_array(array.reshape(shape), f"c{index}"))
        operands = [f"c{index}", x] if first and op == "Sub" else [x, f"c{index}"]
        nodes.append(helper.make_node(op, operands, [f"t{index}"]))
        x = f"t{index}"
    weight = np.ones((2, 3, 3, 3), np.float32)
    constants.append(numpy_helper.from_array(weight, "w"))
    nodes.append(helper.make_node("Conv", [x, "w"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 6, 6])],
        constants,
    )
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return lower(load_model(path))


@pytest.mark.parametrize(
    ("steps", "white"),
    [
        ([("Mul", 1 / 127.5), ("Add", -1)], 255),
        ([("Div", 127.5), ("Sub", 1)], 255),
        ([("Div", 255)], 255),
        ([("Div", 255), ("Sub", MEAN), ("Div", STD)], 255),
        ([("Sub", [123.675, 116.28, 103.53]), ("Mul", [1 / 58.4, 1 / 57.1, 1 / 57.4])], 255),
        ([("Sub", MEAN), ("Div", STD)], 1),
        ([("Mul", 2), ("Sub", 1)], 1),
    ],
)
def test_arithmetic_inside_the_model_tells(steps: Any, white: float, tmp_path: Path) -> None:
    graph = _float(tmp_path, steps)
    assert wanted_pixels(graph, 0) == Pixels(0, white, INSIDE)
    assert default_preset(graph) == ("raw" if white == 255 else "torchvision")


def test_a_difference_from_white_tells_too(tmp_path: Path) -> None:
    graph = _float(tmp_path, [("Sub", 255), ("Div", 255)], first=True)
    assert wanted_pixels(graph, 0) == Pixels(0, 255, INSIDE)


@pytest.mark.parametrize("steps", [[], [("Mul", 1e-4)], [("Mul", 100.0)], [("Add", 1.0)]])
def test_what_says_nothing_is_not_guessed(steps: Any, tmp_path: Path) -> None:
    graph = _float(tmp_path, steps)
    assert wanted_pixels(graph, 0) is None


@pytest.mark.parametrize(
    ("dtype", "scale", "zero", "low", "high"),
    [
        ("uint8", 1 / 127.5, 127, -0.9961, 1.0039),
        ("int8", 1.0, -128, 0, 255),
        ("int8", 1 / 255, -128, 0, 1),
    ],
)
def test_a_scale_tells(
    dtype: str, scale: float, zero: int, low: float, high: float, tmp_path: Path
) -> None:
    net = TfliteNet()
    x = net.tensor((1, 8, 8, 3), dtype, scale, zero)
    y = net.tensor((1, 8, 8, 3), dtype, 1 / 256, -128 if dtype == "int8" else 0)
    net.add("LOGISTIC", [x], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.build([x], [y]))
    graph = lower(load_model(path))
    assert wanted_pixels(graph, 0) == Pixels(low, high, SCALE)
    assert default_preset(graph) == "raw"
