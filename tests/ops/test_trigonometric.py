"""Sine, cosine, arctangent: of angles of every size, constant ones, and of integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from tests.networks.against import onnxruntime_outputs, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.tflite_net import TfliteNet

OPERATORS = {"Atan": np.arctan, "Cos": np.cos, "Sin": np.sin}
TOLERANCE = 4e-7
"""A few steps of float32 below 1.57."""


def values() -> Any:
    """Multiples of an eighth of a turn and what is beside them, and random ones of every size."""
    eighths = np.float32([n * np.pi / 4 for n in range(33)])
    powers = np.float32([2.0**n for n in range(-30, 30)])
    near = [np.nextafter(eighths, np.float32(-9)), eighths, np.nextafter(eighths, np.float32(99))]
    random = np.random.default_rng(0)
    sizes = (random.normal(size=800) * 10 ** random.uniform(-6, 8, 800)).astype(np.float32)
    flat = np.concatenate([*near, powers, sizes, np.float32([0.41421357, 2.4142137, 0.0])])
    flat = np.concatenate([flat, -flat])
    return flat[: flat.size // 4 * 4].reshape(1, 1, -1, 4)


def assert_close(ours: Any, x: Any, operator: str) -> None:
    """To a few steps; an angle itself is no surer than float32 has it."""
    exact = OPERATORS[operator](x.astype(np.float64)).ravel()
    unsure = 0 if operator == "Atan" else 2 * np.spacing(np.abs(x)).ravel()
    assert (np.abs(ours.ravel() - exact) <= TOLERANCE + unsure).all()


@pytest.mark.parametrize("target", PLACES)
def test_compiled(target: str, tmp_path: Path) -> None:
    x = values()
    for operator in OPERATORS:
        path = tmp_path / f"{operator}.onnx"
        path.write_bytes(one_operator(operator, x.shape))
        artifact = compile_model(path, target, tmp_path / operator)
        given = x.reshape(artifact.inputs[0].shape)
        made = next(iter(runner_for(artifact).run(artifact, [given]).results[0].values()))
        assert_close(made, x, operator)


def test_what_is_no_angle(tmp_path: Path) -> None:
    x = np.full((1, 1, 1, 4), np.inf, np.float32) * np.float32([1, -1, 1, np.nan])
    for operator in OPERATORS:
        path = tmp_path / f"{operator}.onnx"
        path.write_bytes(one_operator(operator, x.shape))
        artifact = compile_model(path, "host", tmp_path / operator)
        made = next(
            iter(
                runner_for(artifact)
                .run(artifact, [x.reshape(artifact.inputs[0].shape)])
                .results[0]
                .values()
            )
        ).ravel()
        right = np.pi / 2 if operator == "Atan" else np.nan
        np.testing.assert_allclose(made, [right, -right, right, np.nan], rtol=1e-6)


@pytest.mark.parametrize("operator", ["COS", "SIN"])
def test_tflite(operator: str, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    net = TfliteNet()
    x = values().reshape(1, -1, 4, 1)
    a, b = net.tensor(x.shape), net.tensor(x.shape)
    net.add(operator, [a], [b])
    blob = net.build([a], [b])
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    theirs = Interpreter(model_content=blob, experimental_op_resolver_type=kernels)
    theirs.allocate_tensors()
    theirs.set_tensor(a, x)
    theirs.invoke()
    _, ours = reference(blob, ".tflite", [x], tmp_path)
    np.testing.assert_allclose(ours[0], theirs.get_tensor(b), rtol=0, atol=1e-6)


@pytest.mark.parametrize("operator", list(OPERATORS))
def test_constants_are_computed_once(operator: str, tmp_path: Path) -> None:
    """An encoding of positions: the sum alone is left."""
    shape = (1, 3, 4, 5)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    angles = np.random.default_rng(1).normal(size=shape[1:]).astype(np.float32)
    nodes = [
        helper.make_node(operator, ["angles"], ["p"]),
        helper.make_node("Add", ["x", "p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(angles, "angles")]
    )
    imports = [helper.make_opsetid("", 17)]
    blob = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
    path = tmp_path / "net.onnx"
    path.write_bytes(blob)
    assert len(lower(load_model(path)).layers) == 1
    x = np.ones(shape, np.float32)
    _, ours = reference(blob, ".onnx", [x], tmp_path)
    theirs = onnxruntime_outputs(blob, [x])[0]
    np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("operator", list(OPERATORS))
def test_integers_are_onnxruntimes(operator: str, tmp_path: Path) -> None:
    """Between quantise nodes it is a table, on every target kind."""
    shape = (1, 1, 16, 16)
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
    ]
    random = np.random.default_rng(2)
    for number in range(4):
        scales = random.uniform(0.005, 0.2), random.uniform(0.004, 0.02)
        zeros = random.integers(-60, 60, 2)
        constants = [numpy_helper.from_array(np.float32(s), f"s{i}") for i, s in enumerate(scales)]
        constants += [numpy_helper.from_array(np.int8(z), f"z{i}") for i, z in enumerate(zeros)]
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s0", "z0"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "s0", "z0"], ["d"]),
            helper.make_node(operator, ["d"], ["f"]),
            helper.make_node("QuantizeLinear", ["f", "s1", "z1"], ["r"]),
            helper.make_node("DequantizeLinear", ["r", "s1", "z1"], ["y"]),
        ]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
        imports = [helper.make_opsetid("", 17)]
        blob = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
        stored = np.arange(-128, 128).reshape(shape)
        x = ((stored - zeros[0]) * np.float32(scales[0])).astype(np.float32)
        _, ours = reference(blob, ".onnx", [x], tmp_path)
        np.testing.assert_array_equal(ours.ravel(), onnxruntime_outputs(blob, [x])[0].ravel())
        if number == 0:
            assert verified(blob, ".onnx", "host", tmp_path).passed
