"""An int8 `Graph` as a standard ONNX file: QuantizeLinear / DequantizeLinear around float nodes.

onnxruntime runs it, and our own front end reads it back into the same layers with the same
constants. Scales are the float32 values of the graph, biases int32 with scale
`input scale * weight scale`, weights int8 with one scale per output channel or one for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import TensorSpec
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.quantizer.convert import Converted, is_dense
from edgemnv2.quantizer.float_graph import Convolution

__all__ = ["OPSET", "export_onnx", "with_int8_ends"]

Array = NDArray[Any]

OPSET = 13
"""The first with one scale per channel (`axis`)."""
IR_VERSION = 8
PRODUCER = "edgemnv2"


def export_onnx(converted: Converted, original: Graph) -> bytes:
    """The file's bytes; `original` is the float graph, whose clamps become Clip nodes.

    The same network gives the same bytes.
    """
    return _Writer(converted, original).write()


def with_int8_ends(data: bytes) -> bytes:
    """A file of `export_onnx` without the quantisation of its input and the return to float.

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


class _Writer:
    """Collects nodes and initialisers."""

    def __init__(self, converted: Converted, original: Graph) -> None:
        from onnx import helper, numpy_helper

        self.helper = helper
        self.numpy_helper = numpy_helper
        self.graph = converted.graph
        self.scales: Mapping[str, Array] = converted.weight_scales
        self.clamps = {x.name: getattr(x, "clamp", None) for x in original.layers}
        self.original = original
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def write(self) -> bytes:
        source, result = self.graph.input_specs[0], self.graph.output_specs[0]
        first, last = self.graph.layers[0], self.graph.layers[-1]
        self._quantize(self._as_nchw(source), self.graph.tensor_out(first))
        for layer in self.graph.layers[1:-1]:
            self._layer(layer)
        self._ending(self.graph.tensor_in(last), result)
        graph = self.helper.make_graph(
            self.nodes,
            self.graph.name,
            [self._value(source)],
            [self._value(result)],
            self.constants,
        )
        model = self.helper.make_model(
            graph,
            producer_name=PRODUCER,
            ir_version=IR_VERSION,
            opset_imports=[self.helper.make_opsetid("", OPSET)],
        )
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    # -- ends --------------------------------------------------------------------------------------

    def _value(self, spec: TensorSpec) -> Any:
        kind = self.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        return self.helper.make_tensor_value_info(spec.name, kind, list(spec.shape))

    def _as_nchw(self, spec: TensorSpec) -> str:
        """The name of the input in ONNX's own layout."""
        if spec.layout != "NHWC":
            return spec.name
        return self._node("Transpose", [spec.name], f"{spec.name}.nchw", perm=[0, 3, 1, 2])

    def _ending(self, tensor: Tensor, spec: TensorSpec) -> None:
        """Back to float32 in the source's shape and layout."""
        flat = any(node.op_type == "Gemm" for node in self.nodes)
        shape = list(spec.shape)
        if spec.layout == "NHWC":
            real = self._dequantized(tensor)
            self._node("Transpose", [real], spec.name, perm=[0, 2, 3, 1])
        elif (flat and len(shape) == 2) or (not flat and len(shape) == 4):
            self._dequantized(tensor, spec.name)
        else:
            wanted = self._constant(f"{spec.name}.shape", np.array(shape, np.int64))
            self._node("Reshape", [self._dequantized(tensor), wanted], spec.name)

    # -- layers ------------------------------------------------------------------------------------

    def _layer(self, layer: Layer) -> None:
        real = [self._dequantized(self.graph.tensors[name]) for name in layer.inputs]
        output = f"{layer.name}.real"
        match layer:
            case Conv2D() | DepthwiseConv2D():
                output = self._convolution(layer, real[0], output)
            case Add():
                output = self._node("Add", real, output)
            case GlobalAveragePool():
                output = self._node("GlobalAveragePool", real, output)
            case Softmax():
                axis = 1
                output = self._node("Softmax", real, output, axis=axis)
            case _:
                raise AssertionError(f"{layer.name}: {type(layer).__name__} has no ONNX form")
        self._quantize(self._clipped(layer, output), self.graph.tensor_out(layer))

    def _convolution(self, layer: Convolution, real: str, output: str) -> str:
        scale = self.scales[layer.name]
        source = self.graph.tensor_in(layer).quant
        assert source is not None
        if isinstance(layer, DepthwiseConv2D):
            stored = layer.weight[..., np.newaxis].transpose(2, 3, 0, 1)  # [C, 1, KH, KW]
        else:
            stored = layer.weight.transpose(3, 2, 0, 1)  # [Cout, Cin, KH, KW]
        dense = is_dense(self.graph, layer)
        if dense:
            stored = stored[:, :, 0, 0]
        weight = self._stored_constant(f"{layer.name}.weight", stored, scale)
        step = np.float32(source.scale) * scale
        bias = self._stored_constant(f"{layer.name}.bias", layer.bias, step)
        if dense:
            flat = self._node("Flatten", [real], f"{layer.name}.flat", axis=1)
            return self._node("Gemm", [flat, weight, bias], output, transB=1)
        return self._node(
            "Conv",
            [real, weight, bias],
            output,
            kernel_shape=list(layer.kernel),
            strides=list(layer.stride),
            pads=list(layer.padding),
            group=layer.weight.shape[-1] if isinstance(layer, DepthwiseConv2D) else 1,
        )

    def _clipped(self, layer: Layer, real: str) -> str:
        clamp = self.clamps[layer.name]
        if clamp is None or not np.isfinite(clamp).any():
            return real
        ends: list[str] = []
        for kind, value in zip(("low", "high"), clamp, strict=True):
            # A missing end is an empty name.
            name = f"{layer.name}.{kind}"
            finite = np.isfinite(value)
            ends.append(self._constant(name, np.array(value, np.float32)) if finite else "")
        return self._node("Clip", [real, *ends], f"{layer.name}.clipped")

    # -- pieces ------------------------------------------------------------------------------------

    def _node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        node = self.helper.make_node(kind, list(inputs), [output], name=output, **attributes)
        self.nodes.append(node)
        return output

    def _constant(self, name: str, array: Array) -> str:
        self.constants.append(self.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _parameters(self, tensor: Tensor) -> list[str]:
        """Scale and zero point of an activation, written once."""
        assert tensor.quant is not None
        names = [f"{tensor.name}.scale", f"{tensor.name}.zero_point"]
        if not any(x.name == names[0] for x in self.constants):
            self._constant(names[0], np.array(tensor.quant.scale, np.float32))
            self._constant(names[1], np.array(tensor.quant.zero_point, tensor.dtype))
        return names

    def _quantize(self, real: str, tensor: Tensor) -> None:
        self._node("QuantizeLinear", [real, *self._parameters(tensor)], f"{tensor.name}.stored")

    def _dequantized(self, tensor: Tensor, output: str | None = None) -> str:
        """The float32 value of an int8 tensor; one node for each reader, as QDQ tools do."""
        output = output or f"{tensor.name}.real{len(self.nodes)}"
        inputs = [f"{tensor.name}.stored", *self._parameters(tensor)]
        return self._node("DequantizeLinear", inputs, output)

    def _stored_constant(self, name: str, values: Array, scale: Array) -> str:
        """A dequantised constant, its scale along axis 0 or the same for all."""
        same = bool((scale == scale[0]).all()) and not self._per_channel
        scale = np.array(scale[0], np.float32) if same else scale.astype(np.float32)
        zeros = np.zeros(scale.shape, values.dtype)
        inputs = [
            self._constant(f"{name}.stored", values),
            self._constant(f"{name}.scale", scale),
            self._constant(f"{name}.zero_point", zeros),
        ]
        return self._node("DequantizeLinear", inputs, name, **({} if same else {"axis": 0}))

    @property
    def _per_channel(self) -> bool:
        """Whether any layer has more than one weight scale."""
        return any(bool((scale != scale[0]).any()) for scale in self.scales.values())
