"""The lowered network: a list of layers, each of them one kernel of ours.

`passes` turn a Relax `Model` into a `Graph`; everything after that (reference, streaming, memory,
code generation) reads this form only. Batch is 1 and is not stored: an activation is
`[height, width, channels]` (NHWC). Padding, bias, clamp and requantisation belong to their layer.

Integer layers follow TFLite's reference kernels to the bit, or round once, halves to even, as the
ONNX standard says: `acc = bias + sum((x - zx) * w)`, then `Requantize`, `+ zy`, clamp. Weights of a
uint8 model have their zero point already taken off (hence int16); uint8 activations stay uint8 only
at the ends of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import Note, QuantParams, TensorSpec

__all__ = [
    "Graph",
    "Layer",
    "Tensor",
    "added_field",
]

Array = NDArray[Any]


def added_field(default: Any) -> Any:
    """A field that a layer has got later: `ops.store` leaves it out where it is the default.

    So what is stored of networks that do not need it stays as it was.
    """
    return field(default=default, metadata={"added": True})


@dataclass(frozen=True)
class Tensor:
    """One activation `[height, width, channels]`; `dtype` as NumPy spells it."""

    name: str
    height: int
    width: int
    channels: int
    dtype: str
    quant: QuantParams | None = None

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return np.dtype(self.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, NHWC, without padding."""
        return self.width * self.channels * self.itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole activation, NHWC, without padding."""
        return self.height * self.row_bytes

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return self.height, self.width, self.channels


@dataclass(frozen=True, eq=False)
class Layer:
    """What all layers share: a name (`block3.expand`), tensor names in and out."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def is_plain(self) -> bool:
        """Whether families of schedules may know it: nothing about it is out of the ordinary."""
        return True

    @property
    def keeps_storage(self) -> bool:
        """Whether stored integers come out as they went in: in and out have one type and scale."""
        return False

    def rounds_storage(self, source: Tensor) -> bool:
        """Whether it rounds stored values, so that other zero points would round otherwise.

        `source` is the tensor that it reads.
        """
        return False

    def stored_higher(self, by: int) -> Layer:
        """The layer whose stored output values are all `by` higher."""
        if not any(item.name == "clamp" for item in fields(self)):
            return self
        low, high = self.clamp  # type: ignore[attr-defined]
        return replace(self, clamp=(low + by, high + by))  # type: ignore[call-arg]

    @property
    def op(self) -> str:
        """The operator's name in reports, targets and tuning logs."""
        return type(self).__name__.lower()

    @property
    def is_float_product(self) -> bool:
        """Whether it multiplies by float weights, which bare metal does not."""
        return False

    def macs(self, out: Tensor) -> int:
        """Multiply-accumulates for the output `out`, padding counted as the paper counts it."""
        return 0


@dataclass(frozen=True, eq=False)
class Graph:
    """Layers in topological order, the tensors they exchange, and the source's view of the ends.

    `inputs` and `outputs` name tensors; `input_specs` and `output_specs` describe the same tensors
    as the source file has them (name, shape, layout).
    """

    name: str
    tensors: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_specs: tuple[TensorSpec, ...]
    output_specs: tuple[TensorSpec, ...]
    source: str = ""
    sha256: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Tensor -> the tensor of the source file that it is, where there is one."""
    format: str = ""
    """Whose integer arithmetic it is: "tflite" or "onnx"."""
    notes: tuple[Note, ...] = ()
    """What is computed otherwise than the file's framework does."""

    def tensor_in(self, layer: Layer, index: int = 0) -> Tensor:
        """The `index`-th input tensor of `layer`."""
        return self.tensors[layer.inputs[index]]

    def tensor_out(self, layer: Layer) -> Tensor:
        """The output tensor of `layer`."""
        return self.tensors[layer.output]

    @property
    def is_integer(self) -> bool:
        """Whether no layer multiplies by float weights."""
        return not any(layer.is_float_product for layer in self.layers)

    def macs(self, layer: Layer) -> int:
        """Multiply-accumulates of one layer."""
        return layer.macs(self.tensor_out(layer))
