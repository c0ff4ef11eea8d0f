"""Quantised operators in one node, the standard's and onnxruntime's own: its very outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.frontend.supported import supported_operators_markdown
from edgemnv2.model import DYNAMIC_RANGE
from edgemnv2.passes import lower
from tests.networks.against import onnxruntime_outputs, random_samples, reference

MICROSOFT = "com.microsoft"


class Net:
    """Nodes and constants; every activation is int8 with one scale and zero point."""

    def __init__(self, shape: tuple[int, ...] = (1, 4, 8, 8)) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.shape = shape
        self.random = np.random.default_rng(5)
        self.x = ["x", *self.ends(0.031, 4)]

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def ends(self, scale: Any, zero: Any) -> list[str]:
        scales = np.asarray(scale, np.float32)
        zeros = np.broadcast_to(np.asarray(zero, np.int8), scales.shape)
        return [self.constant(scales), self.constant(zeros)]

    def add(self, op: str, inputs: list[str], domain: str = "", **attrs: Any) -> str:
        out = f"t{len(self.nodes)}"
        node = helper.make_node(op, inputs, [out], name=f"{op}{out}", domain=domain, **attrs)
        self.nodes.append(node)
        return out

    def convolution(self, x: list[str], inner: int = 4, outer: int = 6) -> list[str]:
        weight = self.random.integers(-127, 127, (outer, inner, 3, 3)).astype(np.int8)
        scales = self.random.uniform(0.001, 0.003, outer)
        bias = self.random.integers(-3000, 3000, outer).astype(np.int32)
        y = self.ends(0.053, -6)
        operands = [*x, self.constant(weight), *self.ends(scales, 0), *y, self.constant(bias)]
        out = self.add("QLinearConv", operands, kernel_shape=[3, 3], pads=[1] * 4)
        return [out, *y]

    def build(self, out: str, dtype: int = TensorProto.INT8, float_input: bool = False) -> bytes:
        kind = TensorProto.FLOAT if float_input else TensorProto.INT8
        graph = helper.make_graph(
            self.nodes,
            "expanded",
            [helper.make_tensor_value_info("x", kind, list(self.shape))],
            [helper.make_tensor_value_info(out, dtype, None)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        blob: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=8
        ).SerializeToString()
        return blob


def one_operand(op: str, **attrs: Any) -> bytes:
    net = Net()
    x = net.convolution(net.x)
    return net.build(net.add(op, [*x, *net.ends(0.041, 3)], MICROSOFT, **attrs))


def two_operands(op: str, scale: float) -> bytes:
    net = Net()
    a, b = net.convolution(net.x), net.convolution(net.x)
    return net.build(net.add(op, [*a, *b, *net.ends(scale, 3)], MICROSOFT))


def concat() -> bytes:
    net = Net()
    a = net.convolution(net.x)
    return net.build(net.add("QLinearConcat", [*net.ends(0.06, 2), *a, *net.x], MICROSOFT, axis=1))


def classifier(kind: str) -> bytes:
    net = Net()
    x = net.convolution(net.x)
    pooled_ends = net.ends(0.02, 1)
    pooled = net.add("QLinearGlobalAveragePool", [*x, *pooled_ends], MICROSOFT, channels_last=0)
    flat = [net.add("Flatten", [pooled], axis=1), *pooled_ends]
    weight = net.random.integers(-127, 127, (6, 10)).astype(np.int8)
    scales = net.random.uniform(0.001, 0.003, 10)
    if kind == "QLinearMatMul":
        matrix = [net.constant(weight), *net.ends(scales, 0)]
        return net.build(net.add(kind, [*flat, *matrix, *net.ends(0.011, 5)]))
    bias = net.constant(net.random.integers(-900, 900, 10).astype(np.int32))
    matrix = [net.constant(weight.T), *net.ends(scales, 0)]
    operands = [*flat, *matrix, bias, *net.ends(0.011, 5)]
    return net.build(net.add("QGemm", operands, MICROSOFT, transB=1, alpha=1.0))


def computed_product() -> bytes:
    """A product of two activations, as of attention."""
    net = Net()
    x = net.convolution(net.x)
    turned = [net.add("Transpose", x[:1], perm=[0, 1, 3, 2]), *x[1:]]
    return net.build(net.add("QLinearMatMul", [*x, *turned, *net.ends(0.4, -7)]))


def choice() -> bytes:
    net = Net()
    a, b = net.convolution(net.x), net.convolution(net.x)
    real = [net.add("DequantizeLinear", x) for x in (a, b)]
    operands = [net.add("Greater", real), *a, *b]
    return net.build(net.add("QLinearWhere", [*operands, *net.ends(0.061, 3)], MICROSOFT))


CHOICE = "QLinearWhere"
"""Its operands have scales of their own, so it works on the floats that they stand for."""
NETWORKS = {
    "QLinearConv": lambda: (lambda n: n.build(n.convolution(n.x)[0]))(Net()),
    "QLinearAdd": lambda: two_operands("QLinearAdd", 0.083),
    "QLinearMul": lambda: two_operands("QLinearMul", 0.31),
    "QLinearConcat": concat,
    "QLinearAveragePool": lambda: one_operand(
        "QLinearAveragePool", kernel_shape=[2, 2], strides=[2, 2], channels_last=0
    ),
    "QLinearGlobalAveragePool": lambda: one_operand("QLinearGlobalAveragePool", channels_last=0),
    "QLinearSigmoid": lambda: one_operand("QLinearSigmoid"),
    "QLinearLeakyRelu": lambda: one_operand("QLinearLeakyRelu", alpha=0.1),
    "QLinearMatMul": lambda: classifier("QLinearMatMul"),
    "QGemm": lambda: classifier("QGemm"),
    "QLinearMatMul of two activations": computed_product,
    CHOICE: choice,
}
KERNELS_OF_THEIR_OWN = {"QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearConcat"}
"""What onnxruntime computes by kernels that round otherwise than its float operators do."""


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_onnxruntimes(name: str, tmp_path: Path) -> None:
    blob = NETWORKS[name]()
    samples = random_samples((1, 4, 8, 8), "int8", 12, 1)
    graph, ours = reference(blob, ".onnx", samples, tmp_path)
    integers = all(tensor.quant is not None for tensor in graph.tensors.values())
    assert integers or name == CHOICE
    theirs = onnxruntime_outputs(blob, samples)[0]
    gap = np.abs(ours.astype(int) - theirs.reshape(ours.shape))
    assert gap.max() <= 1
    assert (gap > 0).mean() <= (0.01 if name in KERNELS_OF_THEIR_OWN else 0.002)


def dynamic() -> bytes:
    net = Net()
    stored, scale, zero = "x.stored", "x.scale", "x.zero"
    net.nodes.append(helper.make_node("DynamicQuantizeLinear", ["x"], [stored, scale, zero]))
    weight = net.random.integers(0, 255, (6, 4, 1, 1)).astype(np.uint8)
    w_zero = net.constant(np.array(121, np.uint8))
    sums = net.add("ConvInteger", [stored, net.constant(weight), zero, w_zero], kernel_shape=[1, 1])
    factor = net.add("Mul", [scale, net.constant(np.array(0.003, np.float32))])
    real = net.add("Mul", [net.add("Cast", [sums], to=TensorProto.FLOAT), factor])
    bias = net.constant(net.random.normal(size=(1, 6, 1, 1)).astype(np.float32))
    return net.build(net.add("Add", [real, bias]), TensorProto.FLOAT, float_input=True)


def test_dynamic_quantisation_is_computed_in_floats_and_said(tmp_path: Path) -> None:
    blob = dynamic()
    samples = random_samples((1, 4, 8, 8), "float32", 4, 1)
    graph, ours = reference(blob, ".onnx", samples, tmp_path)
    assert [note.kind for note in graph.notes] == [DYNAMIC_RANGE]
    theirs = onnxruntime_outputs(blob, samples)[0]
    # Theirs are rounded to 255 levels.
    assert np.abs(ours - theirs.reshape(ours.shape)).max() < 0.02 * np.abs(theirs).max()


def test_computed_weights_are_refused(tmp_path: Path) -> None:
    net = Net()
    weight = ["x", *net.ends(0.02, 0)]
    out = net.add("QLinearConv", [*net.x, *weight, *net.ends(0.041, 3)], kernel_shape=[8, 8])
    path = tmp_path / "net.onnx"
    path.write_bytes(net.build(out))
    with pytest.raises(UnsupportedOperator, match="quantize_static"):
        lower(load_model(path))


def test_channels_last_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(one_operand("QLinearGlobalAveragePool", channels_last=1))
    with pytest.raises(UnsupportedOperator, match=r"channels_last=1 .*ORT_ENABLE_ALL"):
        lower(load_model(path))


def test_the_table_of_operators_has_them() -> None:
    assert "| ONNX | QLinearConv |" in supported_operators_markdown()
