"""Where expansions of ONNX nodes put what they make: nodes and constants of the new graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UnsupportedOperator

__all__ = ["Expander", "Expansion", "part"]

Array = NDArray[Any]


class Expander:
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
        self._model = model
        self._ranks: dict[str, int] = {}

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

    def constant(self, what: str, value: Array | np.float32) -> str:
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

    def rank(self, name: str) -> int | None:
        """How many axes the tensor has, None where the file does not say."""
        import onnx

        if name in self.known:
            return len(self.known[name].dims)
        if not self._ranks:
            graph = onnx.shape_inference.infer_shapes(self._model).graph
            self._ranks = {
                x.name: len(x.type.tensor_type.shape.dim)
                for x in (*graph.input, *graph.value_info, *graph.output)
                if x.type.tensor_type.HasField("shape")
            }
        return self._ranks.get(name)

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


def part(node: Any, first: int, count: int) -> list[str]:
    """`count` of the node's inputs from `first` on, "" for those that are left out."""
    return [node.input[i] if i < len(node.input) else "" for i in range(first, first + count)]


Expansion = Callable[[Any, Expander], None]
"""Its docstring is what must hold: for the table of operators."""
