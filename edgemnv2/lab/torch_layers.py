"""The paper's layers in PyTorch, named for the ONNX file that they are written to.

Needs torch (`pip install 'edgemnv2[train]'`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from edgemnv2.frontend.architecture import Bottleneck

__all__ = ["Convolution", "OnnxFile", "Residual"]

OPSET = 17
IR_VERSION = 8
"""The file format's version that came with opset 17; older readers refuse newer ones."""


class Convolution(nn.Module):
    """Convolution, batch normalisation and, unless `linear`, ReLU6; named for the ONNX file."""

    def __init__(
        self,
        name: str,
        shape: tuple[int, int, int],
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        inputs, outputs, kernel = shape
        self.name = name
        self.linear = linear
        pad = kernel // 2 * dilation
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, pad, dilation, groups=groups, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, inputs, H, W]` to `[N, outputs, H / stride, W / stride]`."""
        x = self.norm(self.conv(x))
        return x if self.linear else functional.relu6(x)

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias with the batch normalisation's statistics folded in, float32."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            assert self.conv.bias is not None
            return self.conv.weight.detach().numpy(), self.conv.bias.detach().numpy()
        assert norm.running_var is not None and norm.running_mean is not None
        factor = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        weight = self.conv.weight.double() * factor[:, None, None, None]
        bias = norm.bias.double() - norm.running_mean.double() * factor
        return weight.detach().float().numpy(), bias.detach().float().numpy()


class Residual(nn.Module):
    """The paper's inverted residual: expand, depthwise, project; the shortcut if shapes allow.

    `dilation` above 1 stands for a stride that was taken out, as DeepLab does.
    """

    def __init__(self, block: Bottleneck, stride: int | None = None, dilation: int = 1) -> None:
        super().__init__()
        self.name = name = f"block{block.index}"
        inputs, inner, outputs = (
            block.input_channels,
            block.expanded_channels,
            block.output_channels,
        )
        layers = []
        if block.has_expand:
            layers.append(Convolution(f"{name}.expand", (inputs, inner, 1)))
        layers.append(
            Convolution(
                f"{name}.depthwise",
                (inner, inner, 3),
                block.stride if stride is None else stride,
                groups=inner,
                dilation=dilation,
            )
        )
        layers.append(Convolution(f"{name}.project", (inner, outputs, 1), linear=True))
        self.layers = nn.Sequential(*layers)
        self.shortcut = block.has_residual

    def expanded(self, x: Tensor) -> Tensor:
        """The expansion alone: where the paper's detector takes its first map."""
        y: Tensor = self.layers[0](x)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """`[N, inputs, H, W]` to `[N, outputs, H / stride, W / stride]`."""
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


class OnnxFile:
    """Plain nodes and constants of an ONNX file, normalisation folded."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.low = self.constant("relu6.min", np.array(0))
        self.high = self.constant("relu6.max", np.array(6))

    def constant(self, name: str, value: np.ndarray, dtype: Any = np.float32) -> str:
        """Stores a constant; its name."""
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Adds a node; the name of its output."""
        self.nodes.append(helper.make_node(op, inputs, [f"{name}.out"], name, **attributes))
        return f"{name}.out"

    def convolution(self, layer: Convolution, x: str) -> str:
        """The nodes of `layer` on the value `x`; the name of what they make."""
        weight, bias = layer.folded()
        conv = layer.conv
        dilated = {} if conv.dilation == (1, 1) else {"dilations": conv.dilation}
        y = self.node(
            "Conv",
            layer.name,
            [
                x,
                self.constant(f"{layer.name}.weight", weight),
                self.constant(f"{layer.name}.bias", bias),
            ],
            kernel_shape=conv.kernel_size,
            strides=conv.stride,
            pads=[int(p) for p in conv.padding] * 2,
            group=conv.groups,
            **dilated,
        )
        if layer.linear:
            return y
        return self.node("Clip", f"{layer.name}.relu6", [y, self.low, self.high])

    def residual(self, block: Residual, x: str) -> str:
        """The nodes of a block on the value `x`; the name of what they make."""
        y = x
        for layer in block.layers:
            assert isinstance(layer, Convolution)
            y = self.convolution(layer, y)
        return self.node("Add", f"{block.name}.add", [x, y]) if block.shortcut else y

    def model(
        self,
        name: str,
        size: list[int],
        outputs: dict[str, list[int]],
        producer: str,
        kind: int = TensorProto.FLOAT,
        metadata: dict[str, str] | None = None,
    ) -> onnx.ModelProto:
        """The checked file: input `input` of `size`, `outputs` by name with shapes."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, size)],
            [helper.make_tensor_value_info(x, kind, shape) for x, shape in outputs.items()],
            self.weights,
        )
        proto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=producer,
        )
        helper.set_model_props(proto, metadata or {})
        onnx.checker.check_model(proto, full_check=True)
        return proto
