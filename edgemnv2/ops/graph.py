"""The lowered network: a list of layers, each of them one kernel of ours.

`passes` turn a `Model` into a `Graph`; everything after that (reference, streaming, memory,
code generation) reads this form only. Batch is 1 and is not stored: an activation is
`[height, width, channels]` (NHWC). Padding, bias, clamp and requantisation belong to their layer.

Integer layers follow TFLite's reference kernels to the bit, or round once, halves to even, as the
ONNX standard says: `acc = bias + sum((x - zx) * w)`, then `Requantize`, `+ zy`, clamp. Weights of a
uint8 model have their zero point already taken off (hence int16); uint8 activations stay uint8 only
at the ends of the network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import Note, QuantParams, TensorSpec
from edgemnv2.task import NOTHING_SAID, Said

__all__ = [
    "Graph",
    "Layer",
    "Tensor",
    "added_field",
]

Array = NDArray[Any]
BlockRole = Literal["none", "dense", "depthwise", "sum", "pool"]


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
    def known_quant(self) -> QuantParams:
        """Scale and zero point of a tensor that must have them."""
        assert self.quant is not None, f"{self.name} has no quantisation"
        return self.quant

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
        low, high = self.clamp_ends
        return self.with_clamp((low + by, high + by)) if self.has_clamp else self

    @property
    def op(self) -> str:
        """The operator's name in reports, targets and tuning logs."""
        return type(self).__name__.lower()

    @property
    def has_clamp(self) -> bool:
        """Whether it clamps its output, if only to what its type holds."""
        return any(item.name == "clamp" for item in fields(self))

    def with_clamp(self, ends: tuple[float, float]) -> Layer:
        """The layer with another clamp; only of layers that have one."""
        return replace(self, clamp=ends)  # type: ignore[call-arg]

    @property
    def clamp_ends(self) -> tuple[float, float]:
        """What it clamps its output to, stored values of integers; infinite without a clamp."""
        ends: tuple[float, float] = getattr(self, "clamp", (-math.inf, math.inf))
        return ends

    @property
    def block_role(self) -> BlockRole:
        """What it is to an inverted residual block, after which layers are named."""
        return "none"

    @property
    def parameters(self) -> tuple[Array, ...]:
        """What was learned: weights, then biases."""
        return ()

    @property
    def mixes_channels(self) -> bool:
        """Whether a channel of the output is made of all channels of the input."""
        return False

    @property
    def keeps_proportions(self) -> bool:
        """Whether channels that are scaled alike in all inputs come out scaled so, but for clamps.

        What it computes has no weights that could take a scale up.
        """
        return False

    @property
    def moves_values(self) -> bool:
        """Whether floats come out as they went in, or are what stored integers stand for."""
        return False

    @property
    def compares_only(self) -> bool:
        """Whether it tells places of values apart by their order, which no scale changes."""
        return False

    @property
    def decides(self) -> bool:
        """Whether floats that differ in their last bits can make outputs that differ by much.

        It orders, compares, rounds or cuts off.
        """
        return self.compares_only

    def stored_in(self, quant: QuantParams) -> Layer | None:
        """A layer that moves floats, on what is stored of them as int8; None: it cannot be so."""
        del quant
        return self

    @property
    def makes_probabilities(self) -> bool:
        """Whether scores of classes become probabilities."""
        return False

    @property
    def needs_float32(self) -> bool:
        """Whether what it reads, or makes of usual values, is more than float16 holds (65,504)."""
        return self.makes_probabilities

    def share_of_halves(self, source: Tensor) -> float:
        """Of values spread evenly, the share that is rounded from an exact half, one way or other.

        Who computes in floats decides about them by the last bits.
        """
        return 0.0

    @property
    def is_pixelwise(self) -> bool:
        """Whether a pixel of the output is made of the same pixel of each input alone."""
        return False

    @property
    def names_scratch(self) -> bool:
        """Whether the C header names the bytes that it works in, beside the arena they are in."""
        return False

    def channel_part(self, first: int, count: int) -> Layer | None:
        """The layer that makes `count` of its output channels; None where it cannot be cut."""
        del first, count
        return None

    def describe(self) -> dict[str, Any]:
        """What a tuning task says of it beside its operator and the shapes and types of its ends.

        Part of the key under which records are found: a word that changes leaves them behind.
        """
        return {}

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
    orders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Tensor -> the order in memory of that tensor's axes, where it is neither the file's own nor
    that with the second axis behind the others."""
    format: str = ""
    """Whose integer arithmetic it is: "tflite" or "onnx"."""
    notes: tuple[Note, ...] = ()
    """What is computed otherwise than the file's framework does."""
    said: Said = NOTHING_SAID
    """What the model's file, or a file beside it, says of the network's task."""

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
