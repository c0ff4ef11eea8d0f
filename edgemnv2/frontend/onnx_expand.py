"""ONNX -> ONNX: quantised operators in one node -> what they stand for in the standard's operators.

QLinearConv and its like (also onnxruntime's own, `com.microsoft`) are DequantizeLinear, the
operator on real numbers, QuantizeLinear. So everything behind reads one form, and onnx's shape
inference, which does not know onnxruntime's operators, sees none of them. Networks that onnxruntime
quantises as they run (DynamicQuantizeLinear) are float networks here, which are more exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.frontend.onnx_expander import Expander, Expansion, part
from edgemnv2.frontend.onnx_fused import FUSED
from edgemnv2.model import DYNAMIC_RANGE, Note

__all__ = ["EXPANSIONS", "expand"]

DYNAMIC = Note(
    DYNAMIC_RANGE,
    "quantised while it runs (DynamicQuantizeLinear): computed in float32, with the file's 8-bit "
    "weights; for integers quantise statically (onnxruntime: quantize_static)",
)


def expand(proto: Any, file: str) -> tuple[Any, tuple[Note, ...]]:
    """The model without such operators (`proto` itself if it has none), and what to tell the user.

    Raises UnsupportedOperator for one whose parameters are computed.
    """
    import onnx

    if not any(node.op_type in EXPANSIONS for node in proto.graph.node) and all(
        node.op_type not in PLAIN or not node.domain for node in proto.graph.node
    ):
        return proto, ()
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    made = Expander(model, file)
    for node in model.graph.node:
        _take(node, made)
    del model.graph.node[:]
    model.graph.node.extend(made.nodes)
    model.graph.initializer.extend(made.constants)
    return model, (DYNAMIC,) if made.dynamic else ()


def _take(node: Any, to: Expander) -> None:
    """The next node, as it is or expanded."""
    expansion = EXPANSIONS.get(node.op_type)
    if expansion is None:
        copy = to.add(node.op_type, node.input, node.output, name=node.name)
        copy.CopyFrom(node)
        if node.op_type in PLAIN:
            # onnxruntime wrote the standard's operator under its own name for a while.
            copy.domain = ""
        return
    to.current = node
    expansion(node, to)


def qlinear_conv(node: Any, to: Expander) -> None:
    """Scales, zero points, weights and bias are constants."""
    to.value(node.input[3], "weight")
    operands = [to.real(part(node, 0, 3)), to.real(part(node, 3, 3), axis=0)]
    if len(node.input) > 8 and node.input[8]:
        operands.append(to.bias(node.input[8], node.input[1], node.input[4]))
    to.compute("Conv", operands, part(node, 6, 2), **to.attributes())


def qlinear_matmul(node: Any, to: Expander) -> None:
    """Scales and zero points are constants."""
    axis = None
    if node.input[3] in to.known:
        axis = to.value(node.input[3], "matrix").ndim - 1
    operands = [to.real(part(node, 0, 3)), to.real(part(node, 3, 3), axis=axis)]
    to.compute("MatMul", operands, part(node, 6, 2))


def qgemm(node: Any, to: Expander) -> None:
    """Scales, zero points, the right operand and the bias are constants."""
    to.value(node.input[3], "matrix")
    attrs = to.attributes()
    operands = [to.real(part(node, 0, 3))]
    operands.append(to.real(part(node, 3, 3), axis=0 if attrs.get("transB", 0) else 1))
    if len(node.input) > 6 and node.input[6]:
        factor = float(attrs.get("alpha", 1.0))
        operands.append(to.bias(node.input[6], node.input[1], node.input[4], factor))
    if len(node.input) > 7 and node.input[7]:
        to.compute("Gemm", operands, part(node, 7, 2), **attrs)
    else:
        to.add("Gemm", operands, node.output, node.name, **attrs)


def _two_operands(op: str) -> Expansion:
    def expansion(node: Any, to: Expander) -> None:
        """Scales and zero points are constants."""
        operands = [to.real(part(node, 0, 3)), to.real(part(node, 3, 3))]
        to.compute(op, operands, part(node, 6, 2))

    return expansion


def _one_operand(op: str) -> Expansion:
    def expansion(node: Any, to: Expander) -> None:
        """Scales and zero points are constants; channels come first (channels_last=0)."""
        to.refuse_channels_last()
        attrs = to.attributes("channels_last", "opset")
        to.compute(op, [to.real(part(node, 0, 3))], part(node, 3, 2), **attrs)

    return expansion


def qlinear_concat(node: Any, to: Expander) -> None:
    """Scales and zero points are constants."""
    operands = [to.real(part(node, i, 3)) for i in range(2, len(node.input), 3)]
    to.compute("Concat", operands, part(node, 0, 2), **to.attributes())


def dynamic_quantize(node: Any, to: Expander) -> None:
    """Computed in float32: what is read stays as it is."""
    to.dynamic = True
    to.add("Identity", [node.input[0]], [node.output[0]], node.name)
    for name, value in zip(node.output[1:], (np.float32(1.0), np.uint8(0)), strict=False):
        if name:
            tensor = to.numpy_helper.from_array(np.array(value), name)
            to.constants.append(tensor)
            to.known[name] = tensor


def _integer_product(op: str, axis: int) -> Expansion:
    def expansion(node: Any, to: Expander) -> None:
        """Weights are constants; computed in float32."""
        to.dynamic = True
        weight = to.value(node.input[1], "weight").astype(np.float32)
        if len(node.input) > 3 and node.input[3]:
            zero = to.value(node.input[3], "zero point").astype(np.float32)
            if zero.size > 1:
                shape = [1] * weight.ndim
                shape[axis] = zero.size
                zero = zero.reshape(shape)
            weight = weight - zero
        operands = [node.input[0], to.constant("weight", weight)]
        to.add(op, operands, node.output, node.name, **to.attributes())

    return expansion


def integer_matmul_to_float(node: Any, to: Expander) -> None:
    """Weights are constants; computed in float32."""
    to.dynamic = True
    dynamic = node.op_type == "DynamicQuantizeMatMul"
    # (A, B, scale of B, zero point of B, bias), or both scales, then both zero points, then bias.
    scale, zero, bias = (2, 3, 4) if dynamic else (3, 5, 6)
    weight = to.value(node.input[1], "weight").astype(np.float32)
    if part(node, zero, 1)[0]:
        weight = weight - to.value(node.input[zero], "zero point").astype(np.float32)
    weight = weight * to.value(node.input[scale], "scale")
    left = node.input[0]
    if not dynamic:
        floats = to.fresh("float")
        to.add("Cast", [left], [floats], to.name("cast"), to=1)
        if part(node, 4, 1)[0]:
            zeros = to.fresh("zero")
            to.add("Cast", [node.input[4]], [zeros], to.name("zero"), to=1)
            centred = to.fresh("centred")
            to.add("Sub", [floats, zeros], [centred], to.name("centre"))
            floats = centred
        left = to.fresh("real")
        to.add("Mul", [floats, node.input[2]], [left], to.name("scale"))
    out = to.fresh("matmul") if part(node, bias, 1)[0] else node.output[0]
    to.add("MatMul", [left, to.constant("weight", weight)], [out], node.name)
    if out != node.output[0]:
        to.add("Add", [out, node.input[bias]], node.output, to.name("bias"))


PLAIN = ("DequantizeLinear", "QuantizeLinear")
EXPANSIONS: dict[str, Expansion] = {
    "ConvInteger": _integer_product("Conv", 0),
    "DynamicQuantizeLinear": dynamic_quantize,
    "DynamicQuantizeMatMul": integer_matmul_to_float,
    "MatMulInteger": _integer_product("MatMul", -1),
    "MatMulIntegerToFloat": integer_matmul_to_float,
    "QGemm": qgemm,
    "QLinearAdd": _two_operands("Add"),
    "QLinearAveragePool": _one_operand("AveragePool"),
    "QLinearConcat": qlinear_concat,
    "QLinearConv": qlinear_conv,
    "QLinearGlobalAveragePool": _one_operand("GlobalAveragePool"),
    "QLinearLeakyRelu": _one_operand("LeakyRelu"),
    "QLinearMatMul": qlinear_matmul,
    "QLinearMul": _two_operands("Mul"),
    "QLinearSigmoid": _one_operand("Sigmoid"),
    "QLinearSoftmax": _one_operand("Softmax"),
    **FUSED,
}
