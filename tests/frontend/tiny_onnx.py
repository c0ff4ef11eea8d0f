"""Writes a small MobileNetV2 as ONNX, in the many ways that exporters write one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 16
CLASSES = 5


@dataclass
class TinyOnnx:
    """Options of the export; `build` gives the model. Weights are seeded."""

    batch_norm: bool = False
    pad_nodes: bool = False
    auto_pad: str = ""
    relu6: str = "clip"  # clip | clip_attribute | relu
    pool: str = "GlobalAveragePool"  # | ReduceMean | ReduceMean18 | AveragePool
    flatten: str = "Flatten"  # | Reshape | Squeeze | shape_nodes | conv
    head: str = "Gemm"  # | MatMul | flat (a matrix over the whole last map)
    softmax: bool = False
    batch: int | str = 1
    channels_last: bool = False
    identity: bool = False
    dropout: bool = False
    weights_as: str = "initializers"  # | inputs (IR version 3) | nodes (Constant)
    channels: int = 3
    opset: int = 17
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"n_{output}", **attrs))
        return output

    def conv(
        self,
        x: str,
        name: str,
        inner: int,
        outer: int,
        kernel: int = 1,
        stride: int = 1,
        group: int = 1,
    ) -> str:
        depth = inner // group * kernel * kernel
        weight = self.random.normal(0, (2 / depth) ** 0.5, (outer, inner // group, kernel, kernel))
        inputs = [x, self.constant(f"{name}.w", weight)]
        if not self.batch_norm:
            inputs.append(self.constant(f"{name}.b", self.random.normal(0, 0.2, outer)))
        side = kernel // 2
        pads = [0, 0, side, side] if stride == 2 else [side] * 4
        attrs: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2}
        if self.auto_pad and kernel > 1:
            attrs["auto_pad"] = self.auto_pad
        elif self.pad_nodes and stride == 2:
            full = [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]
            inputs[0] = self.node(
                "Pad", [x, self.constant(f"{name}.pads", full, np.int64)], f"{name}.pad"
            )
        else:
            attrs["pads"] = pads
        y = self.node("Conv", inputs, name, group=group, **attrs)
        if self.batch_norm:
            vectors = [
                self.constant(f"{name}.gamma", self.random.uniform(0.5, 1.5, outer)),
                self.constant(f"{name}.beta", self.random.normal(0, 0.3, outer)),
                self.constant(f"{name}.mean", self.random.normal(0, 0.3, outer)),
                self.constant(f"{name}.var", self.random.uniform(0.5, 1.5, outer)),
            ]
            y = self.node("BatchNormalization", [y, *vectors], f"{name}.bn", epsilon=1e-3)
        return self.node("Identity", [y], f"{name}.id") if self.identity else y

    def activation(self, x: str) -> str:
        if self.relu6 == "relu":
            return self.node("Relu", [x], f"{x}.relu")
        if self.relu6 == "clip_attribute":
            return self.node("Clip", [x], f"{x}.clip", min=0.0, max=6.0)
        low, high = self.constant(f"{x}.low", 0.0), self.constant(f"{x}.high", 6.0)
        return self.node("Clip", [x, low, high], f"{x}.clip")

    def block(self, x: str, name: str, inner: int, middle: int, outer: int, stride: int) -> str:
        y = self.activation(self.conv(x, f"{name}.expand", inner, middle))
        y = self.activation(
            self.conv(y, f"{name}.dw", middle, middle, kernel=3, stride=stride, group=middle)
        )
        y = self.conv(y, f"{name}.project", middle, outer)
        if stride == 1 and inner == outer:
            y = self.node("Add", [x, y], f"{name}.add")
        return y

    def build(self) -> onnx.ModelProto:
        x = "image"
        shape: list[Any] = [self.batch, self.channels, SIZE, SIZE]
        if self.channels_last:
            shape = [self.batch, SIZE, SIZE, self.channels]
            x = self.node("Transpose", [x], "nchw", perm=[0, 3, 1, 2])
        x = self.activation(self.conv(x, "stem", self.channels, 8, kernel=3, stride=2))
        x = self.block(x, "b1", 8, 24, 10, 2)
        x = self.block(x, "b2", 10, 30, 10, 1)
        x = self.activation(self.conv(x, "head", 10, 16))
        x, features = (x, 256) if self.head == "flat" else (self.pooled(x), 16)
        x = self.classifier(self.flat(x, features), features)
        if self.softmax:
            x = self.node("Softmax", [x], "softmax", axis=-1)
        result: list[Any] = [self.batch, CLASSES]
        if self.flatten == "conv":
            result = [self.batch, CLASSES, 1, 1]
        inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
        if self.weights_as == "inputs":
            inputs += [
                helper.make_tensor_value_info(x.name, x.data_type, x.dims)
                for x in self.initializers
            ]
        if self.weights_as == "nodes":
            self.nodes[:0] = [
                helper.make_node("Constant", [], [x.name], value=x) for x in self.initializers
            ]
            self.initializers.clear()
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            inputs,
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, result)],
            self.initializers,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )

    def pooled(self, x: str) -> str:
        if self.pool == "ReduceMean":
            return self.node("ReduceMean", [x], "pool", axes=[2, 3], keepdims=1)
        if self.pool == "ReduceMean without keepdims":
            return self.node("ReduceMean", [x], "pool", axes=[-1, -2], keepdims=0)
        if self.pool == "ReduceMean18":
            axes = self.constant("pool.axes", [2, 3], np.int64)
            return self.node("ReduceMean", [x, axes], "pool", keepdims=1)
        if self.pool == "AveragePool":
            return self.node("AveragePool", [x], "pool", kernel_shape=[4, 4])
        return self.node("GlobalAveragePool", [x], "pool")

    def flat(self, x: str, features: int) -> str:
        if self.flatten in ("conv", "none"):
            return x
        if self.flatten == "Reshape":
            shape = self.constant("flat.shape", [-1, features], np.int64)
            return self.node("Reshape", [x, shape], "flat")
        if self.flatten == "Squeeze":
            axes = self.constant("flat.axes", [2, 3], np.int64)
            return self.node("Squeeze", [x, axes], "flat")
        if self.flatten == "shape_nodes":
            # What PyTorch writes for x.view(x.size(0), -1).
            shape = self.node("Shape", [x], "flat.dims")
            zero = self.constant("flat.zero", 0, np.int64)
            first = self.node("Gather", [shape, zero], "flat.batch", axis=0)
            axes = self.constant("flat.axes", [0], np.int64)
            first = self.node("Unsqueeze", [first, axes], "flat.batch1")
            rest = self.constant("flat.rest", [-1], np.int64)
            target = self.node("Concat", [first, rest], "flat.target", axis=0)
            return self.node("Reshape", [x, target], "flat")
        return self.node("Flatten", [x], "flat", axis=1)

    def classifier(self, x: str, features: int) -> str:
        if self.flatten == "conv":
            return self.conv(x, "logits", features, CLASSES)
        if self.dropout:
            x = self.node("Dropout", [x], "dropped")
        weight = self.random.normal(0, features**-0.5, (features, CLASSES))
        bias = self.constant("fc.b", self.random.normal(0, 0.2, CLASSES))
        if self.head == "MatMul":
            y = self.node("MatMul", [x, self.constant("fc.w", weight)], "product")
            return self.node("Add", [y, bias], "logits")
        weight = self.constant("fc.w", weight.T)
        return self.node("Gemm", [x, weight, bias], "logits", transB=1)
