"""Comparisons, booleans and choices: TFLite's to the bit, ONNX's to 1e-4, compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.tflite_net import TfliteNet

COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")
SHAPE = (1, 5, 7, 3)
SCALES = (2.0**-12, 0.003, 0.0789, 0.9)


def options(name: str) -> str:
    """The options' table of an operator."""
    return "".join(part.capitalize() for part in name.split("_")) + "Options"


def compared(name: str, dtype: str, scales: tuple[float, float], other: tuple[int, ...]) -> bytes:
    """`name` of the input and its negative, or of a constant of shape `other`: booleans."""
    net, quantised = TfliteNet(), dtype != "float32"
    zero = {"int8": 3, "uint8": 130}.get(dtype, 0)

    def quant(scale: float) -> Any:
        return {"scale": scale, "zero_point": zero} if quantised else {}

    x = net.tensor(SHAPE, dtype, **quant(scales[0]))
    y = net.tensor(SHAPE, "bool")
    if other:
        random = np.random.default_rng(1)
        data = random.integers(0, 120, other) if quantised else random.normal(size=other)
        second = net.constant(data.astype(dtype), **quant(scales[1]))
    else:
        second = net.tensor(SHAPE, dtype, **quant(scales[1]))
        if quantised:
            net.add("QUANTIZE", [x], [second], "QuantizeOptions")
        else:
            net.add("NEG", [x], [second], "NegOptions")
    net.add(name, [x, second], [y], options(name))
    return net.build([x], [y])


def chosen(dtype: str) -> bytes:
    """The input where it is above zero, something else below, as TensorFlow writes SELU."""
    net, quantised = TfliteNet(), dtype != "float32"
    quant: dict[str, Any] = {"scale": 0.05, "zero_point": -4} if quantised else {}
    x, negative, y = (net.tensor(SHAPE, dtype, **quant) for _ in range(3))
    low = net.constant(np.array(-20 if quantised else -0.5, dtype), **quant)
    net.add("MAXIMUM", [x, low], [negative], "MaximumMinimumOptions")
    condition = net.tensor(SHAPE, "bool")
    zero = net.constant(np.array(-4 if quantised else 0, dtype), **quant)
    net.add("GREATER", [x, zero], [condition], "GreaterOptions")
    net.add("SELECT_V2", [condition, x, negative], [y], "SelectV2Options")
    return net.build([x], [y])


def masked(condition: tuple[int, ...], when: tuple[int, ...], otherwise: tuple[int, ...]) -> bytes:
    """A choice between operands of any shapes; () is an activation of the whole shape."""
    net, random = TfliteNet(), np.random.default_rng(2)
    x, truth, y = net.tensor(SHAPE), net.tensor(SHAPE, "bool"), net.tensor(SHAPE)
    negative = net.tensor(SHAPE)
    net.add("NEG", [x], [negative], "NegOptions")
    if condition:
        truth = net.constant(random.integers(0, 2, condition).astype(bool))
    else:
        zero = net.constant(np.float32(0.1))
        net.add("LESS", [x, zero], [truth], "LessOptions")

    def operand(shape: tuple[int, ...], there: int) -> int:
        return net.constant(random.normal(size=shape).astype(np.float32)) if shape else there

    inputs = [truth, operand(when, x), operand(otherwise, negative)]
    net.add("SELECT_V2", inputs, [y], "SelectV2Options")
    return net.build([x], [y])


