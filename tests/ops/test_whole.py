"""Quotients and rests of whole numbers, to the last one: rows and columns of places on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from tests.networks.against import litert, onnxruntime_outputs, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.tflite_net import TfliteNet

DIVISORS = (1, 2, 3, 7, 8, 10, 63, 640, -1, -3, -8)
LARGEST = (1 << 24) - 1


def places() -> Any:
    """Whole numbers of both signs, around multiples of every divisor, `[1, 1, H, W]`."""
    near = [m * d + e for d in DIVISORS for m in (1, 5, 1000) for e in (-1, 0, 1)]
    ends = [LARGEST - e for e in range(4)]
    drawn = np.random.default_rng(0).integers(0, LARGEST, 44)
    flat = np.array([*near, *ends, *drawn])
    return np.concatenate([flat, -flat]).reshape(1, 1, -1, 2)


def onnx_file(operators: tuple[str, ...], divisor: int, kind: str) -> bytes:
    """x -> int64 or int32 -> each operator by the divisor, beside one another."""
    shape = places().shape
    whole = getattr(TensorProto, kind)
    nodes = [helper.make_node("Cast", ["x"], ["i"], to=whole)]
    nodes += [helper.make_node(op, ["i", "d"], [op]) for op in operators]
    nodes.append(helper.make_node("Concat", list(operators), ["y"], axis=1))
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("y", whole, None),
    ]
    by = numpy_helper.from_array(np.array(divisor, kind.lower()), "d")
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [by])
    imports = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())


@pytest.mark.parametrize("kind", ["INT64", "INT32"])
@pytest.mark.parametrize("divisor", DIVISORS)
def test_onnx_rests_are_onnxruntimes(divisor: int, kind: str, tmp_path: Path) -> None:
    blob = onnx_file(("Mod", "Div"), divisor, kind)
    x = places().astype(np.float32)
    _, ours = reference(blob, ".onnx", [x], tmp_path)
    np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, [x])[0].reshape(ours.shape))


@pytest.mark.parametrize("operator", ["FLOOR_DIV", "FLOOR_MOD"])
@pytest.mark.parametrize("divisor", DIVISORS)
def test_tflite_rests_are_litert_s(divisor: int, operator: str, tmp_path: Path) -> None:
    net = TfliteNet()
    sample = places().transpose(0, 2, 3, 1).astype(np.float32)
    x, i, y = net.tensor(sample.shape), *(net.tensor(sample.shape, "int32") for _ in range(2))
    net.add("CAST", [x], [i], "CastOptions")
    net.add(operator, [i, net.constant(np.array(divisor, np.int32))], [y])
    blob = net.build([x], [y])
    _, ours = reference(blob, ".tflite", [sample], tmp_path)
    np.testing.assert_array_equal(ours, litert(blob, [sample])[0].reshape(ours.shape))


@pytest.mark.parametrize("target", PLACES)
def test_a_place_on_a_heat_map_is_a_row_and_a_column(target: str, tmp_path: Path) -> None:
    """`index % width, index // width`, on the map of one key point."""
    net = TfliteNet()
    x = net.tensor((1, 8, 7, 1), "int8", 0.1, 3)
    flat = net.tensor((1, 56), "int8", 0.1, 3)
    net.add("RESHAPE", [x, net.constant(np.array([1, 56], np.int32))], [flat], "ReshapeOptions")
    index, row, column = (net.tensor((1,), "int32") for _ in range(3))
    axis = net.constant(np.array(1, np.int32))
    net.add("ARG_MAX", [flat, axis], [index], "ArgMaxOptions", output_type=2)
    width = net.constant(np.array(7, np.int32))
    net.add("FLOOR_DIV", [index, width], [row])
    net.add("FLOOR_MOD", [index, width], [column])
    y = net.tensor((2,), "int32")
    net.add("CONCATENATION", [row, column], [y], "ConcatenationOptions")
    assert verified(net.build([x], [y]), ".tflite", target, tmp_path).passed


def test_rests_of_floats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(one_operator("Mod", (1, 1, 4, 4), {"d": np.float32(2)}, fmod=1))
    with pytest.raises(UnsupportedOperator, match=r"Mod with rests of floats.*whole numbers"):
        load_model(path)
