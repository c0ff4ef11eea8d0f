"""Small quantised ONNX networks as tools write them: QuantizeLinear / DequantizeLinear."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

__all__ = ["QdqNet"]

TYPES = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}


class QdqNet:
    """Nodes and constants of one network; activations are pairs (real tensor, scale, zero point).

    Every method takes and gives the name of a dequantised tensor.
    """

    def __init__(
        self, shape: tuple[int, ...], scale: float, zero: int, dtype: str = "int8"
    ) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.shape, self.dtype = shape, dtype
        self.opset = 17
        self.domains: list[Any] = []
        self.input = "x"
        self.last_stored = "x"

        self.random = np.random.default_rng(len(shape) + int(1000 * scale) + zero)
        self.real = self.dequantize("x", scale, zero, dtype)
        self.channels = shape[1]
        self.scale = scale

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def fresh(self) -> str:
        return f"t{len(self.nodes)}"

    def node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        output = self.fresh()
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=f"{op}_{output}", **attributes)
        )
        return output

    def _ends(self, scale: Any, zero: Any, dtype: str) -> list[str]:
        name = f"c{len(self.constants)}"
        scales = self.constant(name + ".scale", np.asarray(scale, np.float32))
        return [scales, self.constant(name + ".zero", np.asarray(zero, dtype))]

    def dequantize(self, stored: str, scale: Any, zero: Any, dtype: str, **attributes: Any) -> str:
        return self.node(
            "DequantizeLinear", [stored, *self._ends(scale, zero, dtype)], **attributes
        )

    def quantize(self, real: str, scale: float, zero: int, dtype: str = "int8") -> str:
        ends = self._ends(scale, zero, dtype)
        self.last_stored = self.node("QuantizeLinear", [real, *ends])
        self.scale = scale
        self.real = self.node("DequantizeLinear", [self.last_stored, *ends])
        return self.real

    def convolution(
        self,
        channels: int,
        scale: float,
        zero: int,
        *,
        weight_scale: Any = 2.0**-6,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        bias: str = "int32",
        bias_values: Any = None,
        weight_dtype: str = "int8",
        weight_zero: int = 0,
        relu: bool = False,
        dtype: str = "int8",
    ) -> str:
        """`bias`: "int32" (quantised), "float" (as it is) or "none"."""
        channels = self.channels if depthwise else channels
        shape = (channels, 1 if depthwise else self.channels, kernel, kernel)
        limits = np.iinfo(weight_dtype)
        values = self.random.integers(max(limits.min, -127), limits.max, shape, endpoint=True)
        scales = np.broadcast_to(np.asarray(weight_scale, np.float32), (channels,))
        per_axis = np.asarray(weight_scale).size > 1
        name = f"w{len(self.constants)}"
        weight = self.dequantize(
            self.constant(name, values.astype(weight_dtype)),
            scales if per_axis else scales[0],
            np.full(channels, weight_zero) if per_axis else weight_zero,
            weight_dtype,
            **({"axis": 0} if per_axis else {}),
        )
        step = (np.float32(self.scale) * scales).astype(np.float32)
        stored = self.random.integers(-2000, 2000, channels)
        inputs = [self.real, weight]
        if bias == "int32":
            stored = stored if bias_values is None else np.asarray(bias_values)
            inputs.append(
                self.dequantize(
                    self.constant(name + ".bias", stored.astype(np.int32)),
                    step if per_axis else step[0],
                    np.zeros(channels) if per_axis else 0,
                    "int32",
                    **({"axis": 0} if per_axis else {}),
                )
            )
        elif bias == "float":
            real = stored * step * 1.00037 if bias_values is None else np.asarray(bias_values)
            inputs.append(self.constant(name + ".bias", np.asarray(real, np.float32)))
        out = self.node(
            "Conv",
            inputs,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=channels if depthwise else 1,
        )
        if relu:
            out = self.node("Relu", [out])
        self.channels = channels
        return self.quantize(out, scale, zero, dtype)

    def add(self, other: str, scale: float, zero: int) -> str:
        return self.quantize(self.node("Add", [self.real, other]), scale, zero)

    def mean(self, scale: float, zero: int) -> str:
        return self.quantize(self.node("GlobalAveragePool", [self.real]), scale, zero)

    def softmax(self, scale: float, zero: int, dtype: str = "int8") -> str:
        return self.quantize(self.node("Softmax", [self.real], axis=1), scale, zero, dtype)

    def model(self, out_shape: tuple[int, ...], dtype: str = "int8", output: str = "") -> bytes:
        """The file, from the stored input to the stored last tensor."""
        graph = helper.make_graph(
            self.nodes,
            "qdq",
            [helper.make_tensor_value_info(self.input, TYPES[self.dtype], list(self.shape))],
            [
                helper.make_tensor_value_info(
                    output or self.last_stored, TYPES[dtype], list(out_shape)
                )
            ],
            self.constants,
        )
        opsets = [helper.make_opsetid("", self.opset), *self.domains]
        blob: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=8
        ).SerializeToString()
        return blob