def equal_to_litert(blob: bytes, dtype: str, folder: Path, shape: tuple[int, ...] = SHAPE) -> None:
    """Our reference's bytes are LiteRT's."""
    samples = random_samples(shape, dtype, 3, 5)
    (theirs,) = litert(blob, samples)
    _, ours = reference(blob, ".tflite", samples, folder)
    np.testing.assert_array_equal(ours.astype(theirs.dtype), theirs.reshape(ours.shape))


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("other", [(), (1,), (3,), SHAPE])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_comparisons_are_litert_s(
    name: str,
    dtype: str,
    other: tuple[int, ...],
    require_module: Callable[[str], None],
    tmp_path: Path,
) -> None:
    require_module("ai_edge_litert")
    for scales in zip(SCALES, SCALES[::-1], strict=True) if dtype != "float32" else [(1.0, 1.0)]:
        equal_to_litert(compared(name, dtype, scales, other), dtype, tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_choice_by_a_comparison_as_tensorflow_writes_selu(
    dtype: str, require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("ai_edge_litert")
    equal_to_litert(chosen(dtype), dtype, tmp_path)


@pytest.mark.parametrize(
    "shapes",
    [((), (), ()), ((), (1,), (3,)), (SHAPE, (), (1, 5, 1, 1)), ((7, 1), (), ()), ((), SHAPE, ())],
)
def test_operands_broadcast(
    shapes: Any, require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("ai_edge_litert")
    equal_to_litert(masked(*shapes), "float32", tmp_path)


@pytest.mark.parametrize("target", PLACES)
def test_compiled_choices_are_the_reference(target: str, tmp_path: Path) -> None:
    blobs = (
        chosen("int8"),
        compared("GREATER", "int8", (0.02, 0.05), ()),
        compared("LESS_EQUAL", "uint8", (0.02, 0.05), (3,)),
        masked(SHAPE, (), (1, 5, 1, 1)),
    )
    for number, blob in enumerate(blobs):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = verified(blob, ".tflite", target, folder)
        assert found.passed and found.exact


@pytest.mark.parametrize(
    ("operator", "constants", "inputs"),
    [
        ("ThresholdedRelu", {}, None),
        ("Where", {"c": np.array([[[True]], [[False]], [[True]]])}, ("c", "x", "x")),
        ("Where", {"c": np.array(True), "z": np.float32(0)}, ("c", "x", "z")),
    ],
)
def test_choices_are_onnxruntime_s(
    operator: str,
    constants: dict[str, Any],
    inputs: Any,
    require_module: Callable[[str], None],
    tmp_path: Path,
) -> None:
    require_module("onnxruntime")
    blob = one_operator(operator, (1, 3, 5, 7), constants, inputs=inputs)
    samples = random_samples((1, 3, 5, 7), "float32", 3, 5)
    (theirs,) = onnxruntime_outputs(blob, samples)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_a_choice_of_operands_that_all_are_spread(
    require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("onnxruntime")
    shape = (1, 3, 5, 7)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    arrays = [
        numpy_helper.from_array(np.array([axis], np.int64), f"axis{axis}") for axis in (1, 2, 3)
    ]
    arrays.append(numpy_helper.from_array(np.float32(1.5), "half"))
    nodes = [helper.make_node("ReduceMax", ["x", f"axis{i}"], [f"m{i}"]) for i in (2, 3)]
    nodes += [
        helper.make_node("ReduceMax", ["m2", "axis1"], ["a"]),
        helper.make_node("ReduceMax", ["m3", "axis2"], ["b"]),
        helper.make_node("ReduceMax", ["m3", "axis1"], ["d"]),
        helper.make_node("Less", ["d", "half"], ["c"]),
        helper.make_node("Where", ["c", "a", "b"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    blob = model.SerializeToString()
    samples = random_samples(shape, "float32", 3, 5)
    (theirs,) = onnxruntime_outputs(blob, samples)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def truths() -> bytes:
    """Operators of ONNX that make booleans of booleans or numbers, and one that reads them."""

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs, [output], **attributes)

    nodes = [
        node("Greater", ["x", "half"], "a"),
        node("LessOrEqual", ["x", "x"], "b"),
        node("Not", ["a"], "c"),
        node("And", ["b", "c"], "d"),
        node("Or", ["a", "d"], "e"),
        node("Xor", ["e", "a"], "f"),
        node("Cast", ["f"], "number", to=TensorProto.FLOAT),
        node("Mul", ["x", "number"], "kept"),
        node("Cast", ["kept"], "g", to=TensorProto.BOOL),
        node("Where", ["g", "x", "half"], "y"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 5, 7]) for n in ("x", "y")]
    truth = helper.make_tensor_value_info("f", TensorProto.BOOL, [1, 3, 5, 7])
    half = numpy_helper.from_array(np.float32(0.5), "half")
    graph = helper.make_graph(nodes, "truths", ends[:1], [ends[1], truth], [half])
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def test_booleans_are_onnxruntime_s_and_an_output_of_them_is_numbers(
    require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("onnxruntime")
    samples = random_samples((1, 3, 5, 7), "float32", 3, 5)
    theirs = onnxruntime_outputs(truths(), samples)
    graph, ours = reference(truths(), ".onnx", samples, tmp_path)
    np.testing.assert_allclose(ours, theirs[0], rtol=1e-6)
    assert [spec.dtype for spec in graph.output_specs] == ["float32", "uint8"]
    found = verified(truths(), ".onnx", "host", tmp_path)
    assert found.passed and found.exact
