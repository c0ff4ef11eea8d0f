"""What the part `export` of an operator may ask of the writer of another engine's file.

`export.py` of an operator has a function for each format that has the operator: `onnx`, `tflite`
and `ncnn`, each called with the layer and the writer. What only some layers of an operator have a
form for is refused with `no_form`. `opset` of a layer, where there is one, is the first of ONNX's
that has its operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UsageError
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = [
    "NcnnWriter",
    "OnnxWriter",
    "TfliteWriter",
    "from_rows",
    "no_form",
    "reshaped",
    "rows_of",
]

Array = NDArray[Any]


def no_form(graph: Graph, layer: Layer, engine: str) -> UsageError:
    """The refusal of a layer that a format has no operator for, ready to be raised."""
    return UsageError(
        f"{graph.source}: {layer.name} ({layer.op}): {engine} files that edgemnv2 writes have no "
        "form of this layer (give the network in the engine's own format with model=)"
    )


class OnnxWriter(Protocol):
    """Real values, NCHW; integers are quantised behind the node and dequantised in front of it."""

    graph: Graph
    opset: int

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
        """A node; the name of its output, which is the layer's own where none is given.

        `before` and `after` name outputs that nobody reads, in the order of the operator's.
        """

    def real(self, tensor: str) -> str:
        """The name of a tensor's real value; of stored ones where a layer only moves them."""

    def constant(self, name: str, value: Array) -> str:
        """A constant, stored once; its name."""

    def weights(self, layer: Layer, weight: Array, axis: int = 0) -> list[str]:
        """The names of real weights and biases.

        `weight` is the layer's in ONNX's order, which has output channels along `axis`.
        """

    def operand(self, name: str, values: Array) -> str:
        """The name of a real constant that may be stored as integers."""

    def fill(self, tensor: str, value: float) -> Array:
        """What `real` of a tensor has where the tensor, as the graph has it, has `value`."""

    def tell_shape(self, value: str, shape: tuple[int, ...]) -> None:
        """float32 of that shape: for a value that no standard operator makes."""

    def cast(self, value: str, dtype: str) -> str:
        """The layer's own value: numbers of another type."""

    def is_matrix_product(self, layer: Layer) -> bool:
        """Whether a pointwise layer is to be written as that of a vector, which leaves one."""


def reshaped(to: OnnxWriter, value: str, shape: Sequence[int], output: str | None = None) -> str:
    """A Reshape node; the name of its output."""
    name = f"{output or value}.shape"
    return to.node("Reshape", [value, to.constant(name, np.array(shape, np.int64))], output)


def rows_of(to: OnnxWriter, value: str, tensor: Tensor, output: str) -> str:
    """`value` of a tensor, NCHW, with its elements in the order height, width, channels."""
    if tensor.height * tensor.width == 1 or tensor.channels == 1:
        return value
    return to.node("Transpose", [value], output, perm=[0, 2, 3, 1])


def from_rows(to: OnnxWriter, value: str, tensor: Tensor, layer: Layer) -> str:
    """A layer's own value, NCHW, from its elements in the order height, width, channels."""
    height, width, channels = tensor.shape
    if height * width == 1 or channels == 1:
        return reshaped(to, value, (1, channels, height, width))
    inner = reshaped(to, value, (1, height, width, channels), f"{layer.name}.map")
    return to.node("Transpose", [inner], perm=[0, 3, 1, 2])


class TfliteWriter(Protocol):
    """Numbers of tensors. Operators compute on int8 where a tensor is uint8."""

    graph: Graph

    def constant(self, name: str, value: Array, **quant: Any) -> int:
        """A tensor that is stored in the file."""

    def operator(
        self, kind: str, inputs: list[int], output: int, options: str | None = None, **values: Any
    ) -> int:
        """An operator; the number of its output."""

    def stored(self, tensor: str) -> int:
        """The tensor as it is."""

    def signed(self, tensor: str) -> int:
        """The tensor to be read as int8 or float32."""

    def result(self, tensor: str) -> int:
        """The tensor to be written as int8 or float32."""

    def padded(self, tensor: str, padding: tuple[int, int, int, int], name: str) -> int:
        """The tensor with zeros around it: top, left, bottom, right."""

    def reshaped(self, tensor: str, shape: Sequence[int], name: str) -> int:
        """The elements of a tensor, to be read as int8 or float32, as one of another shape."""

    def whole_numbers(self, name: str, shape: Sequence[int], dtype: str) -> int:
        """A new tensor of numbers that have no scale."""

    def weight_quant(self, layer: Convolution, axis: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The quantisation of weights, along an axis, and of biases; empty of floats."""

    def activation(self, out: Tensor, layer: Layer) -> int:
        """The number of the fused activation that is the layer's clamp."""


class NcnnWriter(Protocol):
    """Lines of the text file; tensors behind a pooling are vectors."""

    graph: Graph
    vectors: set[str]

    def line(self, kind: str, layer: Layer, parameters: str) -> None:
        """A layer, which reads and makes what ours does."""

    def store(self, weight: Array, bias: Array) -> None:
        """Weights of the layer whose line comes next."""

    def activation(self, layer: Layer) -> str:
        """The layer's clamp as an activation: "none", "relu" or "relu6"."""
