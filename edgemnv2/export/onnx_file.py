"""A `Graph` as an ONNX file for onnxruntime: float32, or uint8 activations and int8 weights.

u8s8 is what onnxruntime's integer kernels on x86 are made for. Our int8 activations become uint8 by
a zero point that is 128 larger: the same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.export.onnx_writer import OnnxNodes
from edgemnv2.export.quantities import ENDS, activation_of, weight_scales
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["onnx_file"]

Array = NDArray[Any]
OPSET = 17
STORED = "uint8"


def onnx_file(graph: Graph) -> bytes:
    """The file's bytes. Raises UsageError for what ONNX has no operator for."""
    return _Writer(graph).write()


class _Writer(OnnxNodes):
    """`reals` names the float value of each tensor of the graph."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph, OPSET)
        self.reals: dict[str, str] = {}

    def write(self) -> bytes:
        graph = self.graph
        for name in graph.inputs:
            self._finish(name, name)
        for layer in graph.layers:
            value = self.value_of(layer)
            kind = activation_of(graph.tensor_out(layer), layer.clamp_ends, layer.name)
            self._finish(layer.output, self.clipped(layer, value, ENDS[kind]))
        sources = [self._end(name, name) for name in graph.inputs]
        # Results are real values, for integer networks too.
        results = [self._end(name, self.reals[name]) for name in graph.outputs]
        return self.file("net", sources, results)

    def real(self, tensor: str) -> str:
        """The one that all readers share."""
        return self.reals[tensor]

    def is_matrix_product(self, layer: Layer) -> bool:
        """Never: a convolution of one pixel is as fast."""
        del layer
        return False

    def weights(self, layer: Layer, weight: Array, axis: int = 0) -> list[str]:
        """int8 with one scale for each output channel."""
        names = [f"{layer.name}.weight", f"{layer.name}.bias"]
        scales = weight_scales(self.graph, layer)
        bias = layer.parameters[1]
        if scales is None:
            return [self.constant(names[0], weight), self.constant(names[1], bias)]
        step = scales * np.float32(self.graph.tensor_in(layer).known_quant.scale)
        return [
            self.stored_constant(names[0], weight, scales, axis),
            self.stored_constant(names[1], bias, step),
        ]

    def operand(self, name: str, values: Array) -> str:
        """float32."""
        return self.constant(name, values)

    def fill(self, tensor: str, value: float) -> Array:
        """float32, of what the graph stores."""
        quant = self.graph.tensors[tensor].quant
        real = value if quant is None else (value - quant.zero_point) * quant.scale
        return np.array(real, np.float32)

    def _end(self, tensor: str, name: str) -> Any:
        at = self.graph.tensors[tensor]
        stored = name == tensor and at.dtype != "float32"
        dtype = STORED if stored else "float32"
        if _is_number(at):
            dtype = at.dtype
        kind = self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        shape = [1, at.channels, at.height, at.width]
        return self.helper.make_tensor_value_info(name, kind, shape)

    def _finish(self, name: str, value: str) -> None:
        """`value` is the float value of tensor `name`, or, of the input, the stored one."""
        tensor = self.graph.tensors[name]
        if tensor.dtype != "float32" and not _is_number(tensor):
            ends = self.quantisation(tensor, STORED)
            if name not in self.graph.inputs:
                value = self.node("QuantizeLinear", [value, *ends], name)
            value = self.node("DequantizeLinear", [value, *ends], f"{name}.value")
        self.reals[name] = value


def _is_number(tensor: Tensor) -> bool:
    """Whether its values stand for nothing else: numbers of classes."""
    return tensor.dtype != "float32" and tensor.quant is None
