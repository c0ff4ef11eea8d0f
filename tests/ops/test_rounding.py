"""Whole numbers to the bit: halves, signs of nought, what is no number or has no digits to lose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.pipeline import compile_model
from edgemnv2.runners import runner_for
from tests.networks.against import onnxruntime_outputs, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.tflite_net import TfliteNet

OPERATORS = ("Ceil", "Floor", "Round")


def values() -> Any:
    """Around every kind of edge, and random ones of every size, `[1, H, W, 1]`."""
    powers = (2.0**n for n in range(20, 33))
    edges = np.float32([0.0, 1e-45, 1e-30, 0.25, 0.5, 1.0, 1.5, 2.5, 254.5, *powers])
    near = [np.nextafter(edges, np.float32(0)), edges, np.nextafter(edges, np.float32(np.inf))]
    whole = np.concatenate([*near, np.float32([np.inf, np.nan, 3e38])])
    random = np.random.default_rng(0)
    sizes = (random.normal(size=400) * 10 ** random.uniform(-3, 9, 400)).astype(np.float32)
    flat = np.concatenate([whole, -whole, sizes])
    return flat[: flat.size // 4 * 4].reshape(1, -1, 4, 1)


def file_of(operator: str, format_: str, shape: Any) -> bytes:
    if format_ == ".onnx":
        return one_operator(operator, (1, 1, *shape[1:3]))
    net = TfliteNet()
    x, y = net.tensor(shape), net.tensor(shape)
    net.add(operator.upper(), [x], [y])
    return net.build([x], [y])


def frameworks(blob: bytes, format_: str, x: Any) -> Any:
    """What onnxruntime or LiteRT gives."""
    if format_ == ".onnx":
        return onnxruntime_outputs(blob, [x.reshape(1, 1, *x.shape[1:3])])[0]
    # Ceil and Round are not among the reference kernels, and there is one of each only.
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    theirs = Interpreter(model_content=blob, experimental_op_resolver_type=kernels)
    theirs.allocate_tensors()
    theirs.set_tensor(theirs.get_input_details()[0]["index"], x)
    theirs.invoke()
    return theirs.get_tensor(theirs.get_output_details()[0]["index"])


def assert_same(ours: Any, theirs: Any) -> None:
    """Bit by bit, but for which NaN it is."""
    ours, theirs = (np.where(np.isnan(x), np.float32(7), x).ravel() for x in (ours, theirs))
    np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32))


@pytest.mark.parametrize("format_", [".onnx", ".tflite"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_floats_are_the_frameworks(operator: str, format_: str, tmp_path: Path) -> None:
    x = values()
    blob = file_of(operator, format_, x.shape)
    given = x.reshape(1, 1, *x.shape[1:3]) if format_ == ".onnx" else x
    _, ours = reference(blob, format_, [given], tmp_path)
    assert_same(ours, frameworks(blob, format_, x))


@pytest.mark.parametrize("format_", [".onnx", ".tflite"])
@pytest.mark.parametrize("target", PLACES)
def test_compiled_floats_are_the_frameworks(target: str, format_: str, tmp_path: Path) -> None:
    x = values()
    for operator in OPERATORS:
        blob = file_of(operator, format_, x.shape)
        path = tmp_path / f"{operator}{format_}"
        path.write_bytes(blob)
        artifact = compile_model(path, target, tmp_path / operator)
        given = x.reshape(artifact.inputs[0].shape)
        made = next(iter(runner_for(artifact).run(artifact, [given]).results[0].values()))
        assert_same(made, frameworks(blob, format_, x))


@pytest.mark.parametrize("factor", [255.0, 100.0])
def test_pixels_as_bytes(factor: float, tmp_path: Path) -> None:
    """`(x * 255).round().to(torch.uint8)`, as people end a decoder."""
    shape = (1, 3, 6, 5)
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("y", TensorProto.UINT8, shape),
    ]
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["s"]),
        helper.make_node("Mul", ["s", "factor"], ["p"]),
        helper.make_node("Round", ["p"], ["r"]),
        helper.make_node("Cast", ["r"], ["y"], to=TensorProto.UINT8),
    ]
    constant = numpy_helper.from_array(np.float32(factor), "factor")
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [constant])
    imports = [helper.make_opsetid("", 17)]
    blob = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
    samples = [np.random.default_rng(n).normal(size=shape).astype(np.float32) for n in range(3)]
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    theirs = onnxruntime_outputs(blob, samples)[0]
    # Their sigmoid is another in the last bits, so a value next to a half may be the other one.
    assert (np.abs(ours.astype(int) - theirs.astype(int).reshape(ours.shape)) <= 1).all()
    assert (ours == theirs.reshape(ours.shape)).mean() > 0.99
    assert verified(blob, ".onnx", "host", tmp_path).passed
