"""ONNX -> ONNX: quantised operators in one node -> what they stand for in the standard's operators.

QLinearConv and its like (also onnxruntime's own, `com.microsoft`) are DequantizeLinear, the
operator on real numbers, QuantizeLinear. So everything behind reads one form, and onnx's shape
inference, which does not know onnxruntime's operators, sees none of them. Networks that onnxruntime
quantises as they run (DynamicQuantizeLinear) are float networks here, which are more exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.model import DYNAMIC_RANGE, Note

__all__ = ["EXPANSIONS", "expand"]

Array = NDArray[Any]

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
    made = _Expander(model, file)
    for node in model.graph.node:
        made.take(node)
    del model.graph.node[:]
    model.graph.node.extend(made.nodes)
    model.graph.initializer.extend(made.constants)
    return model, (DYNAMIC,) if made.dynamic else ()


class _Expander:
    """The nodes and constants of the new graph."""

    def __init__(self, model: Any, file: str) -> None:
        import onnx

        self.helper, self.numpy_helper = onnx.helper, onnx.numpy_helper
        self.file = file
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.dynamic = False
        self.known: dict[str, Any] = {x.name: x for x in model.graph.initializer}
        for node in model.graph.node:
            value = next((a.t for a in node.attribute if a.name == "value"), None)
            if node.op_type == "Constant" and value is not None:
                self.known[node.output[0]] = value
        self.current: Any = None
        self.count = 0

    def take(self, node: Any) -> None:
        """The next node, as it is or expanded."""
        expansion = EXPANSIONS.get(node.op_type)
        if expansion is None:
            copy = self.add(node.op_type, node.input, node.output, name=node.name)
            copy.CopyFrom(node)
            if node.op_type in PLAIN:
                # onnxruntime wrote the standard's operator under its own name for a while.
                copy.domain = ""
            return
        self.current = node
        expansion(node, self)

    def add(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], name: str = "", **attrs: Any
    ) -> Any:
        """A node of the standard."""
        node = self.helper.make_node(op, list(inputs), list(outputs), name=name, **attrs)
        self.nodes.append(node)
        return node

    def fresh(self, what: str) -> str:
        """A name for a new tensor of the node at hand."""
        self.count += 1
        return f"{self.current.output[0]}.{what}{self.count}"

    def constant(self, what: str, value: Array) -> str:
        """A new constant."""
        name = self.fresh(what)
        tensor = self.numpy_helper.from_array(np.array(value, order="C"), name)
        self.constants.append(tensor)
        self.known[name] = tensor
        return name

    def value(self, name: str, what: str) -> Array:
        """The constant `name`; UnsupportedOperator where it is computed."""
        if name not in self.known:
            node = self.current
            raise UnsupportedOperator(
                f"{self.file}: {self.place}: {node.op_type} with a {what} that is computed is not "
                "supported (parameters are constants); quantise statically (onnxruntime: "
                "quantize_static)"
            )
        return np.asarray(self.numpy_helper.to_array(self.known[name]))

    def attributes(self, *without: str) -> dict[str, Any]:
        """The attributes of the node at hand."""
        return {
            a.name: self.helper.get_attribute_value(a)
            for a in self.current.attribute
            if a.name not in without
        }

    def real(self, inputs: Sequence[str], axis: int | None = None) -> str:
        """What `(stored, scale, zero point)` stand for; `axis` has the scales if there are more."""
        out = self.fresh("real")
        several = axis is not None and self.value(inputs[1], "scale").size > 1
        attrs = {"axis": axis} if several else {}
        self.add(
            "DequantizeLinear", [x for x in inputs if x], [out], self.name("dequantize"), **attrs
        )
        return out

    def stored(self, real: str, ends: Sequence[str]) -> None:
        """The node's output, from real numbers and `(scale, zero point)`."""
        ends = [x for x in ends if x]
        self.add("QuantizeLinear", [real, *ends], [self.current.output[0]], self.name("quantize"))

    def compute(self, op: str, inputs: Sequence[str], ends: Sequence[str], **attrs: Any) -> None:
        """`op` on real numbers, then the node's output."""
        out = self.fresh(op.lower())
        self.add(op, inputs, [out], self.current.name, **attrs)
        self.stored(out, ends)

    def name(self, what: str) -> str:
        """A node's name beside the name of the node at hand."""
        return f"{self.current.name}.{what}" if self.current.name else ""

    def bias(self, name: str, x_scale: str, w_scale: str, factor: float = 1.0) -> str:
        """An int32 bias in steps of the sums, as real numbers."""
        step = np.float32(factor) * self.value(x_scale, "scale") * self.value(w_scale, "scale")
        flat = np.asarray(step, np.float32).reshape(-1)
        scale = self.constant("scale", flat if flat.size > 1 else flat.reshape(()))
        return self.real([name, scale], axis=0)

    @property
    def place(self) -> str:
        """Where the node at hand is, for messages."""
        node = self.current
        return f"node {node.name!r}" if node.name else f"node to {node.output[0]!r}"

    def refuse_channels_last(self) -> None:
        """Where the node works on NHWC."""
        if self.attributes().get("channels_last", 0):
            node = self.current
            raise UnsupportedOperator(
                f"{self.file}: {self.place}: {node.op_type} with channels_last=1 is not "
                "supported; export without layout optimisation (onnxruntime: below ORT_ENABLE_ALL)"
            )


