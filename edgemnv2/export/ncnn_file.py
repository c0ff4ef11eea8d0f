"""A float32 `Graph` as ncnn's text `.param` and its `.bin` of weights.

Formats as ncnn's documentation, "param and model file structure" and "operators", describes them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UsageError
from edgemnv2.export.quantities import activation_of
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.softmax.layer import Softmax

__all__ = ["ncnn_files"]

Array = NDArray[Any]
_MAGIC = 7767517
# Activation type and parameters: none, ReLU, clip to 0 .. 6.
_ACTIVATIONS = {"none": "9=0", "relu": "9=1", "relu6": "9=3 -23310=2,0.0,6.0"}
_FLOAT32_TAG = np.zeros(1, "<u4").tobytes()


def ncnn_files(graph: Graph) -> tuple[str, bytes]:
    """The `.param` text and the `.bin` bytes. Raises UsageError for an integer network."""
    if any(t.dtype != "float32" for t in graph.tensors.values()):
        raise UsageError(
            f"against=ncnn: {graph.source} is no float32 network (give model=FILE.param)"
        )
    return _Writer(graph).write()


class _Writer:
    """Lines and weights. A blob has one reader in ncnn, so others read the copies of a Split."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.lines: list[str] = []
        self.blobs = 0
        self.weights: list[bytes] = []
        readers = Counter(name for layer in graph.layers for name in layer.inputs)
        readers.update(graph.outputs)
        self.readers = readers
        self.taken: Counter[str] = Counter()
        # Tensors behind the pooling: vectors in ncnn, which convolutions do not take.
        self.vectors: set[str] = set()

    def write(self) -> tuple[str, bytes]:
        (source,) = self.graph.inputs
        tensor = self.graph.tensors[source]
        self._line(
            "Input", source, [], source, f"0={tensor.width} 1={tensor.height} 2={tensor.channels}"
        )
        for layer in self.graph.layers:
            self._layer(layer)
        head = f"{_MAGIC}\n{len(self.lines)} {self.blobs}\n"
        return head + "\n".join(self.lines) + "\n", b"".join(self.weights)

    def _line(self, kind: str, name: str, inputs: list[str], output: str, rest: str) -> None:
        names = " ".join([*inputs, output])
        self.lines.append(f"{kind} {name} {len(inputs)} 1 {names} {rest}".rstrip())
        self.blobs += 1
        count = self.readers[output]
        if count > 1:
            copies = [f"{output}_split{i}" for i in range(count)]
            self.lines.append(f"Split {output}_split 1 {count} {output} {' '.join(copies)}")
            self.blobs += count

    def _read(self, name: str) -> str:
        if self.readers[name] == 1:
            return name
        self.taken[name] += 1
        return f"{name}_split{self.taken[name] - 1}"

    def _layer(self, layer: Layer) -> None:
        out = self.graph.tensor_out(layer)
        inputs = [self._read(name) for name in layer.inputs]
        match layer:
            case Conv2D() | DepthwiseConv2D():
                self._convolution(layer, inputs)
            case Add():
                if activation_of(out, layer.clamp, layer.name) != "none":
                    raise UsageError(f"{layer.name}: ncnn's addition has no clamp")
                self._line("BinaryOp", layer.name, inputs, layer.output, "0=0")
            case GlobalAveragePool():
                self.vectors.add(layer.output)
                self._line("Pooling", layer.name, inputs, layer.output, "0=1 4=1")
            case Softmax():
                self._line("Softmax", layer.name, inputs, layer.output, "0=0 1=1")
            case _:
                raise UsageError(f"{self.graph.source}: {layer.name} has no ncnn layer")

    def _convolution(self, layer: Conv2D | DepthwiseConv2D, inputs: list[str]) -> None:
        out = self.graph.tensor_out(layer)
        activation = _ACTIVATIONS[activation_of(out, layer.clamp, layer.name)]
        if isinstance(layer, DepthwiseConv2D):
            weight = layer.weight.transpose(2, 0, 1)
        else:
            weight = layer.weight.transpose(3, 2, 0, 1)
        self.weights += [
            _FLOAT32_TAG,
            np.ascontiguousarray(weight, "<f4").tobytes(),
            np.ascontiguousarray(layer.bias, "<f4").tobytes(),
        ]
        if layer.inputs[0] in self.vectors:
            self.vectors.add(layer.output)
            rest = f"0={out.channels} 1=1 2={weight.size} {activation}"
            self._line("InnerProduct", layer.name, inputs, layer.output, rest)
            return
        top, left, bottom, right = layer.padding
        rest = (
            f"0={out.channels} 1={layer.kernel[1]} 11={layer.kernel[0]} 3={layer.stride[1]} "
            f"13={layer.stride[0]} 4={left} 14={top} 15={right} 16={bottom} 5=1 6={weight.size} "
            f"{activation}"
        )
        kind = "Convolution"
        if layer.dilation != (1, 1):
            rest = f"{rest} 2={layer.dilation[1]} 12={layer.dilation[0]}"
        groups = out.channels if isinstance(layer, DepthwiseConv2D) else layer.groups
        if groups > 1 or isinstance(layer, DepthwiseConv2D):
            kind, rest = "ConvolutionDepthWise", f"{rest} 7={groups}"
        self._line(kind, layer.name, inputs, layer.output, rest)
