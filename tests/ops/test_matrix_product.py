"""Products of computed matrices: LiteRT's to the bit, onnxruntime's to 1e-4, compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite

from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import PLACES, verified
from tests.networks.onnx_net import one_operator
from tests.networks.tflite_net import TfliteNet

SHAPES = ((1, 5, 7), (1, 3, 5, 7), (1, 2, 3, 4))


def product(dtype: str, shape: tuple[int, ...], adjoint: tuple[bool, bool], seed: int = 0) -> bytes:
    """An input multiplied by its own negative, or by what it is rescaled to; BATCH_MATMUL."""
    net, random = TfliteNet(), np.random.default_rng(seed)
    quantised = dtype != "float32"

    def quant() -> dict[str, Any]:
        scale, zero = 10.0 ** random.uniform(-3, 0), int(random.integers(-20, 20))
        return {"scale": scale, "zero_point": zero} if quantised else {}

    x = net.tensor(shape, dtype, **quant())
    other = net.tensor(shape, dtype, **quant())
    if quantised:
        net.add("QUANTIZE", [x], [other], "QuantizeOptions")
    else:
        net.add("NEG", [x], [other], "NegOptions")
    rows, inner = shape[-2:] if not adjoint[0] else shape[:-3:-1]
    columns = shape[-1] if not adjoint[1] else shape[-2]
    assert inner == (shape[-2] if not adjoint[1] else shape[-1])
    y = net.tensor((*shape[:-2], rows, columns), dtype, **quant())
    fields = {"adj_x": adjoint[0], "adj_y": adjoint[1]}
    net.add("BATCH_MATMUL", [x, other], [y], "BatchMatMulOptions", **fields)
    return net.build([x], [y])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("adjoint", [(False, True), (True, False)])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_batch_matmul_is_litert_s(
    shape: tuple[int, ...],
    adjoint: tuple[bool, bool],
    dtype: str,
    require_module: Callable[[str], None],
    tmp_path: Path,
) -> None:
    require_module("ai_edge_litert")
    for seed in range(1 if dtype == "float32" else 8):
        blob = product(dtype, shape, adjoint, seed)
        samples = random_samples(shape, dtype, 2, seed)
        (theirs,) = litert(blob, samples)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        theirs = theirs.reshape(ours.shape)
        np.testing.assert_allclose(ours, theirs, atol=0 if dtype == "int8" else 1e-4)


def layer_of_two(dtype: str, shape: tuple[int, ...], seed: int, bias: bool = False) -> bytes:
    """Rows of an input by rows of its negative, or of what it is rescaled to; FULLY_CONNECTED."""
    net, random = TfliteNet(), np.random.default_rng(seed)
    quantised = dtype != "float32"

    def quant() -> dict[str, Any]:
        scale, zero = 10.0 ** random.uniform(-3, 0), int(random.integers(-20, 20))
        return {"scale": scale, "zero_point": zero} if quantised else {}

    x, flat = net.tensor(shape, dtype, **quant()), (int(np.prod(shape[:-1])), shape[-1])
    other = net.tensor(shape, dtype, **quant())
    name = "QUANTIZE" if quantised else "NEG"
    net.add(name, [x], [other], "QuantizeOptions" if quantised else "NegOptions")
    of_other = {"scale": net.tensors[other].scale, "zero_point": net.tensors[other].zero_point}
    rows = net.tensor(flat, dtype, **of_other)
    target = net.constant(np.array(flat, np.int32))
    net.add("RESHAPE", [other, target], [rows], "ReshapeOptions")
    y = net.tensor((*shape[:-1], flat[0]), dtype, **quant())
    added = net.constant(random.normal(size=flat[0]).astype(np.float32)) if bias else -1
    clamp = tflite.ActivationFunctionType.RELU if seed % 2 else 0
    fields = {"keep_num_dims": True, "fused_activation_function": clamp}
    net.add("FULLY_CONNECTED", [x, rows, added], [y], "FullyConnectedOptions", **fields)
    return net.build([x], [y])


@pytest.mark.parametrize("shape", [(1, 7), (1, 5, 7), (1, 3, 2, 6)])
@pytest.mark.parametrize("kind", ["float32", "float32 with a bias", "int8"])
def test_a_layer_of_two_computed_operands_is_litert_s(
    kind: str,
    shape: tuple[int, ...],
    require_module: Callable[[str], None],
    tmp_path: Path,
) -> None:
    require_module("ai_edge_litert")
    dtype = kind.split()[0]
    for seed in range(2 if dtype == "float32" else 8):
        blob = layer_of_two(dtype, shape, seed, bias="bias" in kind)
        samples = random_samples(shape, dtype, 2, seed)
        (theirs,) = litert(blob, samples)
        _, ours = reference(blob, ".tflite", samples, tmp_path)
        theirs = theirs.reshape(ours.shape)
        np.testing.assert_allclose(ours, theirs, atol=0 if dtype == "int8" else 1e-4)


EQUATIONS = (
    ("bchw,bcwk->bchk", (1, 4, 6, 6)),
    ("bchw,bdhw->bcd", (1, 4, 6, 5)),
    ("bchw,bchk->bckw", (1, 4, 6, 5)),
)


@pytest.mark.parametrize(("equation", "shape"), EQUATIONS)
def test_equations_are_onnxruntime_s(
    equation: str,
    shape: tuple[int, ...],
    require_module: Callable[[str], None],
    tmp_path: Path,
) -> None:
    require_module("onnxruntime")
    blob = one_operator("Einsum", shape, inputs=("x", "x"), equation=equation)
    _close(blob, shape, tmp_path)


@pytest.mark.parametrize("equation", ["bchw,dc->bdhw", "dc,bchw->bdhw", "bchw,dw->bchd"])
def test_an_equation_with_weights_is_a_product_with_them(
    equation: str, require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("onnxruntime")
    weights = {"w": np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)}
    inputs = ("w", "x") if equation.startswith("d") else ("x", "w")
    blob = one_operator("Einsum", (1, 4, 6, 4), weights, inputs=inputs, equation=equation)
    _close(blob, (1, 4, 6, 4), tmp_path)


def test_operands_of_several_ranks_broadcast(
    require_module: Callable[[str], None], tmp_path: Path
) -> None:
    require_module("onnxruntime")
    _close(attention(), (1, 3, 6, 6), tmp_path)


def attention() -> bytes:
    """The mean over channels times each channel, and a softmax of it: a map of attention."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["mean", "x"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "x"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 6, 6]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "attention", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def _close(blob: bytes, shape: tuple[int, ...], folder: Path) -> None:
    samples = random_samples(shape, "float32", 2, 3)
    (theirs,) = onnxruntime_outputs(blob, samples)
    _, ours = reference(blob, ".onnx", samples, folder)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", PLACES)
def test_compiled_products_are_the_reference(target: str, tmp_path: Path) -> None:
    found = verified(product("int8", (1, 3, 5, 7), (False, True)), ".tflite", target, tmp_path)
    assert found.passed and found.exact
    (tmp_path / "layer").mkdir()
    blob = layer_of_two("int8", (1, 5, 7), 1)
    found = verified(blob, ".tflite", target, tmp_path / "layer")
    assert found.passed and found.exact
    if target == "host":
        (tmp_path / "onnx").mkdir()
        assert verified(attention(), ".onnx", target, tmp_path / "onnx").passed