def _part(node: Any, first: int, count: int) -> list[str]:
    return [node.input[i] if i < len(node.input) else "" for i in range(first, first + count)]


def qlinear_conv(node: Any, to: _Expander) -> None:
    """Scales, zero points, weights and bias are constants."""
    to.value(node.input[3], "weight")
    operands = [to.real(_part(node, 0, 3)), to.real(_part(node, 3, 3), axis=0)]
    if len(node.input) > 8 and node.input[8]:
        operands.append(to.bias(node.input[8], node.input[1], node.input[4]))
    to.compute("Conv", operands, _part(node, 6, 2), **to.attributes())


def qlinear_matmul(node: Any, to: _Expander) -> None:
    """Scales, zero points and the right operand are constants."""
    matrix = to.value(node.input[3], "matrix")
    operands = [to.real(_part(node, 0, 3)), to.real(_part(node, 3, 3), axis=matrix.ndim - 1)]
    to.compute("MatMul", operands, _part(node, 6, 2))


def qgemm(node: Any, to: _Expander) -> None:
    """Scales, zero points, the right operand and the bias are constants."""
    to.value(node.input[3], "matrix")
    attrs = to.attributes()
    operands = [to.real(_part(node, 0, 3))]
    operands.append(to.real(_part(node, 3, 3), axis=0 if attrs.get("transB", 0) else 1))
    if len(node.input) > 6 and node.input[6]:
        factor = float(attrs.get("alpha", 1.0))
        operands.append(to.bias(node.input[6], node.input[1], node.input[4], factor))
    if len(node.input) > 7 and node.input[7]:
        to.compute("Gemm", operands, _part(node, 7, 2), **attrs)
    else:
        to.add("Gemm", operands, node.output, node.name, **attrs)


def _two_operands(op: str) -> Expansion:
    def expansion(node: Any, to: _Expander) -> None:
        """Scales and zero points are constants."""
        operands = [to.real(_part(node, 0, 3)), to.real(_part(node, 3, 3))]
        to.compute(op, operands, _part(node, 6, 2))

    return expansion


def _one_operand(op: str) -> Expansion:
    def expansion(node: Any, to: _Expander) -> None:
        """Scales and zero points are constants; channels come first (channels_last=0)."""
        to.refuse_channels_last()
        attrs = to.attributes("channels_last", "opset")
        to.compute(op, [to.real(_part(node, 0, 3))], _part(node, 3, 2), **attrs)

    return expansion


def qlinear_concat(node: Any, to: _Expander) -> None:
    """Scales and zero points are constants."""
    operands = [to.real(_part(node, i, 3)) for i in range(2, len(node.input), 3)]
    to.compute("Concat", operands, _part(node, 0, 2), **to.attributes())


def dynamic_quantize(node: Any, to: _Expander) -> None:
    """Computed in float32: what is read stays as it is."""
    to.dynamic = True
    to.add("Identity", [node.input[0]], [node.output[0]], node.name)
    for name, value in zip(node.output[1:], (np.float32(1.0), np.uint8(0)), strict=False):
        if name:
            tensor = to.numpy_helper.from_array(np.array(value), name)
            to.constants.append(tensor)
            to.known[name] = tensor


def _integer_product(op: str, axis: int) -> Expansion:
    def expansion(node: Any, to: _Expander) -> None:
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


def integer_matmul_to_float(node: Any, to: _Expander) -> None:
    """Weights are constants; computed in float32."""
    to.dynamic = True
    dynamic = node.op_type == "DynamicQuantizeMatMul"
    # (A, B, scale of B, zero point of B, bias), or both scales, then both zero points, then bias.
    scale, zero, bias = (2, 3, 4) if dynamic else (3, 5, 6)
    weight = to.value(node.input[1], "weight").astype(np.float32)
    if _part(node, zero, 1)[0]:
        weight = weight - to.value(node.input[zero], "zero point").astype(np.float32)
    weight = weight * to.value(node.input[scale], "scale")
    left = node.input[0]
    if not dynamic:
        floats = to.fresh("float")
        to.add("Cast", [left], [floats], to.name("cast"), to=1)
        if _part(node, 4, 1)[0]:
            zeros = to.fresh("zero")
            to.add("Cast", [node.input[4]], [zeros], to.name("zero"), to=1)
            centred = to.fresh("centred")
            to.add("Sub", [floats, zeros], [centred], to.name("centre"))
            floats = centred
        left = to.fresh("real")
        to.add("Mul", [floats, node.input[2]], [left], to.name("scale"))
    out = to.fresh("matmul") if _part(node, bias, 1)[0] else node.output[0]
    to.add("MatMul", [left, to.constant("weight", weight)], [out], node.name)
    if out != node.output[0]:
        to.add("Add", [out, node.input[bias]], node.output, to.name("bias"))


Expansion = Callable[[Any, _Expander], None]
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
}
