"""Operators of one value: integers to the bit, floats to a rounding, compiled alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import UnsupportedOperator
from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.quantised import limits_of, random_scale, random_zero_point
from tests.networks.tflite_net import TfliteNet

BOTH, SIGNED = ("int8", "uint8"), ("int8",)
# Operator -> options, integer types that LiteRT has it for.
TFLITE: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "ABS": ({}, SIGNED),
    "EXP": ({}, SIGNED),
    "FLOOR": ({}, ()),
    "GELU": ({"options": "GeluOptions", "approximate": False}, BOTH),
    "GELU by tanh": ({"options": "GeluOptions", "approximate": True}, BOTH),
    "HARD_SWISH": ({}, BOTH),
    "LEAKY_RELU": ({"options": "LeakyReluOptions", "alpha": 0.1}, BOTH),
    "LEAKY_RELU of 1.5": ({"options": "LeakyReluOptions", "alpha": 1.5}, BOTH),
    "LOG": ({}, SIGNED),
    "LOGISTIC": ({}, BOTH),
    "NEG": ({}, SIGNED),
    "RELU": ({}, BOTH),
    "RELU6": ({}, BOTH),
    "RELU_0_TO_1": ({}, BOTH),
    "RELU_N1_TO_1": ({}, BOTH),
    "RSQRT": ({}, SIGNED),
    "SIGN": ({}, ()),
    "SQRT": ({}, SIGNED),
    "SQUARE": ({}, ()),
    "TANH": ({}, BOTH),
}
POSITIVE = ("LOG", "Log", "RSQRT", "SQRT", "Sqrt")
INTEGER_CELLS = [(name, dtype) for name, (_, dtypes) in TFLITE.items() for dtype in dtypes]
SEEDS = 25


def one(name: str, dtype: str, seed: int, shape: Any = (1, 16, 16, 1)) -> bytes:
    """A network of one operator between random scales that LiteRT takes."""
    random, net = np.random.default_rng(seed), TfliteNet()
    fields, _ = TFLITE[name]
    options = dict(fields)
    kind = options.pop("options", "")
    if dtype == "float32":
        x, y = net.tensor(shape), net.tensor(shape)
    else:
        low, _ = limits_of(dtype)
        scale, zero = random_scale(random, -4, 0.7), random_zero_point(random, dtype)
        # LiteRT refuses what has no root; LOGISTIC has one scale.
        zero = low if name in ("RSQRT", "SQRT") else zero
        near = scale * 10 ** random.uniform(-0.3, 0.3)
        y_scale, y_zero = random_scale(random, -4, 0.7), random_zero_point(random, dtype)
        y_scale = near if random.random() < 0.5 else y_scale
        if name == "HARD_SWISH":
            y_scale = max(y_scale, scale / 127)
        if random.random() < 0.1:
            y_scale = scale
        if name == "LOGISTIC":
            y_scale, y_zero = 1 / 256, low
        x, y = net.tensor(shape, dtype, scale, zero), net.tensor(shape, dtype, y_scale, y_zero)
    net.add(name.split(" ")[0], [x], [y], kind, **options)
    return net.build([x], [y])


@pytest.mark.parametrize(("name", "dtype"), INTEGER_CELLS)
def test_integers_equal_litert(name: str, dtype: str, tmp_path: Path) -> None:
    low, high = limits_of(dtype)
    every = np.arange(low, high + 1).astype(dtype).reshape(1, 16, 16, 1)
    for seed in range(SEEDS):
        blob = one(name, dtype, seed)
        _, ours = reference(blob, ".tflite", [every], tmp_path)
        assert (ours == litert(blob, [every])[0]).all(), f"seed {seed}"


def test_inverse_roots_between_any_scales_equal_litert(tmp_path: Path) -> None:
    every = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1)
    refused = 0
    for seed in range(300):
        random, net = np.random.default_rng(seed), TfliteNet()
        before, behind = (float(np.float32(10 ** random.uniform(-9, 4))) for _ in range(2))
        x = net.tensor(every.shape, "int8", before, -128)
        y = net.tensor(every.shape, "int8", behind, random_zero_point(random, "int8"))
        net.add("RSQRT", [x], [y])
        blob = net.build([x], [y])
        try:
            _, ours = reference(blob, ".tflite", [every], tmp_path)
        except UnsupportedOperator as refusal:
            # What is refused is shifted by 32 bits and more there.
            assert "LiteRT's integers do not hold the factor" in str(refusal)
            assert not 2**-12 <= 1 / (before**0.5 * behind) < 2**50
            refused += 1
            continue
        assert (ours == litert(blob, [every])[0]).all(), f"seed {seed}"
    assert 0 < refused < 60


@pytest.mark.parametrize("name", TFLITE)
def test_floats_are_close_to_litert(name: str, tmp_path: Path) -> None:
    blob = one(name, "float32", 0, (1, 5, 4, 3))
    samples = [
        s * factor
        for factor in (0.01, 1, 20)
        for s in random_samples((1, 5, 4, 3), "float32", 2, 0)
    ]
    if name in POSITIVE:
        samples = [np.abs(s) for s in samples]
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    theirs = litert(blob, samples)[0]
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_elu_equals_litert(dtype: str, tmp_path: Path) -> None:
    # Not among the reference kernels; the others compute it by the same table.
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    for seed in range(SEEDS):
        random, net = np.random.default_rng(seed), TfliteNet()
        x = y = 0
        every = random.normal(size=(1, 16, 16, 1)).astype(np.float32)
        if dtype == "float32":
            x, y = net.tensor(every.shape), net.tensor(every.shape)
        else:
            every = np.arange(-128, 128).astype(np.int8).reshape(every.shape)
            ends = [(random_scale(random), random_zero_point(random, dtype)) for _ in range(2)]
            x, y = (net.tensor(every.shape, dtype, scale, zero) for scale, zero in ends)
        net.add("ELU", [x], [y])
        blob = net.build([x], [y])
        theirs = Interpreter(
            model_content=blob,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        theirs.allocate_tensors()
        theirs.set_tensor(x, every)
        theirs.invoke()
        _, ours = reference(blob, ".tflite", [every], tmp_path)
        atol = 1e-6 if dtype == "float32" else 0
        np.testing.assert_allclose(ours[0], theirs.get_tensor(y), rtol=0, atol=atol)


ONNX: dict[str, tuple[str, dict[str, Any], int]] = {
    "Abs": ("Abs", {}, 17),
    "Atan": ("Atan", {}, 17),
    "Ceil": ("Ceil", {}, 17),
    "Celu": ("Celu", {"alpha": 0.7}, 17),
    "Cos": ("Cos", {}, 17),
    "Elu": ("Elu", {"alpha": 1.3}, 17),
    "Erf": ("Erf", {}, 17),
    "Exp": ("Exp", {}, 17),
    "Floor": ("Floor", {}, 17),
    "Gelu": ("Gelu", {}, 20),
    "Gelu by tanh": ("Gelu", {"approximate": "tanh"}, 20),
    "HardSigmoid": ("HardSigmoid", {}, 17),
    "HardSigmoid of torch": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, 17),
    "HardSwish": ("HardSwish", {}, 17),
    "LeakyRelu": ("LeakyRelu", {"alpha": 0.2}, 17),
    "Log": ("Log", {}, 17),
    "Mish": ("Mish", {}, 18),
    "Neg": ("Neg", {}, 17),
    "Round": ("Round", {}, 17),
    "Selu": ("Selu", {}, 17),
    "Sigmoid": ("Sigmoid", {}, 17),
    "Sign": ("Sign", {}, 17),
    "Sin": ("Sin", {}, 17),
    "Softplus": ("Softplus", {}, 17),
    "Sqrt": ("Sqrt", {}, 17),
    "Tanh": ("Tanh", {}, 17),
}


def onnx_one(name: str, shape: Any) -> bytes:
    """A float network of one ONNX operator."""
    operator, attributes, opset = ONNX[name]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y"))
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", [x], [y])
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()


@pytest.mark.parametrize("name", ONNX)
def test_onnx_floats_are_close_to_onnxruntime(name: str, tmp_path: Path) -> None:
    shape = (1, 3, 5, 4)
    blob = onnx_one(name, shape)
    samples = [
        s * factor for factor in (0.01, 1, 20) for s in random_samples(shape, "float32", 2, 0)
    ]
    if name in POSITIVE:
        samples = [np.abs(s) for s in samples]
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    theirs = onnxruntime_outputs(blob, samples)[0]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-5 * max(1e-2, np.abs(other).max()))


@pytest.mark.parametrize("name", ONNX)
def test_quantised_onnx_values_are_equal(name: str, tmp_path: Path) -> None:
    operator, attributes, opset = ONNX[name]
    shape = (1, 1, 16, 16)
    every = np.arange(-128, 128).astype(np.int8).reshape(shape)
    for seed in range(10):
        random = np.random.default_rng(seed)
        zero = -128 if name in POSITIVE else int(random.integers(-128, 128))
        numbers = {
            "xs": np.float32(10 ** random.uniform(-3, -1.5 if name == "Exp" else -0.5)),
            "xz": np.int8(zero),
            "ys": np.float32(10 ** random.uniform(-3, -0.5)),
            "yz": np.int8(random.integers(-128, 128)),
        }
        arrays = [numpy_helper.from_array(np.asarray(v), n) for n, v in numbers.items()]
        ends = [helper.make_tensor_value_info(n, TensorProto.INT8, shape) for n in ("x", "y")]
        nodes = [
            helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["a"]),
            helper.make_node(operator, ["a"], ["b"], **attributes),
            helper.make_node("QuantizeLinear", ["b", "ys", "yz"], ["y"]),
        ]
        graph = helper.make_graph(nodes, "g", [ends[0]], [ends[1]], arrays)
        imports = [helper.make_opsetid("", opset)]
        blob = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
        _, ours = reference(blob, ".onnx", [every], tmp_path)
        np.testing.assert_array_equal(ours, onnxruntime_outputs(blob, [every])[0])


def every_operator(onnx: bool) -> bytes:
    """Sums of all operators on one input, so that one compilation runs all formulas."""
    if not onnx:
        net = TfliteNet()
        first, x = net.tensor((1, 4, 3, 5)), net.tensor((1, 4, 3, 5))
        factor = net.constant(np.array(8, np.float32))
        net.add("MUL", [first, factor], [x], "MulOptions")
        positive = net.tensor((1, 4, 3, 5))
        net.add("ABS", [x], [positive])
        total = positive
        for name, (fields, _) in TFLITE.items():
            options = dict(fields)
            kind = options.pop("options", "")
            made, summed = net.tensor((1, 4, 3, 5)), net.tensor((1, 4, 3, 5))
            source = positive if name in POSITIVE else x
            net.add(name.split(" ")[0], [source], [made], kind, **options)
            net.add("ADD", [total, made], [summed], "AddOptions")
            total = summed
        return net.build([first], [total])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, 5, 4, 3)) for n in ("i", "y")]
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [], [8.0])
    nodes = [helper.make_node("Mul", ["i", "factor"], ["x"])]
    nodes += [helper.make_node("Abs", ["x"], ["p"])]
    total = "p"
    for index, (operator, attributes, _) in enumerate(ONNX.values()):
        source = "p" if operator in POSITIVE else "x"
        nodes.append(helper.make_node(operator, [source], [f"m{index}"], **attributes))
        last = "y" if index == len(ONNX) - 1 else f"s{index}"
        nodes.append(helper.make_node("Add", [total, f"m{index}"], [last]))
        total = last
    graph = helper.make_graph(nodes, "g", [ends[0]], [ends[1]], [factor])
    imports = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()


@pytest.mark.parametrize("onnx", [False, True], ids=["tflite", "onnx"])
@pytest.mark.parametrize("target", PLACES[:2])
def test_formulas_of_compiled_floats_agree(target: str, onnx: bool, tmp_path: Path) -> None:
    result = verified(every_operator(onnx), ".onnx" if onnx else ".tflite", target, tmp_path)
    assert result.passed, result
