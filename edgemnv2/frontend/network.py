"""The paper's own network as a `Model`: any width, resolution, classes, channels, expansion.

Float, or int8 as quantise / dequantise pairs in Relax, as quantised files have them.
Weights are seeded (see `seeded`): the shape of the real thing, and no skill at all.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np

from edgemnv2.errors import ModelError
from edgemnv2.frontend.architecture import KERNEL, TABLE_2, Architecture, architecture
from edgemnv2.frontend.relax import read_relax
from edgemnv2.frontend.seeded import INPUT, SeededLayer, seeded_layers
from edgemnv2.model import QuantParams, TensorSpec
from edgemnv2.ops.model import Model

__all__ = [
    "PUBLISHED_RESOLUTIONS",
    "PUBLISHED_WIDTHS",
    "TABLE_2",
    "Architecture",
    "architecture",
    "build_network",
    "built_in_names",
    "parse_built_in",
]

PUBLISHED_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.4)
PUBLISHED_RESOLUTIONS = (96, 128, 160, 192, 224)
WIDTH_RANGE = (0.05, 4.0)
RESOLUTION_RANGE = (32, 1024)
BUILT_IN = re.compile(r"mobilenetv2-(\d+(?:\.\d+)?)-(\d+)(-int8)?")


def built_in_names() -> tuple[str, ...]:
    """The networks of the paper by name; other widths and resolutions work alike."""
    return tuple(
        f"mobilenetv2-{width}-{resolution}{suffix}"
        for width in PUBLISHED_WIDTHS
        for resolution in PUBLISHED_RESOLUTIONS
        for suffix in ("", "-int8")
    )


def parse_built_in(name: str) -> tuple[float, int, bool] | None:
    """`(width, resolution, int8)` of a name like `mobilenetv2-0.35-96-int8`, or None."""
    match = BUILT_IN.fullmatch(name)
    if match is None:
        return None
    width, resolution = float(match[1]), int(match[2])
    for what, value, (low, high) in (
        ("width", width, WIDTH_RANGE),
        ("resolution", resolution, RESOLUTION_RANGE),
    ):
        if not low <= value <= high:
            raise ModelError(
                f"{name}: {what} {value:g} is out of range (must be {low:g} to {high:g})"
            )
    return width, resolution, match[3] is not None


def build_network(
    width: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    input_channels: int = 3,
    expansion: float = 6,
    *,
    seed: int = 0,
    int8: bool = False,
    name: str | None = None,
) -> Model:
    """The network with seeded weights; input NHWC in [-1, 1], output `logits` `[1, classes]`."""
    network = architecture(width, resolution, classes, input_channels, expansion)
    layers = seeded_layers(network, seed)
    name = name or f"mobilenetv2-{width:g}-{resolution}{'-int8' if int8 else ''}"
    shape = (1, resolution, resolution, input_channels)
    dtype = "int8" if int8 else "float32"
    emitter = _Int8(layers) if int8 else _Float(layers)
    module = _emit(network, layers, emitter, shape, dtype)
    text = f"{name} classes={classes} channels={input_channels} t={expansion:g} seed={seed}"
    last = layers[-1].quant
    return Model(
        name=name,
        flow=read_relax(module, ("input",), name),
        inputs=(TensorSpec("input", shape, dtype, "NHWC", INPUT if int8 else None),),
        outputs=(TensorSpec("logits", (1, classes), dtype, "NC", last if int8 else None),),
        source=name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        format="tflite",
    )


def _emit(
    network: Architecture,
    layers: tuple[SeededLayer, ...],
    emitter: _Float,
    shape: tuple[int, ...],
    dtype: str,
) -> Any:
    """The Relax module; the emitter says what a convolution, a sum and a mean are."""
    from tvm import relax

    builder = relax.BlockBuilder()
    parameter = relax.Var("input", relax.TensorType(shape, dtype))
    queue = iter(layers)
    with builder.function("main", [parameter]):
        with builder.dataflow():
            emitter.builder = builder
            x = emitter.convolution(parameter, next(queue), INPUT)
            quant = layers[0].quant
            for block in network.blocks:
                before, before_quant = x, quant
                for _ in range(3 if block.has_expand else 2):
                    layer = next(queue)
                    x, quant = emitter.convolution(x, layer, quant), layer.quant
                if block.has_residual:
                    assert layer.after is not None
                    x = emitter.add(before, before_quant, x, quant, layer.after)
                    quant = layer.after
            head, classifier = queue
            x = emitter.convolution(x, head, quant)
            assert head.after is not None
            x = emitter.mean(x, head.quant, head.after)
            x = emitter.convolution(x, classifier, head.after)
            result = builder.emit_output(relax.op.reshape(x, (1, network.classes)))
        builder.emit_func_output(result)
    return builder.get()


class _Float:
    """Plain float operators."""

    builder: Any

    def __init__(self, layers: tuple[SeededLayer, ...]) -> None:
        self.layers = layers

    def convolution(self, x: Any, layer: SeededLayer, quant: QuantParams) -> Any:
        from tvm import relax

        y = self._conv2d(x, layer, relax.const(_kernel(layer, layer.weight)))
        y = self.builder.emit(relax.op.add(y, relax.const(layer.bias)))
        return self.builder.emit(relax.op.clip(y, 0, 6)) if layer.relu6 else y

    def _conv2d(self, x: Any, layer: SeededLayer, weight: Any) -> Any:
        from tvm import relax

        side = 1 if layer.integers.shape[0] == KERNEL else 0
        return self.builder.emit(
            relax.op.nn.conv2d(
                x,
                weight,
                strides=(layer.stride, layer.stride),
                padding=(side, side, side, side),
                groups=layer.integers.shape[-1] if layer.depthwise else 1,
                data_layout="NHWC",
                kernel_layout="HWOI" if layer.depthwise else "HWIO",
            )
        )

    def add(self, a: Any, qa: QuantParams, b: Any, qb: QuantParams, y: QuantParams) -> Any:
        from tvm import relax

        return self.builder.emit(relax.op.add(a, b))

    def mean(self, x: Any, quant: QuantParams, y: QuantParams) -> Any:
        from tvm import relax

        return self.builder.emit(relax.op.mean(x, [1, 2], keepdims=True))


class _Int8(_Float):
    """The same operators between dequantise and quantise."""

    def convolution(self, x: Any, layer: SeededLayer, quant: QuantParams) -> Any:
        from tvm import relax

        scale, zero = relax.const(layer.scale), relax.const(0, "int32")
        integers = relax.const(_kernel(layer, layer.integers))
        axis = 2 if layer.depthwise else 3
        weight = relax.op.dequantize(integers, scale, zero, axis=axis)
        step = np.float32(quant.scale) * layer.scale
        stored = np.rint(layer.bias.astype(np.float64) / step.astype(np.float64)).astype(np.int32)
        bias = relax.op.dequantize(relax.const(stored), relax.const(step), zero, axis=0)
        y = self._conv2d(self._real(x, quant), layer, self.builder.emit(weight))
        y = self._stored(self.builder.emit(relax.op.add(y, self.builder.emit(bias))), layer.quant)
        return self.builder.emit(relax.op.clip(y, -128, 127)) if layer.relu6 else y

    def add(self, a: Any, qa: QuantParams, b: Any, qb: QuantParams, y: QuantParams) -> Any:
        return self._stored(super().add(self._real(a, qa), qa, self._real(b, qb), qb, y), y)

    def mean(self, x: Any, quant: QuantParams, y: QuantParams) -> Any:
        return self._stored(super().mean(self._real(x, quant), quant, y), y)

    def _real(self, x: Any, quant: QuantParams) -> Any:
        from tvm import relax

        scale, zero = relax.const(quant.scale, "float32"), relax.const(quant.zero_point, "int32")
        return self.builder.emit(relax.op.dequantize(x, scale, zero))

    def _stored(self, x: Any, quant: QuantParams) -> Any:
        from tvm import relax

        scale, zero = relax.const(quant.scale, "float32"), relax.const(quant.zero_point, "int32")
        return self.builder.emit(relax.op.quantize(x, scale, zero, out_dtype="int8"))


def _kernel(layer: SeededLayer, values: Any) -> Any:
    """HWIO as it is, depthwise `[KH, KW, C]` as HWOI."""
    return values[..., np.newaxis] if layer.depthwise else values
