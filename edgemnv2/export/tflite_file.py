"""A `Graph` as a TFLite file: float32, or int8 with one scale per output channel.

What an operator looks like in TFLite is in its folder (`ops/<op>/export.py`). LiteRT's reference
kernels give our integers where a network has TFLite's arithmetic. Where it has ONNX's, layers that
round once here round twice there, and may differ by a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.export.quantities import activation_of, weight_scales
from edgemnv2.export.tflite_writer import TfliteWriter
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.export import no_form
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.table import operator_of, part

__all__ = ["tflite_file"]

Array = NDArray[Any]
# schema.fbs: ActivationFunctionType.
_ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}
SIGN = 128
"""Between stored values of uint8 and of int8."""


def tflite_file(graph: Graph) -> bytes:
    """The file's bytes. Raises UsageError for what TFLite has no operator for."""
    return _Writer(graph).write()


class _Writer:
    """Tensors of the graph by name, as numbers of the file."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.file = TfliteWriter()
        self.numbers: dict[str, int] = {}
        # int8 tensors that are still to be stored as the graph has them.
        self.results: dict[str, int] = {}

    def write(self) -> bytes:
        graph = self.graph
        for name in graph.inputs:
            self.numbers[name] = self._tensor(graph.tensors[name])
        for layer in graph.layers:
            self.numbers[layer.output] = self._tensor(graph.tensor_out(layer))
            rules = part(operator_of(layer), "export")
            if not hasattr(rules, "tflite"):
                raise no_form(graph, layer, "TFLite")
            rules.tflite(layer, self)
            for name, signed in self.results.items():
                self.file.operator("QUANTIZE", [signed], self.numbers[name])
            self.results.clear()
        ends = [[self.numbers[name] for name in names] for names in (graph.inputs, graph.outputs)]
        return self.file.build(*ends)

    # -- what operators ask for --------------------------------------------------------------------

    def constant(self, name: str, value: Array, **quant: Any) -> int:
        """A tensor that is stored in the file."""
        return self.file.constant(name, value, **quant)

    def operator(
        self, kind: str, inputs: list[int], output: int, options: str | None = None, **values: Any
    ) -> int:
        """An operator; the number of its output."""
        return self.file.operator(kind, inputs, output, options, **values)

    def stored(self, tensor: str) -> int:
        """The tensor as it is."""
        return self.numbers[tensor]

    def signed(self, tensor: str) -> int:
        """The tensor to be read as int8: uint8 goes through QUANTIZE."""
        if self.graph.tensors[tensor].dtype != "uint8":
            return self.numbers[tensor]
        return self.file.operator("QUANTIZE", [self.numbers[tensor]], self._twin(tensor))

    def result(self, tensor: str) -> int:
        """The tensor to be written as int8: uint8 is made from it by QUANTIZE."""
        if self.graph.tensors[tensor].dtype != "uint8":
            return self.numbers[tensor]
        self.results[tensor] = self._twin(tensor)
        return self.results[tensor]

    def padded(self, tensor: str, padding: tuple[int, int, int, int], name: str) -> int:
        """The tensor with zeros around it."""
        top, left, bottom, right = padding
        at = self.graph.tensors[tensor]
        sizes = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        shape = (1, at.height + top + bottom, at.width + left + right, at.channels)
        dtype = "float32" if at.dtype == "float32" else "int8"
        padded = self.file.tensor(name, shape, dtype, **_signed_quant(at))
        numbers = [self.signed(tensor), self.file.constant(f"{name}.sizes", sizes)]
        return self.file.operator("PAD", numbers, padded, "PadOptions")

    def reshaped(self, tensor: str, shape: Sequence[int], name: str) -> int:
        """The elements of a tensor, to be read as int8 or float32, as one of another shape."""
        at = self.graph.tensors[tensor]
        dtype = "float32" if at.dtype == "float32" else "int8"
        made = self.file.tensor(name, tuple(shape), dtype, **_signed_quant(at))
        wanted = self.file.constant(f"{name}.shape", np.array(shape, np.int32))
        return self.file.operator("RESHAPE", [self.signed(tensor), wanted], made)

    def whole_numbers(self, name: str, shape: Sequence[int], dtype: str) -> int:
        """A new tensor of numbers that have no scale."""
        return self.file.tensor(name, tuple(shape), dtype)

    def weight_quant(self, layer: Convolution, axis: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Scales of each output channel."""
        scales = weight_scales(self.graph, layer)
        if scales is None:
            return {}, {}
        step = np.float32(self.graph.tensor_in(layer).known_quant.scale)
        return {"scale": scales, "axis": axis}, {"scale": scales * step}

    def activation(self, out: Tensor, layer: Layer) -> int:
        """The number of the fused activation that is the layer's clamp."""
        return _ACTIVATIONS[activation_of(out, layer.clamp_ends, layer.name)]

    # -- pieces ------------------------------------------------------------------------------------

    def _tensor(self, tensor: Tensor) -> int:
        quant: dict[str, Any] = {}
        if tensor.quant is not None and tensor.dtype != "float32":
            quant = {"scale": tensor.quant.scale, "zero_point": tensor.quant.zero_point}
        return self.file.tensor(tensor.name, (1, *tensor.shape), tensor.dtype, **quant)

    def _twin(self, name: str) -> int:
        """A new int8 tensor for the values of a uint8 one."""
        tensor = self.graph.tensors[name]
        shape = (1, *tensor.shape)
        return self.file.tensor(f"{name}.int8", shape, "int8", **_signed_quant(tensor))


def _signed_quant(tensor: Tensor) -> dict[str, Any]:
    """Scale and zero point as int8; none of floats."""
    if tensor.quant is None or tensor.dtype == "float32":
        return {}
    shift = SIGN if tensor.dtype == "uint8" else 0
    return {"scale": tensor.quant.scale, "zero_point": tensor.quant.zero_point - shift}
