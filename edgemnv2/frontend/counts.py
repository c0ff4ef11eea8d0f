"""Arithmetic on numbers that are counted, not measured: in float32, between conversions.

A mask that is added up, classes that are compared, a flag times 255: integers that nothing
quantises, which TFLite and ONNX compute as integers. Layers have no form for them. float32 holds
every whole number up to 2**24, more than a map has values, and converting back cuts off what is
behind the point, as division of integers does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemnv2.ops.binary.whole import COUNTED
from edgemnv2.ops.cast.types import add_cast
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode, SourceTensor

__all__ = ["Counts"]

EIGHT_BITS = ("int8", "uint8")
WHOLE = (*EIGHT_BITS, "int32", "int64")
ARITHMETIC = frozenset((
    "Abs", "Add", "CumSum", "Div", "Mean", "Mod", "Mul", "Neg", "Pow", "ReduceL1", "ReduceL2",
    "ReduceMean", "ReduceSum", "ReduceSumSquare", "Sign", "Sub", "Sum",
    "ABS", "ADD", "ADD_N", "CUMSUM", "DIV", "FLOOR_DIV", "FLOOR_MOD", "MEAN", "MUL", "NEG", "POW",
    "SIGN", "SQUARE", "SQUARED_DIFFERENCE", "SUB", "SUM",
    "MatMul", "Gemm", "BATCH_MATMUL",
))  # fmt: skip
"""Operators whose result is not what is stored, somewhere else."""
COMPARISONS = frozenset((
    "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL",
))  # fmt: skip
"""Which layers have for integers of 32 and 64 bits."""
ORDER = COMPARISONS | {"Max", "Min", "TopK", "MAXIMUM", "MINIMUM", "TOPK_V2"}
"""Those that only ask which value is larger: integers of 8 bits that are quantised stay stored."""
ONE_OPERAND = ("CUMSUM", "CumSum", "Reduce", "TopK", "TOPK_V2", "SUM", "MEAN")
"""How operators begin whose further inputs are axes and numbers."""
ROUND = 1 << 16
"""A multiple of 256 above the size of whatever two values of 8 bits make."""


class Counts:
    """Which tensors of 8 bits hold counts, and the rules of what is computed of counts."""

    def __init__(self, flow: FlowBuilder) -> None:
        self.flow = flow
        self._names: set[str] = set()

    def apply(self, node: SourceNode, rule: Rule) -> None:
        """`rule` on `node`: on floats where it computes counts."""
        self._follow(node)
        operands = node.inputs[:1] if node.operator.startswith(ONE_OPERAND) else node.inputs
        if not any(x is not None and self._is_counted(node, x) for x in operands):
            rule(node, self.flow)
            return
        count = len(operands)
        floats = tuple(None if x is None else self._as_floats(x) for x in operands)
        output = node.output
        whole = output.dtype in WHOLE and not output.truth
        made = output
        if whole:
            name = self.flow.fresh(output)
            made = SourceTensor(name, output.shape, "float32")
        outputs = (made, *node.outputs[1:])
        inputs, attrs = (*floats, *node.inputs[count:]), {**node.attrs, COUNTED: whole}
        rule(replace(node, inputs=inputs, outputs=outputs, attrs=attrs), self.flow)
        if whole:
            add_cast(self.flow, self._wrapped(made, output), output)

    def _follow(self, node: SourceNode) -> None:
        """What moves counts holds counts."""
        sources = [x for x in node.inputs if x is not None and not x.is_constant]
        if node.operator in ("Cast", "CastLike", "CAST") or any(
            x.name in self._names for x in sources
        ):
            self._names.update(
                x.name for x in node.outputs if x.dtype in EIGHT_BITS and x.scale is None
            )

    def _is_counted(self, node: SourceNode, x: SourceTensor) -> bool:
        if x.is_constant or x.is_quantized or x.dtype not in WHOLE:
            return False
        if x.dtype in EIGHT_BITS and node.operator in ORDER:
            return x.name in self._names
        if node.operator in COMPARISONS:
            return False
        return node.operator in ARITHMETIC | ORDER

    def _as_floats(self, x: SourceTensor) -> SourceTensor:
        if x.dtype not in WHOLE or x.is_quantized:
            return x
        if x.value is not None:
            return replace(x, value=x.value.astype(np.float32), dtype="float32")
        made = SourceTensor(self.flow.fresh(x), x.shape, "float32")
        add_cast(self.flow, x, made)
        return made

    def _wrapped(self, made: SourceTensor, output: SourceTensor) -> SourceTensor:
        """Integers of 8 bits begin again behind their last: `made` as such a number.

        Of the sum, the difference or the product of two.
        """
        if output.dtype not in EIGHT_BITS:
            return made
        first = int(np.iinfo(output.dtype).min)

        def step(op: str, x: str | Constant, y: str | Constant) -> str:
            return self.flow.add(op, [x, y], self.flow.fresh(output))

        def number(value: float) -> Constant:
            return Constant(np.array(value, np.float32))

        # Whole, and not below 0; then its rest by 256.
        above = step("add", self._whole(made.name, output), number(ROUND - first))
        rounds = self._whole(step("multiply", above, number(1 / 256)), output)
        rest = step("subtract", above, step("multiply", rounds, number(256)))
        return SourceTensor(step("add", rest, number(first)), output.shape, "float32")

    def _whole(self, x: str, like: SourceTensor) -> str:
        """`x` less what is behind the point."""
        cut = self.flow.add("cast", [x], self.flow.fresh(like, "int32"), {"dtype": "int32"})
        return self.flow.add("cast", [cut], self.flow.fresh(like), {"dtype": "float32"})
