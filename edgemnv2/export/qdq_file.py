"""An int8 `Graph` as a standard ONNX file: QuantizeLinear / DequantizeLinear around float nodes.

onnxruntime runs it, and our own front end reads it back into the same layers with the same
constants. Scales are the float32 values of the graph, biases int32 with scale
`input scale * weight scale`, weights int8 with one scale per output channel or one for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgemnv2.export.onnx_writer import OnnxNodes
from edgemnv2.model import TensorSpec
from edgemnv2.ops.export import reshaped, rows_of
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["Form", "StoredNetwork", "qdq_file", "with_int8_ends"]

Array = NDArray[Any]

OPSET = 13
"""The first with one scale per channel (`axis`)."""
PRODUCER = "edgemnv2"
STORED = "int8"
MOVES = ("Reshape", "Transpose")
LEAST_OPERAND = 1e-30
"""A constant of zeros has a scale, too."""


Form = Literal["integer", "moved", "real"]
"""How the file has a layer: between DequantizeLinear and QuantizeLinear, on what is stored, or on
real numbers that stay such."""


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A float network and what is stored of it as int8.

    `graph` has the float layers, but those with weights as integer layers. `stored` are the int8
    tensors by name; all others are as the graph has them. `forms` by layer name. `weight_scales`,
    float32 `[C]` by layer, is what weights stand for, and `clamps` the real ends of each layer's
    values, infinite where it has no clamp.
    """

    graph: Graph
    stored: Mapping[str, Tensor]
    forms: Mapping[str, Form]
    weight_scales: Mapping[str, Array]
    clamps: Mapping[str, tuple[float, float]]


def qdq_file(network: StoredNetwork) -> bytes:
    """The file's bytes; the same network gives the same bytes."""
    return _Writer(network).write()


def with_int8_ends(data: bytes) -> bytes:
    """A file of `qdq_file` without the quantisation of its inputs and the return to float.

    So a microcontroller computes integers only. What enters and leaves is what the nodes' scale
    and zero point, which the neighbouring nodes have too, say. An end that is no real number, or
    one that no layer stores, stays as it is.
    """
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    ends: dict[str, str] = {}
    gone = []
    passed_on = {value.name for value in graph.output}
    for value in graph.input:
        if value.name in passed_on:
            continue
        last, node = value.name, _only_reader(graph, value.name)
        while node is not None and node.op_type in MOVES:
            last, node = node.output[0], _only_reader(graph, node.output[0])
        if node is not None and node.op_type == "QuantizeLinear":
            gone.append(node)
            ends[node.output[0]] = last
            value.type.tensor_type.elem_type = onnx.TensorProto.INT8
    for value in graph.output:
        first, node = value.name, makers.get(value.name)
        while node is not None and node.op_type in MOVES:
            first, node = node.input[0], makers.get(node.input[0])
        if node is not None and node.op_type == "DequantizeLinear":
            gone.append(node)
            ends[node.input[0]] = first
            value.type.tensor_type.elem_type = onnx.TensorProto.INT8
    for node in gone:
        graph.node.remove(node)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [ends.get(name, name) for name in names]
    used = {name for node in graph.node for name in node.input}
    for constant in [x for x in graph.initializer if x.name not in used]:
        graph.initializer.remove(constant)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _only_reader(graph: Any, name: str) -> Any:
    readers = [node for node in graph.node if name in node.input]
    return readers[0] if len(readers) == 1 else None


