"""Constants that a file stores as integers with a scale are real numbers, wherever they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.networks.against import onnxruntime_outputs, random_samples, reference

SHAPE = (1, 3, 5, 4)
# Operator -> the inputs of its node ("c" is the constant), the constant's shape, attributes.
USES: dict[str, tuple[list[str], Any, dict[str, Any]]] = {
    "Add": (["x", "c"], (3, 1, 1), {}),
    "Clip": (["x", "c"], (), {}),
    "Concat": (["c", "x"], SHAPE, {"axis": 1}),
    "Div": (["x", "c"], SHAPE, {}),
    "Less": (["x", "c"], (1, 3, 1, 1), {}),
    "Max": (["x", "c"], (4,), {}),
    "Mul": (["c", "x"], (3, 1, 1), {}),
    "Pad": (["x", "pads", "c"], (), {}),
    "PRelu": (["x", "c"], (3, 1, 1), {}),
    "ScatterND": (["x", "at", "c"], (1, 1, 5, 4), {}),
    "Sub": (["c", "x"], SHAPE, {}),
    "Where": (["positive", "x", "c"], (1,), {}),
}
EVEN = ("Concat", "ScatterND")
"""Take a constant of one value."""


def with_constant(name: str, steps: int, dtype: str, seed: int) -> bytes:
    """`x` and operator `name` with the constant dequantised, reshaped, quantised anew `steps`
    times."""
    random, limits = np.random.default_rng(seed), np.iinfo(dtype)
    inputs, shape, attributes = USES[name]
    stored = random.integers(limits.min, limits.max + 1, () if name in EVEN else shape)
    constants: dict[str, Any] = {
        "c0": np.full(shape, stored, dtype) if name in EVEN else stored.astype(dtype),
        "flat": np.array([-1], np.int64),
        "shape": np.array(shape, np.int64),
        "nothing": np.float32(0),
        "pads": np.array([0, 0, 1, 2, 0, 0, 0, 1], np.int64),
        "at": np.array([[[0, 1]]], np.int64),
    }
    nodes = [helper.make_node("Greater", ["x", "nothing"], ["positive"])]

    def pair(step: int) -> list[str]:
        zero = np.array(random.integers(limits.min, limits.max + 1), dtype)
        names = [f"scale{step}", f"zero{step}"]
        constants.update(zip(names, (np.float32(random.uniform(0.01, 0.05)), zero), strict=True))
        return names

    nodes.append(helper.make_node("DequantizeLinear", ["c0", *pair(0)], ["real0"]))
    for step in range(1, steps + 1):
        ends = pair(step)
        nodes.append(helper.make_node("Reshape", [f"real{step - 1}", "flat"], [f"flat{step}"]))
        nodes.append(helper.make_node("QuantizeLinear", [f"flat{step}", *ends], [f"q{step}"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"q{step}", *ends], [f"back{step}"]))
        nodes.append(helper.make_node("Reshape", [f"back{step}", "shape"], [f"real{step}"]))
    inputs = [f"real{steps}" if x == "c" else x for x in inputs]
    truth = name == "Less"
    nodes.append(helper.make_node(name, inputs, ["truth" if truth else "y"], **attributes))
    if truth:
        nodes.append(helper.make_node("Cast", ["truth"], ["y"], to=TensorProto.FLOAT))
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("x", SHAPE), ("y", None))
    )
    arrays = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "constant", [x], [y], arrays)
    imports = [helper.make_opsetid("", 16)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("name", USES)
def test_they_are_what_onnxruntime_makes_of_them(
    name: str, steps: int, dtype: str, tmp_path: Path
) -> None:
    for seed in range(3):
        blob = with_constant(name, steps, dtype, seed)
        samples = random_samples(SHAPE, "float32", 2, seed)
        _, ours = reference(blob, ".onnx", samples, tmp_path)
        theirs = onnxruntime_outputs(blob, samples)[0]
        np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=1e-5, atol=1e-5)
