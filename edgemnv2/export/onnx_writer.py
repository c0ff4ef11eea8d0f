"""A `Graph` as an ONNX file, NCHW: what the two forms of quantised files have in common.

What an operator looks like in ONNX is in its folder (`ops/<op>/export.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.export import no_form
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.table import operator_of, part

__all__ = ["OnnxNodes"]

Array = NDArray[Any]
IR_VERSION = 8


class OnnxNodes(ABC):
    """Nodes and constants. The subclasses say how integers and their real values are stored.

    `opset` is the least that the file may have, and becomes the least that all its layers have.
    """

    def __init__(self, graph: Graph, opset: int) -> None:
        from onnx import helper, numpy_helper

        self.opset = max(opset, *map(_first_opset, graph.layers))

        self.helper, self.numpy_helper = helper, numpy_helper
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self._shapes: list[Any] = []
        self._own_output = ""

    # -- what operators ask for --------------------------------------------------------------------

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str | None = None,
        *,
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        """A node, and the name of its output: `output`, or the layer's own real value."""
        output = output or self._own_output
        outputs = [*before, output, *after]
        made = self.helper.make_node(kind, list(inputs), outputs, name=output, **attributes)
        self.nodes.append(made)
        return output

    @abstractmethod
    def real(self, tensor: str) -> str:
        """The name of a tensor's real value."""

    @abstractmethod
    def weights(self, layer: Layer, weight: Array, axis: int = 0) -> list[str]:
        """The names of real weights and biases.

        `weight` is the layer's in ONNX's order, which has output channels along `axis`.
        """

    @abstractmethod
    def operand(self, name: str, values: Array) -> str:
        """The name of a real constant that may be stored as integers."""

    @abstractmethod
    def fill(self, tensor: str, value: float) -> Array:
        """What `real` of a tensor has where the tensor, as the graph has it, has `value`."""

    @abstractmethod
    def is_matrix_product(self, layer: Layer) -> bool:
        """Whether a pointwise layer is to be written as that of a vector, which leaves one."""

    # -- what writers ask for ----------------------------------------------------------------------

    def value_of(self, layer: Layer) -> str:
        """The nodes of one layer without its clamp; the name of the real value that they make."""
        rules = part(operator_of(layer), "export")
        if not hasattr(rules, "onnx"):
            raise no_form(self.graph, layer, "ONNX")
        self._own_output = self.own_name(layer)
        value: str = rules.onnx(layer, self)
        return value

    def own_name(self, layer: Layer) -> str:
        """What the value of a layer is called."""
        return f"{layer.name}.real"

    def clipped(self, layer: Layer, value: str, ends: tuple[float, float]) -> str:
        """`value` between two ends, of which either may be infinite; no node where both are."""
        if not np.isfinite(ends).any():
            return value
        # An end that is missing is an empty name.
        names = [
            self.constant(f"{layer.name}.{kind}", np.array(end, np.float32))
            if np.isfinite(end)
            else ""
            for kind, end in zip(("low", "high"), ends, strict=True)
        ]
        return self.node("Clip", [value, *names], f"{layer.name}.clipped")

    def constant(self, name: str, value: Array) -> str:
        """A constant, stored once; its name."""
        if name not in self.constants:
            self.constants[name] = self.numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def quantisation(self, tensor: Tensor, dtype: str) -> list[str]:
        """Scale and zero point of an activation that the file stores as `dtype`."""
        quant = tensor.known_quant
        shift = int(np.iinfo(dtype).min) - int(np.iinfo(tensor.dtype).min)
        zero_point = np.array(quant.zero_point + shift, dtype)
        return [
            self.constant(f"{tensor.name}.scale", np.array(quant.scale, np.float32)),
            self.constant(f"{tensor.name}.zero_point", zero_point),
        ]

    def tell_shape(self, value: str, shape: tuple[int, ...]) -> None:
        """float32 of that shape: for a value that no standard operator makes."""
        kind = self.helper.np_dtype_to_tensor_dtype(np.dtype("float32"))
        self._shapes.append(self.helper.make_tensor_value_info(value, kind, shape))

    def cast(self, value: str, dtype: str) -> str:
        """The layer's own value: numbers of another type."""
        kind = self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.node("Cast", [value], to=kind)

    def stored_constant(self, name: str, values: Array, scale: Array, axis: int = 0) -> str:
        """The real value of integers, their scale for all alike or along an axis."""
        inputs = [
            self.constant(f"{name}.stored", values),
            self.constant(f"{name}.scale", scale.astype(np.float32)),
            self.constant(f"{name}.zero_point", np.zeros(scale.shape, values.dtype)),
        ]
        along: dict[str, Any] = {"axis": axis} if scale.shape else {}
        return self.node("DequantizeLinear", inputs, name, **along)

    def file(self, name: str, inputs: list[Any], outputs: list[Any], **about: Any) -> bytes:
        """The bytes of the file, the same for the same network."""
        made = self.helper.make_graph(
            self.nodes,
            name,
            inputs,
            outputs,
            list(self.constants.values()),
            value_info=self._shapes,
        )
        domains = sorted({node.domain for node in self.nodes} - {""})
        opsets = [self.helper.make_opsetid("", self.opset)]
        opsets += [self.helper.make_opsetid(domain, 1) for domain in domains]
        model = self.helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, **about)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def _first_opset(layer: Layer) -> int:
    """The first that has the layer's operators; 0 where every one has."""
    rules = part(operator_of(layer), "export")
    return int(rules.opset(layer)) if hasattr(rules, "opset") else 0
