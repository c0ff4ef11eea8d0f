"""An int8 `Graph` as a standard ONNX file: QuantizeLinear / DequantizeLinear around float nodes.

onnxruntime runs it, and our own front end reads it back into the same layers with the same
constants. Scales are the float32 values of the graph, biases int32 with scale
`input scale * weight scale`, weights int8 with one scale per output channel or one for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.export.onnx_writer import OnnxNodes
from edgemnv2.model import TensorSpec
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["qdq_file", "with_int8_ends"]

Array = NDArray[Any]

OPSET = 13
"""The first with one scale per channel (`axis`)."""
PRODUCER = "edgemnv2"
STORED = "int8"


def qdq_file(
    graph: Graph,
    weight_scales: Mapping[str, Array],
    clamps: Mapping[str, tuple[float, float]],
) -> bytes:
    """The file's bytes; the same network gives the same bytes.

    `graph` is int8 between a quantise and a dequantise layer. `weight_scales`, float32 `[C]` by
    layer, is what weights stand for, and `clamps` the real ends of each layer's values, infinite
    where it has no clamp.
    """
    return _Writer(graph, weight_scales, clamps).write()


def with_int8_ends(data: bytes) -> bytes:
    """A file of `qdq_file` without the quantisation of its input and the return to float.

    So a microcontroller computes integers only. What enters and leaves is what the two nodes' scale
    and zero point, which the neighbouring nodes have too, say.
    """
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    last = [node for node in graph.node if node.op_type == "DequantizeLinear"][-1]
    ends = {first.output[0]: first.input[0], last.input[0]: last.output[0]}
    graph.node.remove(first)
    graph.node.remove(last)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [ends.get(name, name) for name in names]
    for value in (graph.input[0], graph.output[0]):
        value.type.tensor_type.elem_type = onnx.TensorProto.INT8
    used = {name for node in graph.node for name in node.input}
    for constant in [x for x in graph.initializer if x.name not in used]:
        graph.initializer.remove(constant)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Writer(OnnxNodes):
    """The first and the last layer are the ends; those between become nodes."""

    def __init__(
        self,
        graph: Graph,
        weight_scales: Mapping[str, Array],
        clamps: Mapping[str, tuple[float, float]],
    ) -> None:
        super().__init__(graph)
        self.scales = weight_scales
        self.clamps = clamps
        # One layer with several scales gives all of them several.
        self.per_channel = any(bool((x != x[0]).any()) for x in weight_scales.values())

    def write(self) -> bytes:
        source, result = self.graph.input_specs[0], self.graph.output_specs[0]
        first, *between, last = self.graph.layers
        self._quantize(self._as_nchw(source), self.graph.tensor_out(first))
        for layer in between:
            value = self.clipped(layer, self.value_of(layer), self.clamps[layer.name])
            self._quantize(value, self.graph.tensor_out(layer))
        self._ending(self.graph.tensor_in(last), result)
        ends = [self._end(source)], [self._end(result)]
        return self.file(self.graph.name, *ends, OPSET, producer_name=PRODUCER)

    # -- what operators ask for --------------------------------------------------------------------

    def real(self, tensor: str) -> str:
        """One node for each reader, as QDQ tools do."""
        return self._dequantized(self.graph.tensors[tensor])

    def is_matrix_product(self, layer: Layer) -> bool:
        """The classifier of an output that is a vector."""
        if layer.op != "pointwise" or self.graph.output_specs[0].layout != "NC":
            return False
        # A small image may shrink to one pixel long before it is a vector.
        behind = self.graph.layers[self.graph.layers.index(layer) + 1 : -1]
        one_pixel = self.graph.tensor_in(layer).shape[:2] == (1, 1)
        return one_pixel and all(x.mixes_channels for x in behind)

    def weights(self, layer: Convolution, weight: Array) -> list[str]:
        """int8, and biases in steps of the sums."""
        scale = self.scales[layer.name]
        step = np.float32(self.graph.tensor_in(layer).known_quant.scale) * scale
        return [
            self.stored_constant(f"{layer.name}.weight", weight, self._shared(scale)),
            self.stored_constant(f"{layer.name}.bias", layer.bias, self._shared(step)),
        ]

    # -- ends --------------------------------------------------------------------------------------

    def _end(self, spec: TensorSpec) -> Any:
        kind = self.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        return self.helper.make_tensor_value_info(spec.name, kind, list(spec.shape))

    def _as_nchw(self, spec: TensorSpec) -> str:
        """The name of the input in ONNX's own layout."""
        if spec.layout != "NHWC":
            return spec.name
        return self.node("Transpose", [spec.name], f"{spec.name}.nchw", perm=[0, 3, 1, 2])

    def _ending(self, tensor: Tensor, spec: TensorSpec) -> None:
        """Back to float32 in the source's shape and layout."""
        flat = any(node.op_type == "Gemm" for node in self.nodes)
        shape = list(spec.shape)
        if spec.layout == "NHWC":
            real = self._dequantized(tensor)
            self.node("Transpose", [real], spec.name, perm=[0, 2, 3, 1])
        elif (flat and len(shape) == 2) or (not flat and len(shape) == 4):
            self._dequantized(tensor, spec.name)
        else:
            wanted = self.constant(f"{spec.name}.shape", np.array(shape, np.int64))
            self.node("Reshape", [self._dequantized(tensor), wanted], spec.name)

    # -- pieces ------------------------------------------------------------------------------------

    def _quantize(self, real: str, tensor: Tensor) -> None:
        ends = self.quantisation(tensor, STORED)
        self.node("QuantizeLinear", [real, *ends], f"{tensor.name}.stored")

    def _dequantized(self, tensor: Tensor, output: str | None = None) -> str:
        output = output or f"{tensor.name}.real{len(self.nodes)}"
        inputs = [f"{tensor.name}.stored", *self.quantisation(tensor, STORED)]
        return self.node("DequantizeLinear", inputs, output)

    def _shared(self, scale: Array) -> Array:
        """One number where no layer has more than one scale."""
        return scale if self.per_channel else scale[0]
