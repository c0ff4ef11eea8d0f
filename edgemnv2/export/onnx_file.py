"""A `Graph` as an ONNX file, NCHW: float32, or QDQ with uint8 activations and int8 weights.

u8s8 is what onnxruntime's integer kernels on x86 are made for. Our int8 activations become uint8 by
a zero point that is 128 larger: the same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UsageError
from edgemnv2.export.quantities import activation_of, weight_scales
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.softmax.layer import Softmax

__all__ = ["onnx_file"]

Array = NDArray[Any]
OPSET, IR_VERSION = 17, 8
_UPPER = {"relu": None, "relu6": 6.0}


def onnx_file(graph: Graph) -> bytes:
    """The file's bytes. Raises UsageError for what ONNX has no operator for."""
    return _Writer(graph).write()


class _Writer:
    """Nodes and constants; `real` names the float value of each tensor of the graph."""

    def __init__(self, graph: Graph) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self.helper, self.numpy_helper = helper, numpy_helper
        self.types = {"float32": TensorProto.FLOAT, "integer": TensorProto.UINT8}
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.real: dict[str, str] = {}

    def write(self) -> bytes:
        graph, helper = self.graph, self.helper
        for name in graph.inputs:
            self._finish(name, name)
        for layer in graph.layers:
            self._layer(layer)
        sources = [self._value(graph.tensors[name], name) for name in graph.inputs]
        # Results are real values, for integer networks too.
        results = [self._value(graph.tensors[name], self.real[name]) for name in graph.outputs]
        constants = list(self.constants.values())
        made = helper.make_graph(self.nodes, "net", sources, results, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
        content: bytes = model.SerializeToString()
        return content

    def _value(self, tensor: Tensor, name: str) -> Any:
        kind = "integer" if name == tensor.name and tensor.dtype != "float32" else "float32"
        shape = [1, tensor.channels, tensor.height, tensor.width]
        return self.helper.make_tensor_value_info(name, self.types[kind], shape)

    def _constant(self, name: str, value: Array) -> str:
        if name not in self.constants:
            self.constants[name] = self.numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self.helper.make_node(op, inputs, [output], **attributes))
        return output

    def _quantisation(self, tensor: Tensor) -> list[str]:
        assert tensor.quant is not None
        shift = 0 if tensor.dtype == "uint8" else 128
        zero = np.array(tensor.quant.zero_point + shift, np.uint8)
        return [
            self._constant(f"{tensor.name}.scale", np.array(tensor.quant.scale, np.float32)),
            self._constant(f"{tensor.name}.zero", zero),
        ]

    def _finish(self, name: str, real: str) -> None:
        """`real` is the float value of tensor `name`, or, of the input, the stored one."""
        tensor = self.graph.tensors[name]
        if tensor.dtype == "float32":
            self.real[name] = real
            return
        ends = self._quantisation(tensor)
        if name not in self.graph.inputs:
            self._node("QuantizeLinear", [real, *ends], name)
        self.real[name] = self._node("DequantizeLinear", [name, *ends], f"{name}.real")

    def _layer(self, layer: Layer) -> None:
        out = self.graph.tensor_out(layer)
        inputs = [self.real[name] for name in layer.inputs]
        exact = layer.output if out.dtype == "float32" else f"{layer.output}.exact"
        match layer:
            case Conv2D() | DepthwiseConv2D():
                self._clamped(self._convolution(layer, inputs[0]), out, layer.clamp, exact)
            case Add():
                total = self._node("Add", inputs, f"{layer.name}.total")
                self._clamped(total, out, layer.clamp, exact)
            case GlobalAveragePool():
                self._node("GlobalAveragePool", inputs, exact)
            case Softmax():
                self._node("Softmax", inputs, exact, axis=1)
            case Rescale() | Quantize() | Dequantize():
                # The value stays, its storage changes.
                if out.dtype == "float32":
                    self._node("Identity", inputs, exact)
                else:
                    exact = inputs[0]
            case _:
                raise UsageError(f"{self.graph.source}: {layer.name} has no ONNX operator")
        self._finish(layer.output, exact)

    def _clamped(self, value: str, out: Tensor, clamp: tuple[float, float], output: str) -> None:
        """`value` clamped under the name `output`; a whole integer range needs no node."""
        kind = activation_of(out, clamp, output)
        if kind == "none":
            # The last node may take the name itself.
            self.nodes[-1].output[0] = output
            return
        upper = _UPPER[kind]
        bounds = [self._constant("zero", np.array(0, np.float32))]
        if upper is not None:
            bounds.append(self._constant("six", np.array(upper, np.float32)))
        self._node("Clip", [value, *bounds], output)

    def _convolution(self, layer: Conv2D | DepthwiseConv2D, x: str) -> str:
        groups = 1
        if isinstance(layer, DepthwiseConv2D):
            weight = layer.weight.transpose(2, 0, 1)[:, np.newaxis]
            groups = weight.shape[0]
        else:
            weight = layer.weight.transpose(3, 2, 0, 1)
            groups = layer.groups
        names = [
            self._constant(f"{layer.name}.weight", weight),
            self._constant(f"{layer.name}.bias", layer.bias),
        ]
        scales = weight_scales(self.graph, layer)
        if scales is not None:
            source = self.graph.tensor_in(layer).quant
            assert source is not None
            both = {"weight": scales, "bias": scales * np.float32(source.scale)}
            zeros = {"weight": np.int8, "bias": np.int32}
            for index, (part, scale) in enumerate(both.items()):
                ends = [
                    self._constant(f"{layer.name}.{part}.scale", scale),
                    self._constant(f"{layer.name}.{part}.zero", np.zeros(len(scale), zeros[part])),
                ]
                names[index] = self._node(
                    "DequantizeLinear", [names[index], *ends], f"{names[index]}.real", axis=0
                )
        top, left, bottom, right = layer.padding
        return self._node(
            "Conv",
            [x, *names],
            f"{layer.name}.sum",
            kernel_shape=list(layer.kernel),
            strides=list(layer.stride),
            pads=[top, left, bottom, right],
            group=groups,
            **({} if layer.dilation == (1, 1) else {"dilations": list(layer.dilation)}),
        )