class _Writer(OnnxNodes):
    """`reals` names the values of tensors that are not stored, or were real numbers first."""

    def __init__(self, network: StoredNetwork) -> None:
        super().__init__(network.graph, OPSET)
        self.network = network
        self.reals: dict[str, str] = {}
        self.form: Form = "integer"
        # One layer with several scales gives all of them several.
        scales = network.weight_scales.values()
        self.per_channel = any(bool((x != x[0]).any()) for x in scales)

    def write(self) -> bytes:
        graph, network = self.graph, self.network
        for name, spec in zip(graph.inputs, graph.input_specs, strict=True):
            self._keep(name, self._as_nchw(name, spec))
        for layer in graph.layers:
            self.form = network.forms[layer.name]
            value = self.value_of(layer)
            if self.form != "moved":
                value = self.clipped(layer, value, network.clamps[layer.name])
                self._keep(layer.output, value, real=self.form == "real")
            elif layer.output not in network.stored:
                self.reals[layer.output] = value
        self.form = "real"
        for name, spec in zip(graph.outputs, graph.output_specs, strict=True):
            self._ending(graph.tensors[name], spec)
        ends = [[self._end(x) for x in specs] for specs in (graph.input_specs, graph.output_specs)]
        return self.file(graph.name, *ends, producer_name=PRODUCER)

    # -- what operators ask for --------------------------------------------------------------------

    def real(self, tensor: str) -> str:
        """One node for each reader, as QDQ tools do."""
        stored = self.network.stored.get(tensor)
        if self.form == "moved" and stored is not None:
            return f"{tensor}.stored"
        if stored is None or (self.form == "real" and tensor in self.reals):
            return self.reals[tensor]
        return self._dequantized(stored)

    def own_name(self, layer: Layer) -> str:
        """Of what is moved the stored values."""
        if self.form == "moved" and layer.output in self.network.stored:
            return f"{layer.output}.stored"
        return super().own_name(layer)

    def is_matrix_product(self, layer: Layer) -> bool:
        """The classifier of an output that is a vector."""
        specs = self.graph.output_specs
        if layer.op != "pointwise" or len(specs) > 1 or specs[0].layout != "NC":
            return False
        # A small image may shrink to one pixel long before it is a vector.
        behind = self.graph.layers[self.graph.layers.index(layer) + 1 :]
        one_pixel = self.graph.tensor_in(layer).shape[:2] == (1, 1)
        return one_pixel and all(x.op in ("pointwise", "softmax") for x in behind)

    def weights(self, layer: Layer, weight: Array, axis: int = 0) -> list[str]:
        """int8, and biases in steps of the sums."""
        scale = self.network.weight_scales[layer.name]
        step = np.float32(self.network.stored[layer.inputs[0]].known_quant.scale) * scale
        bias = layer.parameters[1]
        return [
            self.stored_constant(f"{layer.name}.weight", weight, self._shared(scale), axis),
            self.stored_constant(f"{layer.name}.bias", bias, self._shared(step)),
        ]

    def operand(self, name: str, values: Array) -> str:
        """int8 beside integers; a single number exactly."""
        if self.form != "integer":
            return self.constant(name, values)
        scale = np.float32(max(float(np.abs(values).max(initial=0.0)), LEAST_OPERAND) / 127)
        steps = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        return self.stored_constant(name, steps, np.asarray(scale))

    def fill(self, tensor: str, value: float) -> Array:
        """As `stored` has it where it is moved."""
        stored = self.network.stored.get(tensor)
        if self.form != "moved" or stored is None:
            return np.array(value, self.graph.tensors[tensor].dtype)
        return np.array(_stored_fill(value, stored), STORED)

    # -- ends --------------------------------------------------------------------------------------

    def _end(self, spec: TensorSpec) -> Any:
        kind = self.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        return self.helper.make_tensor_value_info(spec.name, kind, list(spec.shape))

    def _as_nchw(self, name: str, spec: TensorSpec) -> str:
        """The name of an input in ONNX's own layout."""
        height, width, channels = self.graph.tensors[name].shape
        if spec.shape == (1, channels, height, width) and spec.layout == "NCHW":
            return spec.name
        value, rows = spec.name, (1, height, width, channels)
        if spec.shape != rows:
            one = height * width == 1 or channels == 1
            shape = (1, channels, height, width) if one else rows
            value = reshaped(self, value, shape, f"{spec.name}.map")
            if one:
                return value
        return self.node("Transpose", [value], f"{spec.name}.nchw", perm=[0, 3, 1, 2])

    def _ending(self, tensor: Tensor, spec: TensorSpec) -> None:
        """A result in the source's shape and layout; an input that is one has its name already."""
        if any(spec.name == other.name for other in self.graph.input_specs):
            return
        flat = any(node.op_type == "Gemm" for node in self.nodes)
        height, width, channels = tensor.shape
        natural = (1, channels) if flat else (1, channels, height, width)
        if spec.layout != "NHWC" and spec.shape == natural:
            self._result(tensor, spec.name)
            return
        value = self.real(tensor.name)
        if spec.layout == "NHWC" and not flat and spec.shape == (1, height, width, channels):
            self.node("Transpose", [value], spec.name, perm=[0, 2, 3, 1])
            return
        if not flat and spec.layout != "NCHW":
            value = rows_of(self, value, tensor, f"{spec.name}.rows")
        wanted = self.constant(f"{spec.name}.shape", np.array(spec.shape, np.int64))
        self.node("Reshape", [value, wanted], spec.name)

    def _result(self, tensor: Tensor, name: str) -> None:
        if tensor.name in self.reals:
            self.node("Identity", [self.reals[tensor.name]], name)
        else:
            self._dequantized(self.network.stored[tensor.name], name)

    # -- pieces ------------------------------------------------------------------------------------

    def _keep(self, name: str, value: str, *, real: bool = False) -> None:
        """`value` as tensor `name`: stored where it is so, and as it is where others want that."""
        tensor = self.network.stored.get(name)
        if tensor is None or real:
            self.reals[name] = value
        if tensor is None:
            return
        ends = self.quantisation(tensor, STORED)
        self.node("QuantizeLinear", [value, *ends], f"{name}.stored")

    def _dequantized(self, tensor: Tensor, output: str | None = None) -> str:
        output = output or f"{tensor.name}.real{len(self.nodes)}"
        inputs = [f"{tensor.name}.stored", *self.quantisation(tensor, STORED)]
        return self.node("DequantizeLinear", inputs, output)

    def _shared(self, scale: Array) -> Array:
        """One number where no layer has more than one scale."""
        return scale if self.per_channel else scale[0]


def _stored_fill(value: float, stored: Tensor) -> int:
    """The int8 number nearest to a real `value` that fills a stored map up."""
    quant = stored.known_quant
    return int(np.clip(np.rint(value / quant.scale) + quant.zero_point, -128, 127))
