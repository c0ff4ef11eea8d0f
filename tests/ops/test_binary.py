"""Two operands: every broadcast, both orders, constants, fused activations; integers to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.quantised import limits_of, random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

SHAPE = (1, 5, 4, 7)
# What is repeated to the other operand's shape.
SMALL = (
    (1, 5, 4, 7), (1, 1, 1, 7), (1, 5, 4, 1), (1, 5, 1, 7), (1, 1, 4, 7), (1, 1, 4, 1),
    (1, 5, 1, 1), (1, 1, 1, 1), (7,), (4, 1), (5, 1, 7), (),
)  # fmt: skip
ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
# Quantised division is no operator of TFLite's int8, nor a squared difference of its uint8.
CELLS = [
    (name, dtype)
    for name in ("ADD", "SUB", "MUL", "DIV", "MINIMUM", "MAXIMUM", "SQUARED_DIFFERENCE")
    for dtype in ("int8", "uint8", "float32")
    if (name != "DIV" or dtype == "float32") and (name, dtype) != ("SQUARED_DIFFERENCE", "uint8")
]


def one(
    name: str, dtype: str, small: Any, constant: bool, swapped: bool, activation: int, seed: int
) -> bytes:
    """A network of one operator on an input and what is sliced from it, or a constant."""
    random, net = np.random.default_rng(seed), TfliteNet()
    compares = name in ("MINIMUM", "MAXIMUM")
    low, high = limits_of(dtype) if dtype != "float32" else (-3, 3)
    scale = random_scale(random)
    ends = [(scale * 10 ** random.uniform(-0.6, 0.6), random_zero_point(random, dtype))
            if dtype != "float32" else () for _ in range(3)]  # fmt: skip
    if compares:
        ends = [ends[0]] * 3
    elif name in ("MUL", "SQUARED_DIFFERENCE") and dtype != "float32":
        ends[2] = (ends[0][0] * ends[1][0] * 10 ** random.uniform(0.5, 2), ends[2][1])
    x = net.tensor(SHAPE, dtype, *ends[0])
    if constant:
        quant = dict(zip(("scale", "zero_point"), ends[1], strict=False))
        if dtype == "float32":
            values = random.normal(size=small).astype(np.float32) + 2
        else:
            values = random.integers(low, high + 1, small).astype(dtype)
        other = net.constant(values, **quant)
    else:
        size = (1,) * (4 - len(small)) + tuple(small)
        part = net.tensor(size, dtype, *ends[0])
        bounds = [net.constant(np.array(v, np.int32)) for v in ((0,) * 4, size)]
        net.add("SLICE", [x, *bounds], [part], "SliceOptions")
        other = part
        if dtype != "float32" and not compares:
            other = net.tensor(size, dtype, *ends[1])
            net.add("QUANTIZE", [part], [other])
        if size != tuple(small):
            seen = net.tensor(small, dtype, *(ends[0] if compares else ends[1]))
            new_shape = net.constant(np.array(small, np.int32))
            net.add("RESHAPE", [other, new_shape], [seen], "ReshapeOptions", new_shape=list(small))
            other = seen
    y = net.tensor(SHAPE, dtype, *ends[2])
    operands = [other, x] if swapped else [x, other]
    kind = "MaximumMinimumOptions" if compares else f"{name.title().replace('_', '')}Options"
    unfused = compares or name == "SQUARED_DIFFERENCE"
    fields = {} if unfused else {"fused_activation_function": activation}
    net.add(name, operands, [y], kind, **fields)
    return net.build([x], [y])


@pytest.mark.parametrize("small", SMALL, ids=str)
@pytest.mark.parametrize(("name", "dtype"), CELLS)
def test_values_equal_litert(name: str, dtype: str, small: Any, tmp_path: Path) -> None:
    seed = 0
    for constant in (True, False):
        for swapped in (False, True):
            for activation in ACTIVATIONS:
                seed += 1
                blob = one(name, dtype, small, constant, swapped, activation, seed)
                samples = random_samples(SHAPE, dtype, 2, seed)
                _, ours = reference(blob, ".tflite", samples, tmp_path)
                theirs = litert(blob, samples)[0]
                if dtype == "float32":
                    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
                else:
                    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("small", [(), (3, 1, 1), (1, 1, 4), (5, 4), (1, 3, 5, 1), (4,)], ids=str)
@pytest.mark.parametrize("name", ["Add", "Sub", "Mul", "Div", "Min", "Max"])
def test_onnx_operands_are_broadcast(name: str, small: Any, tmp_path: Path) -> None:
    shape = (1, 3, 5, 4)
    constant = np.random.default_rng(0).normal(size=small).astype(np.float32) + 3
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    for operands in (["x", "c"], ["c", "x"]):
        node = helper.make_node(name, operands, ["y"])
        arrays = [numpy_helper.from_array(constant, "c")]
        graph = helper.make_graph([node], "g", [ends[0]], [ends[1]], arrays)
        imports = [helper.make_opsetid("", 17)]
        blob = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
        samples = [s + 5 for s in random_samples(shape, "float32", 2, 0)]
        _, ours = reference(blob, ".onnx", samples, tmp_path)
        np.testing.assert_allclose(ours, onnxruntime_outputs(blob, samples)[0], rtol=1e-5)


COMPARED = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]


def compared(name: str, dtype: str, scales: Any, seed: int) -> bytes:
    """ONNX: two halves of the channels between QDQ pairs of `scales`, compared."""
    random, limits = np.random.default_rng(seed), np.iinfo(dtype)
    arrays, nodes = [], [helper.make_node("Split", ["x"], ["a", "b"], axis=1)]
    for part, scale in zip("ab", scales, strict=True):
        zero = np.array(random.integers(limits.min, limits.max + 1), dtype)
        values = {f"{part}_scale": np.float32(scale), f"{part}_zero": zero}
        arrays += [numpy_helper.from_array(np.asarray(v), k) for k, v in values.items()]
        q = [f"{part}_scale", f"{part}_zero"]
        nodes.append(helper.make_node("QuantizeLinear", [part, *q], [f"{part}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{part}_q", *q], [f"{part}_r"]))
    nodes.append(helper.make_node(name, ["a_r", "b_r"], ["truth"]))
    nodes.append(helper.make_node("Cast", ["truth"], ["y"], to=TensorProto.FLOAT))
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 9, 8])
        for n, c in (("x", 6), ("y", 3))
    ]
    graph = helper.make_graph(nodes, "compared", ends[:1], ends[1:], arrays)
    imports = [helper.make_opsetid("", 16)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", COMPARED)
def test_onnx_compares_real_numbers(name: str, dtype: str, tmp_path: Path) -> None:
    for seed in range(12):
        random = np.random.default_rng(seed)
        # Of one scale every second pair or so is equal; down to steps far below one.
        first = float(10 ** random.uniform(-6, 1))
        scales = (first, first if seed % 2 else first * random.uniform(0.2, 3))
        blob = compared(name, dtype, scales, 99 if seed % 2 else seed)
        spread = np.random.default_rng(seed).integers(-3, 4, (2, 1, 6, 9, 8))
        samples = [(x * first).astype(np.float32) for x in spread]
        samples += [
            x * np.float32(40 * first) for x in random_samples((1, 6, 9, 8), "float32", 2, seed)
        ]
        _, ours = reference(blob, ".onnx", samples, tmp_path)
        np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, samples)[0], str(seed))


@pytest.mark.parametrize("target", PLACES)
def test_compiled_comparisons_agree(target: str, tmp_path: Path) -> None:
    assert verified(compared("Less", "uint8", (0.002, 0.003), 3), ".onnx", target, tmp_path).passed


@pytest.mark.parametrize("target", PLACES[:3])
@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("MUL", (1, 1, 4, 1)),
        ("SUB", (1, 5, 1, 7)),
        ("ADD", (4, 1)),
        ("MINIMUM", (1, 1, 1, 7)),
        ("SQUARED_DIFFERENCE", (1, 5, 4, 1)),
    ],
)
def test_compiled_networks_agree(name: str, small: Any, target: str, tmp_path: Path) -> None:
    blob = one(name, "int8", small, name == "ADD", True, 3, 1)
    assert verified(blob, ".tflite", target, tmp_path).exact


@pytest.mark.parametrize("exponent", [-1.0, 0.5, 1 / 3, 2.0, 3.0])
def test_tflite_powers_are_litert_s(
    exponent: float, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("ai_edge_litert")
    net = TfliteNet()
    x, above, y = (net.tensor(SHAPE) for _ in range(3))
    net.add("ABS", [x], [above], "AbsOptions")
    net.add("POW", [above, net.constant(np.float32(exponent))], [y], "PowOptions")
    _float_as_litert(net.build([x], [y]), tmp_path)


def test_the_square_of_a_difference_is_litert_s(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    """What converters make of a normalisation over channels."""
    require_module("ai_edge_litert")
    net = TfliteNet()
    x, mean, y = net.tensor(SHAPE), net.tensor((*SHAPE[:3], 1)), net.tensor(SHAPE)
    axes = net.constant(np.array([3], np.int32))
    net.add("MEAN", [x, axes], [mean], "ReducerOptions", keep_dims=True)
    net.add("SQUARED_DIFFERENCE", [x, mean], [y], "SquaredDifferenceOptions")
    _float_as_litert(net.build([x], [y]), tmp_path)


def _float_as_litert(blob: bytes, folder: Path) -> None:
    samples = random_samples(SHAPE, "float32", 2, 0)
    _, ours = reference(blob, ".tflite", samples, folder)
    theirs = litert(blob, samples)[0].reshape(ours.shape)
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()
