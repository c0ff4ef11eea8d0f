"""What the part `export` of an operator may ask of the writer of another engine's file.

`export.py` of an operator has a function for each format that has the operator: `onnx`, `tflite`
and `ncnn`, each called with the layer and the writer. What only some layers of an operator have a
form for is refused with `no_form`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from edgemnv2.errors import UsageError
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["NcnnWriter", "OnnxWriter", "TfliteWriter", "no_form"]

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

    def node(
        self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any
    ) -> str:
        """A node; the name of its output, which is the layer's own where none is given."""

    def real(self, tensor: str) -> str:
        """The name of a tensor's real value."""

    def weights(self, layer: Convolution, weight: Array) -> list[str]:
        """The names of real weights and biases; `weight` is the layer's in ONNX's order."""

    def is_matrix_product(self, layer: Layer) -> bool:
        """Whether a pointwise layer is to be written as that of a vector, which leaves one."""


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
