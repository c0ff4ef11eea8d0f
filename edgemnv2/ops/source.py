"""A network as its file has it, and the flow that operators' import rules make of it.

A front end reads a file into `SourceNode`s, in terms that all formats share. For each of them it
calls the rule of the operator (`tflite.py`, `onnx.py` of its folder), which adds nodes to a
`FlowBuilder`. Operators on quantised tensors become operators on real numbers between dequantise
and quantise nodes (`compute`), or move what is stored (`move`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import Note, QuantParams
from edgemnv2.ops.constants import evaluate
from edgemnv2.ops.flow import Constant, Flow, Node

__all__ = ["MOST_ELEMENTS", "FlowBuilder", "Refusal", "Rule", "SourceNode", "SourceTensor"]

Array = NDArray[Any]
AT_LEAST_ONE = ("stride", "dilation", "groups", "kernel", "pool_size", "block")
"""Attributes that count something there must be."""
INTEGER_TYPES = ("int8", "uint8", "int16")
COUNTED = QuantParams(1.0, 0)
"""Of integers that are numbers themselves, truths for instance."""


MOST_ELEMENTS = 1 << 28
"""Of one tensor: in float32 it would be 1 GiB."""


class Refusal(Exception):  # noqa: N818 - it is no fault of the program
    """What a rule does not take: the fact, and what to do instead. The front end names the place.

    `expectation` is what must hold; where it is left out, it is the rule's docstring.
    """

    def __init__(self, fact: str, remedy: str, expectation: str = "") -> None:
        super().__init__(fact)
        self.fact, self.remedy, self.expectation = fact, remedy, expectation


@dataclass(frozen=True, eq=False)
class SourceTensor:
    """A tensor of the file; `value` where it is constant.

    `shape` is known once the front end has settled it. `scale` and `zero_point` are set where the
    file quantises the tensor itself (TFLite): one element, or one per channel of a constant.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    value: Array | None = None
    scale: Array | None = None
    zero_point: Array | None = None
    truth: bool = False
    """Whether it is a boolean, which is stored as the number 0 or 1."""
    axis: int = 0
    """The one along which scales run, if there are several and the operator does not say."""

    @classmethod
    def of_truths(cls, name: str, shape: tuple[int, ...], value: Array | None) -> SourceTensor:
        """A tensor of booleans: the numbers 0 and 1, stored as uint8 as they are."""
        stored = None if value is None else value.astype(np.uint8)
        one, zero = np.ones(1, np.float32), np.zeros(1, np.int64)
        return cls(name, shape, "uint8", stored, one, zero, truth=True)

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its values."""
        return self.value is not None

    @property
    def is_quantized(self) -> bool:
        """Whether it holds integers that stand for real numbers."""
        return self.scale is not None and self.dtype in INTEGER_TYPES

    @property
    def quant(self) -> QuantParams | None:
        """Its quantisation as one pair."""
        if self.scale is None or self.scale.size != 1:
            return None
        zero = 0 if self.zero_point is None else int(self.zero_point.reshape(-1)[0])
        return QuantParams(float(self.scale.reshape(-1)[0]), zero)

    def constant(self, axis: int | None = None) -> Constant:
        """Its values; `axis` is the one along which scales run, where the operator says it."""
        assert self.value is not None
        axis = self.axis if axis is None else axis
        if self.scale is None or self.dtype == "float32":
            return Constant(self.value)
        zero = np.zeros(1, np.int32) if self.zero_point is None else self.zero_point
        extent = self.value.shape[axis] if -self.value.ndim <= axis < self.value.ndim else 1
        if self.scale.size not in (1, extent) or zero.size not in (1, self.scale.size):
            raise Refusal(
                f"{self.scale.size} scales and {zero.size} zero points for the {extent} channels "
                f"of {self.name!r}",
                "quantise the model again",
                "A constant has one scale, or one for each channel",
            )
        if self.scale.size == 1:
            scale = self.scale.reshape(()).astype(np.float32)
            return Constant(self.value, scale, zero.reshape(-1)[0].astype(np.int32))
        return Constant(self.value, self.scale.astype(np.float32), zero.astype(np.int32), axis)


@dataclass(frozen=True, eq=False)
class SourceNode:
    """An operator of the file. `place` says where, for messages: "node 'Conv_12'"."""

    operator: str
    place: str
    inputs: tuple[SourceTensor | None, ...]
    outputs: tuple[SourceTensor, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> SourceTensor:
        """The first output."""
        return self.outputs[0]

    def input(self, index: int) -> SourceTensor:
        """Input `index`; Refusal where it is left out."""
        found = self.optional(index)
        if found is None:
            raise Refusal(f"{len(self.inputs)} inputs", "export the model again")
        return found

    def optional(self, index: int) -> SourceTensor | None:
        """Input `index`, None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def value(self, index: int, what: str) -> Array:
        """The values of input `index`, which must be constant."""
        tensor = self.input(index)
        if tensor.value is None:
            raise Refusal(
                f"{what} {tensor.name!r} that are computed",
                "export the model with its parameters in it",
            )
        return tensor.value

    def ints(self, index: int, what: str) -> list[int]:
        """The values of input `index` as a list of integers."""
        return [int(x) for x in self.value(index, what).reshape(-1)]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attrs.get(name, default)


class FlowBuilder:
    """Nodes of a flow under construction."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        self.quants: dict[str, QuantParams] = {}
        self.aliases: dict[str, str] = {}
        self.known: dict[str, Constant] = {}
        self.place = ""
        self.notes: dict[str, Note] = {}
        self.origins: dict[str, str] = {}
        self._real: dict[str, str] = {}
        self._count = 0

    def declare(self, tensor: SourceTensor) -> str:
        """The tensor by its name."""
        self.origins.setdefault(tensor.name, tensor.name)
        self.shapes.setdefault(tensor.name, tensor.shape)
        self.dtypes.setdefault(tensor.name, tensor.dtype)
        if tensor.is_quantized and tensor.quant is not None:
            self.quants.setdefault(tensor.name, tensor.quant)
        return tensor.name

    def fresh(self, like: SourceTensor, dtype: str = "float32", shape: Any = None) -> str:
        """A new tensor of the shape of `like`, or of `shape`."""
        self._count += 1
        name = f"{like.name}.{self._count}"
        self.shapes[name] = like.shape if shape is None else tuple(shape)
        self.dtypes[name] = dtype
        return name

    def add(
        self,
        op: str,
        inputs: Sequence[str | Constant],
        output: str,
        attrs: Mapping[str, Any] | None = None,
        more_outputs: tuple[str, ...] = (),
    ) -> str:
        """A node as it is; returns its output."""
        for name in AT_LEAST_ONE:
            given = (attrs or {}).get(name, 1)
            if min(given if isinstance(given, tuple | list) else [given], default=1) < 1:
                raise Refusal(f"{name} {given}", "export the model again", f"A {name} is 1 or more")
        operands = tuple(self.known.get(x, x) if isinstance(x, str) else x for x in inputs)
        node = Node(op, operands, output, dict(attrs or {}), self.place, more_outputs)
        value = None if node.tensors else evaluate(node, self.source)
        if value is None:
            self.nodes.append(node)
            return output
        if op == "quantize" and self.quants.get(output, COUNTED) != COUNTED:
            # LiteRT computes them in integers as it runs, step by step.
            raise Refusal(
                "quantised constants alone",
                "fold constants before the model is quantised, or leave this part in floats",
                "Some operand is computed from the input",
            )
        self.known[output] = self._kept(value, output)
        return output

    def _kept(self, value: Constant, output: str) -> Constant:
        """What the file stores for a constant `value`, where `output` is one that it quantises."""
        quant, dtype = self.quants.get(output), self.dtypes.get(output, "")
        if value.scale is not None or quant in (None, COUNTED) or dtype not in INTEGER_TYPES:
            return value
        assert quant is not None
        values, scale = value.values, np.float32(quant.scale)
        if values.dtype.kind == "f":
            limits = np.iinfo(dtype)
            stored = np.rint(values.astype(np.float32) / scale) + quant.zero_point
            values = np.clip(stored, limits.min, limits.max)
        return Constant(values.astype(dtype), np.array(scale), np.array(quant.zero_point, np.int32))

    def note(self, kind: str, text: str) -> None:
        """Say once what is computed otherwise than the file's framework does."""
        self.notes.setdefault(kind, Note(kind, text))

    def step(self, op: str, x: str | Constant, like: SourceTensor, **attrs: Any) -> str:
        """A node of one operand into a new float tensor of the shape `attrs["shape"]` or `like`'s.

        Attributes of the node are `attrs` without `shape`.
        """
        shape = attrs.pop("to_shape", None)
        return self.add(op, [x], self.fresh(like, shape=shape), attrs)

    # -- operands --------------------------------------------------------------------------------

    def stored(self, tensor: SourceTensor, axis: int | None = None) -> str | Constant:
        """What the tensor stores: its name, or its constant."""
        if tensor.name in self.known:
            return self.known[tensor.name]
        return tensor.constant(axis) if tensor.is_constant else self.declare(tensor)

    def real(self, tensor: SourceTensor, axis: int | None = None) -> str | Constant:
        """The real numbers that the tensor stands for."""
        stored = self.stored(tensor, axis)
        if isinstance(stored, Constant) or not tensor.is_quantized:
            return stored
        if tensor.name not in self._real:
            self._check_scale(tensor)
            name = self.fresh(tensor)
            self._real[tensor.name] = self.add(
                "dequantize", [stored, *self._parameters(tensor)], name, {"axis": 0}
            )
        return self._real[tensor.name]

    def truth(self, op: str, inputs: Sequence[str | Constant], like: SourceTensor) -> str:
        """A comparison of floats into a new tensor of booleans of the shape of `like`."""
        self._count += 1
        made = SourceTensor.of_truths(f"{like.name}.{self._count}", like.shape, None)
        self.compute(op, inputs, made)
        return made.name

    # -- results ---------------------------------------------------------------------------------

    def compute(
        self,
        op: str,
        inputs: Sequence[str | Constant],
        output: SourceTensor,
        attrs: Mapping[str, Any] | None = None,
        activation: tuple[float, float] | None = None,
    ) -> None:
        """`op` on real numbers, then the clamp `activation`, then `output` as it is stored."""
        name = self.declare(output)
        if output.is_quantized or activation is not None:
            name = self.fresh(output)
        self.add(op, inputs, name, attrs)
        self.result(name, output, activation)

    def result(
        self,
        real: str,
        output: SourceTensor,
        activation: tuple[float, float] | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """`output` is the float tensor `real`, clamped and stored; `attrs` of the quantise node."""
        if activation is not None:
            name = self.fresh(output) if output.is_quantized else self.declare(output)
            real = self.add("clip", [real], name, {"clamp": activation})
        if output.is_quantized:
            self._check_scale(output)
            attrs = {"axis": 0, "dtype": output.dtype, **(attrs or {})}
            self.add("quantize", [real, *self._parameters(output)], self.declare(output), attrs)
        elif real != output.name:
            self.alias(output, real)

    def move(
        self,
        op: str,
        inputs: Sequence[str | Constant],
        output: SourceTensor,
        attrs: Mapping[str, Any] | None = None,
        more_outputs: tuple[SourceTensor, ...] = (),
    ) -> None:
        """`op` on what is stored."""
        more = tuple(self.declare(x) for x in more_outputs)
        self.add(op, inputs, self.declare(output), attrs, more)

    def alias(self, output: SourceTensor, name: str | Constant) -> None:
        """`output` is another name of a tensor, or a constant."""
        name = self.known.get(name, name) if isinstance(name, str) else name
        if isinstance(name, Constant):
            self.known[output.name] = name
        else:
            self.aliases[self.declare(output)] = name
            # What is said to be equal is what a check shall compare.
            self.origins[name] = output.name

    def _parameters(self, tensor: SourceTensor) -> tuple[Constant, Constant]:
        quant = tensor.quant
        assert quant is not None
        return Constant(np.array(quant.scale, np.float32)), Constant(
            np.array(quant.zero_point, np.int32)
        )

    def _check_scale(self, tensor: SourceTensor) -> None:
        if tensor.quant is None:
            raise Refusal(
                f"{0 if tensor.scale is None else tensor.scale.size} scales for the activation "
                f"{tensor.name!r}",
                "quantise activations per tensor",
                "An activation has one scale",
            )

    def flow(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Flow:
        """The finished flow; `aliases` resolved."""

        def resolve(name: str) -> str:
            while name in self.aliases:
                name = self.aliases[name]
            return name

        nodes = [
            replace(
                node, inputs=tuple(resolve(x) if isinstance(x, str) else x for x in node.inputs)
            )
            for node in self.nodes
        ]
        return Flow(
            tuple(nodes),
            self.shapes,
            self.dtypes,
            inputs,
            tuple(resolve(x) for x in outputs),
            self.source,
            self.quants,
            self.origins,
            tuple(self.notes.values()),
        )


Rule = Callable[[SourceNode, FlowBuilder], None]
"""The first paragraph of its docstring is what must hold: for messages, and the table of operators.
A rule without conditions has "-" there."""
